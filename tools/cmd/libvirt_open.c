/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every libvirt command begins with: the folder of checkpoints, the domain's XML, the disks. */
#include "libvirt_open.h"

#include "../term/memory.h"
#include "../term/message.h"
#include "../term/word.h"
#include "layers.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECKPOINTS_OF "/var/lib/libvirt/qemu/checkpoint/"
#define XML_OF "/etc/libvirt/qemu/"

/* ---- The command line -------------------------------------------------------------------- */

static int take_disk(struct tool_libvirt *libvirt)
{
	const char *equals = strchr(optarg, '=');
	if (equals == NULL || equals == optarg || equals[1] == '\0')
		return tool_message_usage(libvirt->disks.options.command,
					  "option --disk: '%s' is not TARGET=PATH",
					  optarg);
	libvirt->given = tool_memory_resize(libvirt->given, libvirt->given_count + 1,
					    sizeof(*libvirt->given));
	libvirt->given[libvirt->given_count++] = (struct tool_libvirt_given){
		tool_memory_copy(optarg, (size_t)(equals - optarg)), equals + 1};
	return TOOL_OPTIONS_GO_ON;
}

/* Advice about the same must be given the same. */
static void keep(struct tool_libvirt *libvirt, const char *option)
{
	tool_text_print(&libvirt->options, " %s", option);
	tool_word_add(&libvirt->options, optarg);
}

int tool_libvirt_take(struct tool_libvirt *libvirt, int opt, char **argv)
{
	switch (opt) {
	case TOOL_LIBVIRT_DOMAIN:
		libvirt->domain = optarg;
		keep(libvirt, "--domain");
		if (*optarg == '\0' || *optarg == '.' || strchr(optarg, '/') != NULL)
			return tool_message_usage(
				libvirt->disks.options.command,
				"option --domain: '%s' is no domain's name", optarg);
		break;
	case TOOL_LIBVIRT_CHECKPOINTS:
		libvirt->checkpoints = optarg;
		keep(libvirt, "--checkpoints");
		break;
	case TOOL_LIBVIRT_XML:
		libvirt->xml = optarg;
		keep(libvirt, "--xml");
		break;
	case TOOL_LIBVIRT_DISK:
		keep(libvirt, "--disk");
		return take_disk(libvirt);
	default:
		return tool_disks_take(&libvirt->disks, opt, argv);
	}
	return TOOL_OPTIONS_GO_ON;
}

static char *join(const char *folder, const char *name, const char *end)
{
	struct tool_text text = {0};
	tool_text_print(&text, "%s%s%s", folder, name, end);
	return text.bytes;
}

static int find_places(struct tool_libvirt *libvirt)
{
	const struct tool_command *command = libvirt->disks.options.command;
	if (libvirt->checkpoints == NULL && libvirt->domain == NULL)
		return tool_message_usage(command,
					  "--domain NAME or --checkpoints DIR is wanted");
	if (libvirt->xml == NULL && libvirt->domain == NULL && libvirt->given_count == 0)
		return tool_message_usage(
			command,
			"--domain NAME, --xml FILE or --disk TARGET=PATH is wanted");
	libvirt->folder_path = libvirt->checkpoints != NULL
				       ? join(libvirt->checkpoints, "", "")
				       : join(CHECKPOINTS_OF, libvirt->domain, "");
	if (libvirt->xml != NULL)
		libvirt->xml_path = join(libvirt->xml, "", "");
	else if (libvirt->given_count == 0)
		libvirt->xml_path = join(XML_OF, libvirt->domain, ".xml");
	return TOOL_EXIT_DONE;
}

/* ---- The folder and the domain ------------------------------------------------------------ */

static int open_folder(struct tool_libvirt *libvirt, bool needs_folder)
{
	char why[TOOL_WHY];
	if (tool_folder_open(&libvirt->world.folder, libvirt->folder_path, !needs_folder,
			     why))
		return TOOL_EXIT_DONE;
	tool_message(libvirt->folder_path, "%s", why);
	return TOOL_EXIT_FAILED;
}

static int read_domain(struct tool_libvirt *libvirt)
{
	char why[TOOL_WHY];
	if (libvirt->xml_path == NULL ||
	    tool_domain_read(&libvirt->world.domain, libvirt->xml_path,
			     &libvirt->world.domain_doc, why))
		return TOOL_EXIT_DONE;
	tool_message(libvirt->xml_path, "%s", why);
	return TOOL_EXIT_FAILED;
}

/* As it is given, as the XML says, or as the folder is named. */
static void name_domain(struct tool_libvirt *libvirt)
{
	const char *name = libvirt->domain;
	if (name == NULL)
		name = libvirt->world.domain.name;
	if (name == NULL) {
		const char *slash = strrchr(libvirt->folder_path, '/');
		name = slash == NULL ? libvirt->folder_path : slash + 1;
	}
	libvirt->domain_name = tool_memory_copy(name, strlen(name));
}

/* ---- Disks -------------------------------------------------------------------------------- */

static bool choose(void *opaque, size_t layer_idx, struct qcow2bm_backing *backing)
{
	const struct tool_domain_disk *xml = opaque;
	if (layer_idx >= xml->below_count)
		return layer_idx == xml->below_count && xml->below_ends;
	const struct tool_domain_layer *layer = &xml->below[layer_idx];
	snprintf(backing->path, sizeof(backing->path), "%s", layer->path);
	snprintf(backing->format, sizeof(backing->format), "%s",
		 layer->format == NULL ? "" : layer->format);
	return true;
}

/* Why the layers that the XML names cannot be followed, or NULL. */
static const char *find_obstacle(const struct tool_domain_disk *xml)
{
	for (size_t i = 0; i < xml->below_count; i++) {
		const struct tool_domain_layer *layer = &xml->below[i];
		if (layer->path == NULL)
			return "a layer below it is no local file";
		if (strlen(layer->path) >= sizeof(((struct qcow2bm_backing *)0)->path))
			return "the path of a layer below it is too long";
		if (layer->format != NULL && strcmp(layer->format, "raw") != 0 &&
		    strcmp(layer->format, "qcow2") != 0)
			return "a layer below it is neither qcow2 nor raw";
	}
	return NULL;
}

/* The first layer whose base is not what its header says. */
static size_t find_other_base(const struct tool_libvirt_disk *disk)
{
	size_t count = qcow2bm_chain_layer_count(disk->chain);
	size_t chosen =
		disk->xml == NULL ? 0 : disk->xml->below_count + disk->xml->below_ends;
	for (size_t i = 0; i < chosen && i < count; i++) {
		const struct qcow2bm_layer *layer = qcow2bm_chain_layer(disk->chain, i);
		const char *stored =
			layer->image == NULL
				? NULL
				: qcow2bm_image_describe(layer->image)->backing_filename;
		char *path =
			stored == NULL ? NULL : tool_layers_path(layer->filename, stored);
		bool is_same =
			i + 1 == count
				? stored == NULL
				: path != NULL &&
					  tool_session_is_same_file(
						  path,
						  qcow2bm_chain_layer(disk->chain, i + 1)
							  ->filename);
		free(path);
		if (!is_same)
			return i;
	}
	return TOOL_FOLDER_NONE;
}

/* So that bitmaps that are damaged are known for it. */
static enum qcow2bm_code judge(struct qcow2bm_chain *chain, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < qcow2bm_chain_layer_count(chain);
	     i++) {
		const struct qcow2bm_layer *layer = qcow2bm_chain_layer(chain, i);
		if (layer->image != NULL)
			code = qcow2bm_bitmap_judge(layer->image, QCOW2BM_NOT_FOUND, NULL,
						    err);
	}
	return code;
}

#define MOST 4096 /* bitmaps: no domain has so many, and each is looked up among all */

/* libvirt keeps each checkpoint recording, and one goes as if all did; *scheme is what they are in truth, for who drops
 * some. Which is older the files tell, and nobody needs to ask bits. */
static enum qcow2bm_code find_order(struct tool_disk *listed, enum qcow2bm_scheme *scheme,
				    struct qcow2bm_error *err)
{
	size_t count = qcow2bm_chain_count(listed->chain);
	struct qcow2bm_order_options options = QCOW2BM_ORDER_OPTIONS_INIT;
	if (count > MOST) {
		err->code = QCOW2BM_ELIMIT;
		err->offset = QCOW2BM_NO_OFFSET;
		snprintf(err->sentence, sizeof(err->sentence),
			 "there are more than %d bitmaps", MOST);
		return err->code;
	}
	char **names = tool_memory_zeroed(count + 1, sizeof(char *));
	for (size_t i = 0; i < count; i++) {
		const struct qcow2bm_checkpoint *it =
			qcow2bm_chain_checkpoint(listed->chain, i);
		names[i] = tool_memory_copy(it->name, it->name_bytes);
	}
	options.names = (const char *const *)names;
	options.name_count = count;
	options.scheme = QCOW2BM_SCHEME_NESTED;
	enum qcow2bm_code code =
		qcow2bm_chain_find_order(listed->chain, &options, &listed->order, err);
	if (code == QCOW2BM_OK)
		*scheme = tool_bitmap_scheme(listed->chain);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return code;
}

static enum qcow2bm_code try_open_disk(struct tool_libvirt *libvirt,
				       struct tool_libvirt_disk *disk,
				       struct tool_disk *listed,
				       struct qcow2bm_error *err)
{
	const struct tool_disks *disks = &libvirt->disks;
	unsigned flags =
		disks->is_editing && !disks->options.dry_run ? TOOL_LAYERS_EDIT : 0u;
	enum qcow2bm_code code = tool_layers_try_open_chosen(
		&listed->chain, &disks->options, disk->path, flags,
		disk->xml == NULL ? NULL : choose, (void *)(uintptr_t)disk->xml, err);
	if (code == QCOW2BM_OK)
		code = judge(listed->chain, err);
	if (code == QCOW2BM_OK && disks->is_editing)
		code = find_order(listed, &disk->scheme, err);
	return code;
}

/* What cannot be read is told among the findings, unless somebody has it open or it is to be edited. */
static int open_disk(struct tool_libvirt *libvirt, struct tool_libvirt_disk *disk)
{
	struct tool_disks *disks = &libvirt->disks;
	struct tool_disk *listed = &disks->list[disks->count];
	struct qcow2bm_error err = {0};
	const char *obstacle = disk->xml == NULL ? NULL : find_obstacle(disk->xml);
	listed->filename = disk->path;
	enum qcow2bm_code code = QCOW2BM_EUNSUPPORTED;
	if (obstacle == NULL) {
		code = try_open_disk(libvirt, disk, listed, &err);
	} else {
		err.code = code;
		err.offset = QCOW2BM_NO_OFFSET;
		snprintf(err.sentence, sizeof(err.sentence), "%s", obstacle);
	}
	if (code == QCOW2BM_OK) {
		disks->count++;
		disk->chain = listed->chain;
		disk->base_layer = find_other_base(disk);
		return tool_disks_check_cut_off(disks, disk->chain);
	}
	qcow2bm_chain_close(listed->chain);
	*listed = (struct tool_disk){0};
	if (obstacle == NULL && (code == QCOW2BM_EBUSY || disks->is_editing))
		return tool_message_fail(disk->path, &err);
	if (disks->is_editing) {
		tool_message(disk->path, "%s", obstacle);
		return TOOL_EXIT_FAILED;
	}
	disk->err = err;
	disk->why_not =
		obstacle == NULL ? tool_message_sentence(&err) : join(obstacle, "", "");
	return TOOL_EXIT_DONE;
}

static bool holds_bitmaps(const struct tool_domain_disk *xml)
{
	return xml->path != NULL && !xml->is_read_only && xml->format != NULL &&
	       strcmp(xml->format, "qcow2") == 0;
}

/* Those that are given, or those of the domain. */
static void list_disks(struct tool_libvirt *libvirt)
{
	struct tool_world *world = &libvirt->world;
	size_t most = libvirt->given_count + world->domain.disk_count;
	world->disks = tool_memory_zeroed(most + 1, sizeof(*world->disks));
	libvirt->disks.list = tool_memory_zeroed(most + 1, sizeof(*libvirt->disks.list));
	for (size_t i = 0; i < libvirt->given_count; i++)
		world->disks[world->disk_count++] = (struct tool_libvirt_disk){
			.target = libvirt->given[i].target,
			.path = libvirt->given[i].path,
			.base_layer = TOOL_FOLDER_NONE,
		};
	for (size_t i = 0; libvirt->given_count == 0 && i < world->domain.disk_count;
	     i++) {
		const struct tool_domain_disk *xml = &world->domain.disks[i];
		world->disks[world->disk_count++] = (struct tool_libvirt_disk){
			.target = xml->target,
			.path = xml->path,
			.xml = xml,
			.base_layer = TOOL_FOLDER_NONE,
		};
	}
}

/* Opened twice an image would find its own locks in the way, and look busy. */
static int check_apart(const struct tool_libvirt *libvirt, size_t number)
{
	const struct tool_libvirt_disk *disks = libvirt->world.disks;
	for (size_t i = 0; i < number && libvirt->disks.is_editing; i++) {
		if (disks[i].path == NULL || disks[number].path == NULL ||
		    !tool_session_is_same_file(disks[i].path, disks[number].path))
			continue;
		tool_message(disks[number].path,
			     "it is the same image as '%s': two disks cannot have one; "
			     "nothing is done",
			     disks[i].path);
		return TOOL_EXIT_FAILED;
	}
	return TOOL_EXIT_DONE;
}

static int open_disks(struct tool_libvirt *libvirt)
{
	struct tool_world *world = &libvirt->world;
	int status = TOOL_EXIT_DONE;
	list_disks(libvirt);
	for (size_t i = 0; i < world->disk_count && status == TOOL_EXIT_DONE; i++) {
		struct tool_libvirt_disk *disk = &world->disks[i];
		if (disk->xml != NULL && !holds_bitmaps(disk->xml))
			continue;
		status = check_apart(libvirt, i);
		if (status == TOOL_EXIT_DONE)
			status = open_disk(libvirt, disk);
	}
	return status;
}

int tool_libvirt_open(struct tool_libvirt *libvirt, int operands, bool needs_folder)
{
	libvirt->world.folder.fd = -1;
	if (operands != 0)
		return tool_message_usage(libvirt->disks.options.command,
					  "no operand is wanted");
	int status = find_places(libvirt);
	if (status == TOOL_EXIT_DONE)
		status = open_folder(libvirt, needs_folder);
	if (status == TOOL_EXIT_DONE)
		status = read_domain(libvirt);
	if (status != TOOL_EXIT_DONE)
		return status;
	name_domain(libvirt);
	libvirt->world.options =
		libvirt->options.bytes == NULL ? "" : libvirt->options.bytes;
	return open_disks(libvirt);
}

void tool_libvirt_close(struct tool_libvirt *libvirt)
{
	for (size_t i = 0; i < libvirt->world.disk_count; i++)
		free(libvirt->world.disks[i].why_not);
	free(libvirt->world.disks);
	tool_disks_close(&libvirt->disks);
	if (libvirt->has_made_folder)
		(void)rmdir(libvirt->folder_path);
	tool_folder_close(&libvirt->world.folder);
	tool_domain_free(&libvirt->world.domain);
	tool_xml_free(libvirt->world.domain_doc);
	for (size_t i = 0; i < libvirt->given_count; i++)
		free(libvirt->given[i].target);
	free(libvirt->given);
	free(libvirt->folder_path);
	free(libvirt->xml_path);
	free(libvirt->domain_name);
	tool_text_free(&libvirt->options);
}

/* The order of what is made stands in the bits: an older one has all that a newer one has. */
static int find_bits_order(const struct tool_libvirt *libvirt,
			   const struct tool_disk *disk)
{
	struct qcow2bm_order_options options = QCOW2BM_ORDER_OPTIONS_INIT;
	struct qcow2bm_error err = {0};
	const struct qcow2bm_order *order;
	options.scheme = QCOW2BM_SCHEME_NESTED;
	if (qcow2bm_chain_count(disk->chain) > MOST) {
		tool_message(disk->filename, "there are more than %d bitmaps", MOST);
		return TOOL_EXIT_FAILED;
	}
	if (qcow2bm_chain_find_order(disk->chain, &options, &order, &err) != QCOW2BM_OK)
		return tool_message_fail(disk->filename, &err);
	if (order->gap != NULL && !libvirt->disks.options.quiet)
		tool_message(
			disk->filename,
			"warning: which is older the bits do not tell (%s); for a backup it "
			"does not matter",
			order->gap);
	return TOOL_EXIT_DONE;
}

int tool_libvirt_find_order(const struct tool_libvirt *libvirt)
{
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; i < libvirt->disks.count && status == TOOL_EXIT_DONE; i++)
		status = find_bits_order(libvirt, &libvirt->disks.list[i]);
	return status;
}
