/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One edit, recorded, and the judgement of every state that a power cut can leave of it. */
#ifndef TESTS_CRASH_TRIAL_H
#define TESTS_CRASH_TRIAL_H

#include "crash_states.h"
#include "edit_cases.h"
#include "fault_storage.h"
#include "strict_reader.h"

struct crash_counts {
	uint64_t states;   /* that a power cut can leave */
	uint64_t judged;   /* of these, the ones that differ from all before */
	uint64_t old, new; /* which bitmaps a state has */
	uint64_t third;    /* neither */
	uint64_t leaks;    /* it leaks clusters, which is no fault */
	uint64_t repeated; /* judged ones on which the edit was done again */
	uint64_t refused;  /* ... or refused with a sentence */
	uint64_t wrong;
};

/* Which states were judged, and how. Zeroed it is empty. */
struct crash_seen {
	uint64_t *digests; /* open addressing; 0: free */
	uint8_t *verdicts;
	size_t room, count;
};

struct crash_trial {
	/* Set by the caller. */
	const char *image, *edit; /* as in edit_cases.h */
	const char *what;         /* more words for the messages, or NULL */
	edit_case_commit *commit; /* how the recorded run commits; NULL: at once */
	bool must_stay_old;  /* the edit fails, and no state may have the new bitmaps */
	bool may_do_nothing; /* the new bitmaps may be the old ones */
	crash_fn *each;      /* is shown every state that was judged as sound, or NULL */
	void *opaque;

	/* Set by crash_trial_learn(), crash_trial_record(). */
	struct memory_file before_file, after_file;
	struct strict_image before, after;
	struct record_log log;
	size_t switched_at; /* the first stretch whose durable state is the new one */
	struct crash_seen seen;
	struct crash_counts counts;
};

/* Does the edit, unrecorded, to a copy of `file`: what are the old and the new state? False
 * when the library refuses it, with its sentence in *err (may be NULL). Complains about a new
 * state that is unsound, or that leaks although nothing failed. */
bool crash_trial_learn(struct crash_trial *trial, const struct memory_file *file,
		       struct qcow2bm_error *err);

/* How the recorded run is disturbed. Zeroed: not at all. */
struct crash_trouble {
	struct fault_plan plan;
	size_t interrupt_at; /* which question whether to go on is answered with no; 0: none */
	size_t questions; /* asked */
};

/* Does the edit, recorded, to a copy of the old state, with that trouble or NULL. */
enum qcow2bm_code crash_trial_record(struct crash_trial *trial,
				     struct crash_trouble *trouble);

/* Judges what a power cut can leave of the recorded run. */
void crash_trial_judge(struct crash_trial *trial, const struct crash_limits *limits);

void crash_trial_free(struct crash_trial *trial);
void crash_seen_free(struct crash_seen *seen);

/* "image: edit", or title and NULL, and the counts; the head over them. */
void crash_counts_print_head(void);
void crash_counts_print(const char *title, const char *edit,
			const struct crash_counts *counts);
void crash_counts_add(struct crash_counts *total, const struct crash_counts *counts);

/* Large blocks of memory are kept for the next state: it makes the tests twice as fast. */
void crash_trial_keep_memory(void);

#endif
