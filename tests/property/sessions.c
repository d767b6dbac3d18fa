/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions that a seed decides: a real QEMU, other programs, damages and our commands, with a
 * record of what truly changed. What we call valid, disabled, exact or superset must cover it.
 *
 *   sessions SEED COUNT FOLDER     prints false claims with their steps, and a table
 *
 * SIGTERM: no session is begun any more, the table is of those that were.
 * QCOW2BM_STEPS in the environment: the steps of all sessions. */
#define _XOPEN_SOURCE 700 /* SA_RESTART */

#include "claims.h"
#include "guest.h"
#include "qemu.h"
#include "steps.h"
#include "tally.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile sig_atomic_t is_over;

static void end_early(int signal_number)
{
	(void)signal_number;
	is_over = 1;
}

static void happen(struct world *world, struct random *random)
{
	uint64_t kind = random_below(random, 100);
	const struct disk *disk = world_top(world);
	bool suspicious = disk->suspicious;
	/* With wrong refcounts QEMU spoils the guest's data; what it does then is its own claim. */
	if (kind < 50 && !disk->damaged && (!suspicious || kind < 8))
		guest_session(world, random);
	else if (kind < 70 && !suspicious)
		guest_offline(world, random);
	else if (kind < 82)
		(void)foreign_write(world, random);
	else
		damage_metadata(world, random);
}

/* True when all claims were. After a false one nothing more can be learned. */
static bool judge(struct world *world, struct random *random)
{
	unsigned layer = world->count - 1;
	if (layer > 0 && random_percent(random, 20))
		layer--;
	bool right = claims_of_readers("", &world->disks[layer]);
	return claims_of_edits(world, layer, random) && right;
}

static void run_session(uint64_t seed, const char *folder)
{
	static struct world world;
	struct random random;
	/* A seed's numbers are those of the next seed, one later: its first one decides. */
	random_seed(&random, seed);
	random.state = random_word(&random);
	steps_begin(seed);
	guest_begin(&world, &random, folder);
	guest_session(&world, &random);
	for (uint64_t n = random_between(&random, 2, 5); n > 0; n--) {
		happen(&world, &random);
		if (!judge(&world, &random))
			break;
		if (random_percent(&random, 60) &&
		    !claims_adopt(&world, world.count - 1, &random))
			break;
	}
	guest_verify(&world);
	if (getenv("QCOW2BM_STEPS") != NULL)
		steps_print("end of the session");
	for (unsigned i = 0; i < MAX_DISKS; i++)
		unlink(world.disks[i].path);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: sessions SEED COUNT FOLDER\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	uint64_t seed = strtoull(argv[1], NULL, 10);
	unsigned count = (unsigned)strtoul(argv[2], NULL, 10);
	struct sigaction over = {.sa_handler = end_early, .sa_flags = SA_RESTART};
	sigaction(SIGTERM, &over, NULL);
	unsigned done = 0;
	for (; done < count && !is_over; done++)
		run_session(seed + done, argv[3]);
	qemu_kill();
	tally_print(done);
	return tally_false() == 0 ? 0 : 1;
}
