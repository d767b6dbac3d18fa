/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finishing an edit of several images that was cut off, or taking it back, by its intent file.
 *
 * Each image holds the old state or the new: the bitmaps extension and the directory tell which. When
 * all are new nothing but the file is left to go. Else those that are old are switched over by the
 * bytes that the file has for them, if it is proven of each that
 *   - the header is as it was prepared;
 *   - the clusters of the new state are as they were prepared, counted once, and nobody else's;
 *   - the new state is still right: nothing was written since, by the file's times; or the bits that it
 *     was made of are the same, and it cannot miss what the guest wrote (lasting.h).
 * Where that cannot be proven, those that are new are switched back, if the same is proven of each the
 * other way round. Where nothing was switched there is nothing to prove. Else it is refused: then
 * somebody has written since, and has to look.
 * The other files, which change behind the images, hold the old bytes or the new, and the file has both: they go
 * either way.
 * Every write is one that the edit itself would have made, or undoes one; so it can be cut off
 * and begun again.
 */
#ifndef Q2_EDIT_RESUME_H
#define Q2_EDIT_RESUME_H

#include "../image/image.h"
#include "intent.h"

struct q2_resume_image {
	const struct q2_intent_image *noted;
	struct qcow2bm_image *image; /* NULL: it cannot be opened as one */
	enum qcow2bm_resume_held held;
};

struct q2_resume {
	struct q2_resume_image *images;
	size_t count;
	const struct q2_intent *intent;
	enum qcow2bm_resume_held *files; /* what each of the other files holds */
	struct q2_watch *watch;
	uint64_t leaked_clusters;
	unsigned syncs;
};

/*
 * Opens the images of the intent, which must outlive *resume, in these storages; they are closed with
 * it, also after a failure. Finds out what each holds. Errors: ESYSTEM, ENOMEM, EINTERRUPTED. */
enum qcow2bm_code q2_resume_open(struct q2_resume *resume, const struct q2_intent *intent,
				 struct q2_storage *const *storages,
				 struct q2_watch *watch, struct qcow2bm_error *err);
void q2_resume_close(struct q2_resume *resume);

/* Decides what is to be done. Writes nothing. Errors: EINVAL when it is refused; ESYSTEM, ENOMEM,
 * EINTERRUPTED. */
enum qcow2bm_code q2_resume_decide(struct q2_resume *resume,
				   enum qcow2bm_resume_outcome *outcome,
				   struct qcow2bm_error *err);

/* Does it. Errors: EUNKNOWN: it is to be done again. Crash: as of the edit. */
enum qcow2bm_code q2_resume_do(struct q2_resume *resume,
			       enum qcow2bm_resume_outcome outcome,
			       struct qcow2bm_error *err);

/* ---- resume_proof.c ---- */

/* Whether an image in the old state may be switched over, or one in the new state back; *why is the
 * reason if not. Errors: ESYSTEM, ENOMEM, EINTERRUPTED. */
enum qcow2bm_code q2_resume_prove_forward(const struct q2_resume_image *resumed,
					  struct q2_watch *watch, bool *is_proven,
					  struct qcow2bm_error *why,
					  struct qcow2bm_error *err);
enum qcow2bm_code q2_resume_prove_back(const struct q2_resume_image *resumed,
				       struct q2_watch *watch, bool *is_proven,
				       struct qcow2bm_error *why,
				       struct qcow2bm_error *err);

/* Whether what stands at the place of the switch are these bytes. Errors: ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_resume_is_at_switch(const struct q2_resume_image *resumed,
					 const uint8_t *bytes, bool *is_there,
					 struct qcow2bm_error *err);

/* How many clusters of the state that it does not hold are counted still. */
uint64_t q2_resume_count_leaked(const struct q2_resume_image *resumed);

#endif
