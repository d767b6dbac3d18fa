/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A main() for the targets without libFuzzer: TARGET [-runs N] [-seed N] FILE... runs each
 * file, and then N changed copies of each.
 */
#include "../support/memory_storage.h"
#include "../support/random.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES 65536

/* A target may leave changing inputs to the fuzzer. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
	__attribute__((weak));

static struct random fuzzer_random;

static noreturn void stop(const char *path, const char *what)
{
	fprintf(stderr, "replay: %s: %s\n", path, what);
	exit(1);
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
	static const uint8_t values[] = {0, 1, 2, 0x7f, 0x80, 0xff};
	if (max_size == 0)
		return 0;
	if (size < max_size && (size == 0 || random_percent(&fuzzer_random, 10)))
		data[size++] = (uint8_t)random_word(&fuzzer_random);
	else if (size > 1 && random_percent(&fuzzer_random, 5))
		size--;
	for (uint64_t n = random_between(&fuzzer_random, 1, 3); n > 0; n--) {
		uint8_t *byte = &data[random_below(&fuzzer_random, size)];
		switch (random_below(&fuzzer_random, 3)) {
		case 0:
			*byte = (uint8_t)(*byte ^ 1u << random_below(&fuzzer_random, 8));
			break;
		case 1:
			*byte = values[random_below(&fuzzer_random, sizeof(values))];
			break;
		default:
			*byte = (uint8_t)random_word(&fuzzer_random);
		}
	}
	return size;
}

static void run_file(const char *path, uint64_t runs, uint64_t seed)
{
	struct memory_file file = {0};
	uint8_t *input = malloc(MAX_BYTES);
	if (!memory_file_load(&file, path))
		stop(path, "cannot be read");
	if (input == NULL)
		abort();
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(file.bytes, file.length);
	random_seed(&fuzzer_random, seed);
	size_t size = file.length;
	for (uint64_t i = 0; i < runs; i++) {
		/* From the file anew, now and then: changes pile up. */
		if (i % 8 == 0) {
			size = file.length < MAX_BYTES ? file.length : MAX_BYTES;
			memcpy(input, file.bytes, size);
		}
		size = LLVMFuzzerCustomMutator != NULL
			       ? LLVMFuzzerCustomMutator(
					 input, size, MAX_BYTES,
					 (unsigned)random_word(&fuzzer_random))
			       : LLVMFuzzerMutate(input, size, MAX_BYTES);
		LLVMFuzzerTestOneInput(input, size);
	}
	free(input);
	memory_file_free(&file);
}

int main(int argc, char **argv)
{
	uint64_t runs = 0, seed = 1;
	int files = 0;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-runs") == 0 && i + 1 < argc) {
			runs = strtoull(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "-seed") == 0 && i + 1 < argc) {
			seed = strtoull(argv[++i], NULL, 10);
		} else {
			run_file(argv[i], runs, seed);
			files++;
		}
	}
	if (files == 0)
		stop("usage", "TARGET [-runs N] [-seed N] FILE...");
	return 0;
}
