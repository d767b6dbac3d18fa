/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Step 0 of a commit: everything that is decided before the first byte is written. */
#ifndef Q2_EDIT_PLAN_H
#define Q2_EDIT_PLAN_H

#include "../clusters/refs.h"
#include "../clusters/structures.h"
#include "alloc.h"
#include "content.h"
#include "edit.h"
#include "grow_refcounts.h"

/* Among the flags of a commit: do with the clusters that the image has. */
/* What a caller may ask for. */
#define Q2_PLAN_CALLER_FLAGS (QCOW2BM_COMMIT_TRUST_REFCOUNTS | QCOW2BM_COMMIT_NO_DISCARD)
#define Q2_PLAN_IN_PLACE (1u << 31)

/* A new directory in the place of the old one: in_place.h. */
struct q2_in_place {
	uint8_t *
		bytes; /* as many as the old directory has; NULL: it is written elsewhere */
	size_t first; /* the part of them that is not on disk, inside one sector */
	size_t count;
	bool is_switch; /* writing that is the switch; the header stays as it is */
};

/*
 * The sets of clusters that an edit is decided with. Of the image as it is committed:
 *
 *   metadata      header, refcount table and blocks, L1 and L2 tables, snapshots   refs.metadata
 *   l2_tables     the part of it that the search in L1/L2 reads                    refs.l2_tables
 *   bitmaps       directory, tables and data of all bitmaps                        proof.bitmaps
 *   guest         what L2 entries name                                             proof.guest
 *
 * What is asked, and what the answer is:
 *
 *   wanted        clusters whose owner the edit must know                          proof.wanted
 *   named         of these, the ones that somebody else names                      proof.named
 *
 * What becomes of them:
 *
 *    bitmaps before the edit                 free by refcount (0)
 *   +------------+-------------------+      +---------------+----------------+
 *   | they stay  | given_up          |      | free_clusters | wrongly_free   |
 *   |            |  +------------+   |      |               | somebody names |
 *   |            |  | provable   |   |      |  +---------+  | them: refused, |
 *   |            |  | refcount 1,|   |      |  | taken   |  | or left alone  |
 *   |            |  | nobody's   |   |      |  | the new |  +----------------+
 *   |            |  | else       |   |      |  | state   |  |
 *   |            |  +------------+   |      |  +---------+  |
 *   +------------+-------------------+      +---------------+
 *                  released | leaked           carved: read by a recovery, never handed out
 *
 * given_up without provable is leaked, and said. Step 2 writes to `taken` alone, step 4 lowers
 * refcounts of `provable` alone: so the old state is whole until the switch, the new one after it.
 */
struct q2_plan {
	struct qcow2bm_edit *edit;
	unsigned flags;
	struct q2_watch *watch; /* NULL: nobody looks on */
	struct q2_refcounts refcounts;
	struct q2_structures refs;
	struct q2_alloc alloc;
	struct q2_growth growth;
	struct q2_content *contents; /* one per staged bitmap whose content changes */
	size_t content_count;
	uint64_t directory_bytes; /* of the new directory; 0 when no bitmap is left */
	uint64_t directory_first; /* cluster that is reserved for it */
	uint64_t directory_clusters;
	struct q2_in_place in_place;
	struct q2_clusters given_up; /* what the edit may no longer use: sorted */
	/* What the edit reads though nobody uses it: never handed out. */
	struct q2_clusters carved;
	struct q2_clusters
		provable; /* the part of given_up that is proven to be the bitmaps' alone */
	/* When the refcount table is replaced: the part of the old one that is proven to be
	 * nothing else, and how many clusters of it are not. */
	struct q2_clusters old_table;
	uint64_t old_table_unproven;
	bool has_unread;       /* a bitmap that stays cannot be read */
	char leak_reason[256]; /* why provable is less than given_up */
	/* The first byte past the end of the file that a bitmap which stays has lost there;
	 * UINT64_MAX: none. */
	uint64_t cut_off;
	bool has_lost_table; /* of a deleted or rebuilt bitmap: its data cannot be counted */
	/* A repair drops all bitmaps of an image whose refcounts or L1/L2 tables are damaged:
	 * they are let alone, and what the bitmaps had stays counted. */
	bool is_header_alone;
	bool is_header_shared; /* its cluster is found to be something else, too */
};

/* Plans the edit. Writes nothing. Errors: EUNSUPPORTED, ELIMIT, EIMAGE, ESYSTEM, ENOMEM,
 * EINTERRUPTED. */
enum qcow2bm_code q2_plan_make(struct q2_plan *plan, struct qcow2bm_edit *edit,
			       unsigned flags, struct q2_watch *watch,
			       struct qcow2bm_error *err);
void q2_plan_free(struct q2_plan *plan);

/* ---- changes.c ---- */

/* Fills edit->changed. Errors: ENOMEM. */
enum qcow2bm_code q2_plan_list_changes(struct qcow2bm_edit *edit,
				       struct qcow2bm_error *err);

/* ---- prove.c ---- */

/* Collects plan->given_up, finds the part of it that is owned, and checks that no cluster that is
 * free by its refcount is in use. Errors: EIMAGE, ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_prove_owned(struct q2_plan *plan, struct qcow2bm_error *err);

/* Checks that the clusters that were handed out are in nobody's use. Errors: EIMAGE. */
enum qcow2bm_code q2_prove_unused(struct q2_plan *plan, struct qcow2bm_error *err);

/* Finds what may be released of a refcount table that is to be replaced. Errors: EIMAGE,
 * ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_prove_old_table(struct q2_plan *plan, struct qcow2bm_error *err);

/* ---- carved.c ---- */

/* Collects plan->carved, and takes it out of what may be handed out. Errors: ENOMEM. */
enum qcow2bm_code q2_carved_collect(struct q2_plan *plan, struct qcow2bm_error *err);

/* Refuses the edit when one of these clusters is in use: `named` by the guest or by a bitmap that
 * stays, all of which could be read when `all` is set. Errors: EIMAGE. */
enum qcow2bm_code q2_carved_check(const struct q2_plan *plan,
				  const struct q2_clusters *named, bool all,
				  struct qcow2bm_error *err);

#endif
