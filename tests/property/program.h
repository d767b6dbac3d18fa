/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs qcow2bm, and copies of images for it to work on. */
#ifndef PROPERTY_PROGRAM_H
#define PROPERTY_PROGRAM_H

#include <jansson.h>
#include <stdbool.h>

/* Runs `qcow2bm WORDS... --output=json`; what it prints, NULL where that is no JSON. */
json_t *program_json(int *status, char *const *words);

/* Without output; its exit status. */
int program_run(char *const *words);

/* The bytes of the file, holes as holes. */
void program_copy(const char *from, const char *to);

#endif
