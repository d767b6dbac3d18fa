/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The staged edit: the bitmap directory as it shall be. The operations in bitmap/ stage here. */
#ifndef Q2_EDIT_EDIT_H
#define Q2_EDIT_EDIT_H

#include "../clusters/clusters.h"
#include "../image/generation.h"
#include "../image/image.h"
#include "../source/source.h"
#include "new_names.h"

#define Q2_EDIT_NOT_COMMITTED SIZE_MAX

/* What is ORed into a staged bitmap. */
struct q2_edit_source {
	struct qcow2bm_image *image;
	struct q2_generation
		*generation; /* of the image, when it became a source; owned */
	size_t idx;          /* of a bitmap, in that image's directory; else 0 */
	enum q2_source_kind kind;
	/* The coarsest of the bitmaps that the bits go through before they come here; 0: none that
	 * matters. */
	uint8_t passed_bits;
	/* Of a carved one, which has no entry; else 0. */
	uint64_t table_off;
	uint32_t table_entries;
	uint8_t granularity_bits;
	uint64_t from_bytes;                      /* of what lies behind an end; else 0 */
	const struct q2_differences *differences; /* of DIFFERS; else NULL */
	uint64_t
		directory_off; /* what tells where it is, so that it can be found again */
	uint64_t directory_bytes;
};

/* A bitmap as it shall be. Its content is the union of its sources; its own committed bits are
 * one of them as long as keeps_bits is set. Operations act in the order in which they are staged, since
 * each is done on these lists at once: clearing empties the list; merging appends what the other's list
 * is now; deleting takes the name away and leaves alone what others got. So nothing has to be read or
 * ordered later: all sources are committed bits, here or in another image. */
struct q2_staged {
	size_t committed_idx; /* in the directory, or Q2_EDIT_NOT_COMMITTED */
	bool is_deleted;
	uint8_t *new_name; /* NULL while the name is the origin's */
	uint16_t new_name_bytes;
	uint32_t flags;
	uint8_t granularity_bits;
	bool keeps_bits;
	bool is_recovered;  /* its origin is in-use, and it shall not be */
	bool ignores_table; /* its origin's table is not needed, and may be unreadable */
	bool is_seen_in_use; /* a repair that deletes it has seen what its table names as in use */
	struct qcow2bm_promise promise; /* of a recovered one */
	bool fills_disk; /* its bits and what the layer holds are all of it: see edit->layer */
	struct q2_edit_source *sources;
	size_t source_count;
	const struct q2_staged
		*heir; /* the plan lets it take over data clusters of this one */
};

/* What a repair adds to an edit: the directory is written anew even if no bitmap changes, and
 * refcounts are made right. The sets are sorted. */
struct q2_edit_repair {
	bool is_wanted;
	/* Every reference was seen: what no bitmap that stays, and nothing else, names may be
	 * freed whatever its refcount. */
	bool saw_every_reference;
	struct q2_clusters low;    /* to 1, before anything else */
	struct q2_clusters high;   /* to 1, at the end */
	struct q2_clusters leaked; /* to 0, at the end */
	uint64_t kept_leaks; /* clusters that stay leaked: damaged bitmaps may be there */
};

/* What the active layer tells of what was done to it: bitmaps that are in-use are compared with
 * what it holds. */
struct q2_edit_layer {
	bool is_judged;
	bool is_emptied; /* it holds nothing, although bits are set */
	bool lacks_bits; /* it holds nothing for some part of the disk whose bit is set */
};

/* What names and flags tell of bitmaps that a running QEMU changed. */
struct q2_edit_qmp {
	bool is_judged;
	bool lacks_parent;  /* CHILD^PARENT is there, and PARENT is not */
	bool has_recording; /* a bitmap has its auto flag */
};

/* The committed bitmaps in their order, then the added ones. */
struct qcow2bm_edit {
	struct qcow2bm_image *image;
	struct q2_generation *generation; /* that the edit is staged on */
	struct q2_staged *staged;
	size_t count;
	size_t room;
	size_t live; /* those that are not deleted */
	struct q2_new_names new_names;
	size_t *changed; /* indexes into staged, for qcow2bm_edit_change() */
	size_t changed_count;
	/* What the caller was given: */
	struct qcow2bm_change *shown; /* of each of the changed */
	struct qcow2bm_promise promise;
	struct qcow2bm_plan plan;
	struct qcow2bm_result result;
	struct q2_edit_repair repair;
	struct q2_edit_layer layer;
	struct q2_edit_qmp qmp;
	struct q2_commit *commit; /* prepared, or switched: commit.h; else NULL */
};

/* Whether there is nothing to do. Asks what q2_plan_list_changes() found. */
static inline bool q2_edit_is_nothing(const struct qcow2bm_edit *edit)
{
	return edit->changed_count == 0 && !edit->repair.is_wanted;
}

/* To be asked first by whoever stages, plans or commits. Errors: EINVAL when the image was edited
 * or closed since the edit began, a commit left open what it holds, or an edit of it is prepared. */
enum qcow2bm_code q2_edit_enter(const struct qcow2bm_edit *edit,
				struct qcow2bm_error *err);

/* The same for the images that bits come from, of one staged bitmap and of all. */
enum qcow2bm_code q2_edit_check_sources_of(const struct q2_staged *staged,
					   struct qcow2bm_error *err);
enum qcow2bm_code q2_edit_check_sources(const struct qcow2bm_edit *edit,
					struct qcow2bm_error *err);

/* The name that staged bitmap has now. */
const uint8_t *q2_edit_name(const struct qcow2bm_edit *edit,
			    const struct q2_staged *staged, size_t *name_bytes);

/* The staged bitmap that has this name now, or NULL. */
struct q2_staged *q2_edit_find(const struct qcow2bm_edit *edit, const void *name,
			       size_t name_bytes);

/* Whether the header lets more than itself be changed. Errors: EUNSUPPORTED for an image that is
 * marked corrupt or dirty. */
enum qcow2bm_code q2_edit_check_bits(const struct qcow2bm_image *image,
				     struct qcow2bm_error *err);

/* As q2_edit_find(), for one that may be changed or read: ENOTFOUND, EIMAGE for a corrupt one,
 * EINUSE, EUNSUPPORTED for extra data that must not be ignored. */
enum qcow2bm_code q2_edit_find_usable(const struct qcow2bm_edit *edit, const char *name,
				      size_t name_bytes, struct q2_staged **staged,
				      struct qcow2bm_error *err);

/* The same for a committed bitmap of any image, which is judged first (soundness.h). `idx` may be
 * QCOW2BM_NOT_FOUND. Errors: also ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_edit_check_usable(struct qcow2bm_image *image, size_t idx,
				       const char *name, size_t name_bytes,
				       struct qcow2bm_error *err);

/* Checks a name for a new bitmap: EINVAL, EEXIST. */
enum qcow2bm_code q2_edit_check_new_name(const struct qcow2bm_edit *edit,
					 const char *name, size_t name_bytes,
					 struct qcow2bm_error *err);

/* Appends an empty bitmap. The name has been checked. Errors: ELIMIT, ENOMEM. */
enum qcow2bm_code q2_edit_append(struct qcow2bm_edit *edit, const char *name,
				 size_t name_bytes, struct q2_staged **staged,
				 struct qcow2bm_error *err);

/* Gives a staged bitmap a name that has been checked. Errors: ENOMEM. */
enum qcow2bm_code q2_edit_set_name(struct qcow2bm_edit *edit, struct q2_staged *staged,
				   const char *name, size_t name_bytes,
				   struct qcow2bm_error *err);

void q2_edit_delete(struct qcow2bm_edit *edit, struct q2_staged *staged);

/* Adds a source, once; its generation is filled in. Errors: ENOMEM. */
enum qcow2bm_code q2_edit_add_source(struct q2_staged *staged,
				     const struct q2_edit_source *source,
				     struct qcow2bm_error *err);

/* Adds the committed bits of bitmap idx of `image`. Errors: ENOMEM. */
enum qcow2bm_code q2_edit_add_bitmap(struct qcow2bm_edit *edit, struct q2_staged *staged,
				     struct qcow2bm_image *image, size_t idx,
				     struct qcow2bm_error *err);

/* Forgets the sources behind the first `count`. */
void q2_edit_cut_sources(struct q2_staged *staged, size_t count);

/* Forgets the sources, its own bits included: the bitmap is empty. */
void q2_edit_clear_sources(struct q2_staged *staged);

/* Whether the content of a staged bitmap is not simply that of its origin. */
static inline bool q2_edit_changes_content(const struct q2_staged *staged)
{
	return !staged->is_deleted && (!staged->keeps_bits || staged->source_count != 0);
}

/* Whether name or flags of the staged bitmap are not those of its origin, which it has. */
bool q2_edit_changes_entry(const struct qcow2bm_edit *edit,
			   const struct q2_staged *staged);

/* Whether the staged bitmap differs from its origin in any way. */
bool q2_edit_is_changed(const struct qcow2bm_edit *edit, const struct q2_staged *staged);

/* Whether the bitmaps are those that the header speaks for: autoclear bit 0. */
bool q2_edit_is_believed(const struct qcow2bm_image *image);

/* As qcow2bm_edit_begin(), also of an image whose bitmaps are not believed; then all of them have to be deleted
 * in the edit, else it is refused when it is planned. */
enum qcow2bm_code q2_edit_begin_anew(struct qcow2bm_edit **result,
				     struct qcow2bm_image *image,
				     struct qcow2bm_error *err);

/* Frees the edit, which is not being committed. */
void q2_edit_forget(struct qcow2bm_edit *edit);

/* Stages anew from the committed directory, forgetting what was staged. Errors: ENOMEM. */
enum qcow2bm_code q2_edit_restart(struct qcow2bm_edit *edit, struct qcow2bm_error *err);

#endif
