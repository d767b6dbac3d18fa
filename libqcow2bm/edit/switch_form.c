/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes that switch a header over to another bitmaps extension. Nothing is read or written here.
 * Four forms:
 *   in place   the extension's payload, when it stands inside one sector;
 *   relocated  a second extension is written behind the end marker, and the old one's head is
 *              turned into padding that reaches to it;
 *   first      the extension is written behind the old end marker, then over it; autoclear bit 0
 *              is the switch, together with the end marker where that is in the same sector;
 *   last       autoclear bit 0 is cleared, then, or together with it, the extension is ended.
 */
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../image/extensions.h"
#include "switch.h"

#define SECTOR_BYTES Q2_SWITCH_MAX_BYTES
#define HEAD Q2_EXTENSION_HEAD_BYTES
#define PAYLOAD Q2_EXTENSION_BITMAPS_BYTES

static bool is_in_one_sector(uint64_t off, uint64_t bytes)
{
	return off / SECTOR_BYTES == (off + bytes - 1) / SECTOR_BYTES;
}

/* The first place from `off` on where an extension's payload is inside one sector. */
static uint64_t place_extension(uint64_t off)
{
	if (is_in_one_sector(off + HEAD, PAYLOAD))
		return off;
	return q2_round_up(off + HEAD, SECTOR_BYTES) - HEAD;
}

/* With its head, whose length may be damaged. */
static void encode_extension(const struct q2_bitmaps_extension *to, uint8_t *bytes)
{
	q2_extension_encode_head(Q2_EXTENSION_BITMAPS, PAYLOAD, bytes);
	q2_bitmaps_extension_encode(to, bytes + HEAD);
}

static void switch_autoclear(struct q2_switch *plan, const struct qcow2bm_image *image,
			     bool bitmaps)
{
	uint64_t autoclear = image->header.autoclear_features & Q2_AUTOCLEAR_KNOWN;
	autoclear &= ~Q2_AUTOCLEAR_BITMAPS;
	q2_be64_store(plan->bytes, autoclear | (bitmaps ? Q2_AUTOCLEAR_BITMAPS : 0));
	plan->count = 8;
	plan->off = Q2_HEADER_AUTOCLEAR_OFF;
}

/* Lets the switch write 8 bytes at `off` as well, when that is in the header's sector: then no
 * state is in between. What stands before them is written as it is. */
static bool join(struct q2_switch *plan, const struct qcow2bm_image *image, uint64_t off,
		 const uint8_t *bytes)
{
	uint64_t end = plan->off + plan->count;
	if (off + HEAD > SECTOR_BYTES)
		return false;
	memcpy(plan->bytes + plan->count, image->head + end, (size_t)(off - end));
	memcpy(plan->bytes + (off - plan->off), bytes, HEAD);
	plan->count = (size_t)(off + HEAD - plan->off);
	return true;
}

static enum qcow2bm_code check_end_marker(const struct qcow2bm_image *image,
					  struct qcow2bm_error *err)
{
	if (!image->has_end_marker)
		return q2_fail(
			err, QCOW2BM_EUNSUPPORTED, image->end_marker_off,
			"the header extensions have no end marker: there is no safe place for the bitmaps extension");
	return QCOW2BM_OK;
}

/* Reserves memory for what is written to [off, end) before the switch; all zero at first. */
static enum qcow2bm_code make_far(struct q2_switch *plan, uint64_t off, uint64_t end,
				  struct qcow2bm_error *err)
{
	plan->far_off = off;
	plan->far_count = (size_t)(end - off);
	plan->far_bytes = calloc(1, plan->far_count);
	return plan->far_bytes == NULL ? q2_fail_memory(err, "the header") : QCOW2BM_OK;
}

/* A padding extension of ours that a bitmaps extension fits into exactly, or NULL. */
static const struct q2_extension *find_padding(const struct qcow2bm_image *image)
{
	for (size_t i = 0; i < image->extension_count; i++) {
		const struct q2_extension *extension = &image->extensions[i];
		if (extension->type == Q2_EXTENSION_PADDING &&
		    extension->bytes == PAYLOAD &&
		    is_in_one_sector(extension->head_off + HEAD, PAYLOAD))
			return extension;
	}
	return NULL;
}

/* The first bitmap of an image: its extension must become visible by one write, as a whole. */
static enum qcow2bm_code plan_first(struct q2_switch *plan,
				    const struct qcow2bm_image *image,
				    const struct q2_bitmaps_extension *to,
				    struct qcow2bm_error *err)
{
	const struct q2_extension *padding = find_padding(image);
	uint64_t near = padding != NULL ? padding->head_off : image->end_marker_off;
	uint64_t place = padding != NULL ? near : place_extension(near);
	uint64_t end = place + HEAD + PAYLOAD + (padding != NULL ? 0 : HEAD);
	enum qcow2bm_code code = QCOW2BM_OK;
	if (padding == NULL)
		code = check_end_marker(image, err);
	if (code == QCOW2BM_OK)
		code = make_far(plan, near + HEAD, end, err);
	if (code != QCOW2BM_OK)
		return code;
	q2_bitmaps_extension_encode(to, plan->far_bytes + (place - near));
	plan->near_off = near;
	if (place == near) {
		q2_extension_encode_head(Q2_EXTENSION_BITMAPS, PAYLOAD, plan->near_bytes);
	} else {
		uint32_t gap = (uint32_t)(place - near - HEAD);
		q2_extension_encode_head(Q2_EXTENSION_PADDING, gap, plan->near_bytes);
		q2_extension_encode_head(Q2_EXTENSION_BITMAPS, PAYLOAD,
					 plan->far_bytes + gap);
	}
	switch_autoclear(plan, image, true);
	plan->has_near = !join(plan, image, near, plan->near_bytes);
	return QCOW2BM_OK;
}

static uint64_t end_of(const struct q2_extension *extension)
{
	return extension->head_off + HEAD + q2_round_up(extension->bytes, 8);
}

/* The payload stands across two sectors: a second extension is written behind, and the old one
 * becomes padding. */
static enum qcow2bm_code plan_relocated(struct q2_switch *plan,
					const struct qcow2bm_image *image,
					const struct q2_bitmaps_extension *to,
					const struct q2_extension *old,
					struct qcow2bm_error *err)
{
	/* Extensions behind the old one would vanish in the padding: they are copied along. */
	uint64_t behind = end_of(old);
	uint64_t behind_bytes = image->end_marker_off - behind;
	uint64_t place = place_extension(image->end_marker_off + HEAD);
	uint64_t end = place + HEAD + PAYLOAD + behind_bytes + HEAD;
	enum qcow2bm_code code = check_end_marker(image, err);
	if (code == QCOW2BM_OK)
		code = make_far(plan, place, end, err);
	if (code != QCOW2BM_OK)
		return code;
	encode_extension(to, plan->far_bytes);
	memcpy(plan->far_bytes + HEAD + PAYLOAD, image->head + behind,
	       (size_t)behind_bytes);
	q2_extension_encode_head(Q2_EXTENSION_PADDING,
				 (uint32_t)(place - old->head_off - HEAD), plan->bytes);
	plan->count = HEAD;
	plan->off = old->head_off;
	return QCOW2BM_OK;
}

static void plan_last(struct q2_switch *plan, const struct qcow2bm_image *image,
		      const struct q2_extension *old)
{
	switch_autoclear(plan, image, false);
	bool is_last = end_of(old) == image->end_marker_off;
	q2_extension_encode_head(is_last ? Q2_EXTENSION_END : Q2_EXTENSION_PADDING,
				 is_last ? 0 : old->bytes, plan->after_bytes);
	plan->after_off = old->head_off;
	plan->has_after = !join(plan, image, old->head_off, plan->after_bytes);
}

/* The extension is there, but not believed: autoclear bit 0 is the switch. */
static enum qcow2bm_code plan_trusted(struct q2_switch *plan,
				      const struct qcow2bm_image *image,
				      const struct q2_bitmaps_extension *to,
				      const struct q2_extension *old,
				      struct qcow2bm_error *err)
{
	uint64_t payload_off = old->head_off + HEAD;
	if (old->bytes != PAYLOAD)
		return q2_fail(
			err, QCOW2BM_EUNSUPPORTED, old->head_off,
			"the bitmaps extension has no valid length, so its bitmaps cannot be trusted; drop them all");
	switch_autoclear(plan, image, true);
	if (payload_off + PAYLOAD <= SECTOR_BYTES) {
		plan->count = (size_t)(payload_off + PAYLOAD - plan->off);
		memcpy(plan->bytes + 8, image->head + plan->off + 8, plan->count - 8);
		encode_extension(to, plan->bytes + (old->head_off - plan->off));
		return QCOW2BM_OK;
	}
	/* In place it could be torn. */
	enum qcow2bm_code code = plan_relocated(plan, image, to, old, err);
	if (code != QCOW2BM_OK)
		return code;
	memcpy(plan->near_bytes, plan->bytes, HEAD);
	plan->near_off = plan->off;
	switch_autoclear(plan, image, true);
	plan->has_near = !join(plan, image, plan->near_off, plan->near_bytes);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_switch_form(struct q2_switch *plan,
				 const struct qcow2bm_image *image,
				 const struct q2_bitmaps_extension *to,
				 struct qcow2bm_error *err)
{
	const struct q2_extension *old = q2_extensions_find(image, Q2_EXTENSION_BITMAPS);
	if (old == NULL && to == NULL) {
		switch_autoclear(plan, image, false);
		return QCOW2BM_OK;
	}
	if (old == NULL)
		return plan_first(plan, image, to, err);
	if (to == NULL) {
		plan_last(plan, image, old);
		return QCOW2BM_OK;
	}
	if (!(image->header.autoclear_features & Q2_AUTOCLEAR_BITMAPS))
		return plan_trusted(plan, image, to, old, err);
	size_t kept = old->claimed == PAYLOAD ? HEAD : 0;
	uint8_t bytes[HEAD + PAYLOAD];
	plan->off = old->head_off + kept;
	plan->count = sizeof(bytes) - kept;
	if (old->bytes != PAYLOAD || !is_in_one_sector(plan->off, plan->count))
		return plan_relocated(plan, image, to, old, err);
	encode_extension(to, bytes);
	memcpy(plan->bytes, bytes + kept, plan->count);
	return QCOW2BM_OK;
}
