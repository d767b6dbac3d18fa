/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm digest: the manifest of a disk, on standard output, and what one tells. */
#define _POSIX_C_SOURCE 200809L

#include "../report/json.h"
#include "../report/manifest.h"
#include "../term/message.h"
#include "../term/output.h"
#include "../term/size.h"
#include "../term/watch.h"
#include "old.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SHA256 = TOOL_OPT_OWN, NO_TOTAL, OLD_FORMAT, SHOW };

#define BUFFER_BYTES ((size_t)256 << 10)

struct digest {
	struct tool_options options;
	struct qcow2bm_digest_options digest;
	enum qcow2bm_old_kind kind;
	bool shows;
	struct tool_text buffer;
	int status; /* of the first write that failed */
};

static int flush(struct digest *digest)
{
	if (digest->status == TOOL_EXIT_DONE)
		digest->status =
			tool_output_bytes(digest->buffer.bytes, digest->buffer.used);
	digest->buffer.used = 0;
	return digest->status;
}

static int put(void *opaque, const void *bytes, size_t count)
{
	struct digest *digest = opaque;
	tool_text_add(&digest->buffer, bytes, count);
	return digest->buffer.used < BUFFER_BYTES ? 0 : flush(digest);
}

/* What was printed until it failed lacks its end, which whoever reads it looks for. */
static int make(struct digest *digest, struct qcow2bm_old *old, const char *filename)
{
	struct tool_watch watch;
	struct qcow2bm_error err = {0};
	digest->digest.made_seconds = (uint64_t)time(NULL);
	tool_watch_begin(&watch, &digest->options);
	enum qcow2bm_code code =
		qcow2bm_old_digest(old, &digest->digest, put, digest, &watch.watch, &err);
	int signal_number = tool_watch_leave(&watch);
	if (code == QCOW2BM_OK)
		return flush(digest);
	if (code == QCOW2BM_ESTOPPED)
		return digest->status;
	int status = tool_message_fail(filename, &err);
	return code == QCOW2BM_EINTERRUPTED ? TOOL_EXIT_SIGNAL + signal_number : status;
}

static int show(const struct digest *digest, struct qcow2bm_old *old,
		const char *filename)
{
	struct tool_text text = {0};
	if (digest->options.json)
		return tool_output_json(tool_manifest_json(filename, old));
	tool_manifest_human(&text, filename, old);
	return tool_output_text(&text);
}

static int open_and_make(struct digest *digest, const char *filename)
{
	struct qcow2bm_old *old;
	int status = tool_old_open(&old, &digest->options, filename,
				   digest->shows ? QCOW2BM_OLD_MANIFEST : digest->kind);
	if (status != TOOL_EXIT_DONE)
		return status;
	if (digest->options.force_share && !digest->options.quiet && !digest->shows)
		tool_message(filename,
			     "warning: read without a lock, the image may be changing");
	status =
		digest->shows ? show(digest, old, filename) : make(digest, old, filename);
	tool_text_free(&digest->buffer);
	qcow2bm_old_close(old);
	return status;
}

static int take_granularity(struct digest *digest)
{
	const uint64_t smallest = 512, largest = (uint64_t)16 << 20;
	uint64_t bytes;
	if (!tool_size_parse(optarg, &bytes) || bytes < smallest || bytes > largest ||
	    (bytes & (bytes - 1)) != 0)
		return tool_message_usage(
			&tool_cmd_digest,
			"option -g: '%s' is not a power of two from 512 to 16M", optarg);
	digest->digest.granularity_bits = tool_size_log2(bytes);
	return TOOL_OPTIONS_GO_ON;
}

static int take_option(struct digest *digest, int opt, char **argv)
{
	switch (opt) {
	case 'g':
		return take_granularity(digest);
	case SHA256:
		digest->digest.flags |= QCOW2BM_DIGEST_SHA256;
		break;
	case NO_TOTAL:
		digest->digest.flags |= QCOW2BM_DIGEST_NO_TOTAL;
		break;
	case OLD_FORMAT:
		return tool_old_take_format(&digest->options, &digest->kind);
	case TOOL_OPT_PROGRESS:
		digest->options.progress = true;
		break;
	case SHOW:
		digest->shows = true;
		break;
	default:
		return tool_options_take(&digest->options, opt, argv);
	}
	return TOOL_OPTIONS_GO_ON;
}

static int check_usage(const struct digest *digest, int count)
{
	if (count != 1)
		return tool_message_usage(&tool_cmd_digest,
					  "one operand IMAGE is wanted");
	if (digest->options.json && !digest->shows)
		return tool_message_usage(&tool_cmd_digest,
					  "--output=json goes with --show");
	if (!digest->shows && isatty(STDOUT_FILENO))
		return tool_message_usage(&tool_cmd_digest,
					  "a manifest is not for a terminal: > FILE");
	return TOOL_OPTIONS_GO_ON;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"granularity", required_argument, NULL, 'g'},
		{"sha256", no_argument, NULL, SHA256},
		{"no-total", no_argument, NULL, NO_TOTAL},
		{"format", required_argument, NULL, OLD_FORMAT},
		{"progress", no_argument, NULL, TOOL_OPT_PROGRESS},
		{"threads", required_argument, NULL, TOOL_OPT_THREADS},
		{"show", no_argument, NULL, SHOW},
		TOOL_OPTIONS_READ,
	};
	struct digest digest = {
		.options = {.command = &tool_cmd_digest},
		.digest = {.size = sizeof(struct qcow2bm_digest_options)},
	};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_READ_LETTERS "g:",
				  long_options, NULL)) != -1)
		status = take_option(&digest, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON)
		status = check_usage(&digest, argc - optind);
	return status == TOOL_OPTIONS_GO_ON ? open_and_make(&digest, argv[optind])
					    : status;
}

const struct tool_command tool_cmd_digest = {
	.name = "digest",
	.synopsis = "[OPTION]... IMAGE > MANIFEST\n"
		    "       qcow2bm digest --show [OPTION]... MANIFEST",
	.summary = "Write hashes of a disk's parts, to be compared with later",
	.help = "Reads the disk as the guest sees it, over all layers, once, and prints its manifest:\n"
		"a hash of each granule that is not zeros, whatever clusters, compression and layers\n"
		"it is made of, and the SHA-256 of the whole disk. verify, recover and compare take it\n"
		"in place of the disk that it was made of, which need not be there any more. It checks\n"
		"itself: one that was cut short or changed is refused.\n"
		"\n"
		"Options:\n"
		"  -g, --granularity SIZE\n"
		"                         a hash for so many bytes, 512 to 16M (default: as fine as\n"
		"                         the finest bitmap, at most 64k)\n"
		"      --sha256           hashes by SHA-256, which nobody can forge, else XXH3-128\n"
		"      --no-total         no SHA-256 of the whole disk: zeros cost no time then\n"
		"      --format FMT       what IMAGE is: qcow2 or raw (default: what it begins as)\n"
		"      --threads N        read with so many threads (as many as there are processors)\n"
		"      --progress         show progress (by itself on a terminal after a second)\n"
		"      --show             print what a manifest tells, and check it\n"
		"      --output FORMAT    of --show: human (default) or json\n" TOOL_HELP_READ
		"\n"
		"Examples:\n"
		"  qcow2bm digest disk.qcow2 > disk.manifest\n"
		"  qcow2bm digest --show disk.manifest\n"
		"\n"
		"Exit status: 0 done, 1 failed, 6 busy, 64 usage, 128+n interrupted by signal n.\n",
	.run = run,
};
