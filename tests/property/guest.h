/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What happens to the disks outside our program. Each function is one step of a session. */
#ifndef PROPERTY_GUEST_H
#define PROPERTY_GUEST_H

#include "../support/random.h"
#include "truth.h"

/* Images of random geometry in the folder, with a layer below or without. */
void guest_begin(struct world *world, struct random *random, const char *folder);

/* A session of QEMU, which ends cleanly or by kill -9. */
void guest_session(struct world *world, struct random *random);

/* What people do with qemu-img: commit, resize, external and internal snapshots. */
void guest_offline(struct world *world, struct random *random);

/* A program that knows no bitmaps writes; false where no trace of it could be left. */
bool foreign_write(struct world *world, struct random *random);

/* The same without a trace but the file's times, into clusters that the guest has. */
bool foreign_write_in_place(const char *path, struct random *random);

/* A random damage of metadata that can be seen. */
void damage_metadata(struct world *world, struct random *random);

/* QEMU reads from the disk what the record says that it holds. */
void guest_verify(struct world *world);

/* Runs a program without output; its exit status. */
int guest_run(char *const *words);

#endif
