/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's own rule for the bitmaps of a checkpoint (qemuBlockBitmapChainIsValid). */
#include "layers.h"

static bool is_libvirt_name(const struct q2_checkpoint *checkpoint)
{
	for (size_t i = 0; i < checkpoint->name_bytes; i++) {
		uint8_t c = checkpoint->name[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				 (c >= '0' && c <= '9');
		if (!is_letter && c != '_' && c != '-' && (c != '.' || i == 0))
			return false;
	}
	return checkpoint->parent == NULL && !checkpoint->is_double;
}

bool qcow2bm_chain_suits_libvirt(const struct qcow2bm_chain *chain, size_t idx)
{
	if (idx >= chain->checkpoint_count)
		return false;
	const struct q2_checkpoint *checkpoint = &chain->checkpoints[idx];
	bool has_ended = false;
	if (!is_libvirt_name(checkpoint) || checkpoint->bitmaps[0] == QCOW2BM_NOT_FOUND)
		return false;
	for (size_t layer = 0; layer < chain->layer_count; layer++) {
		const struct q2_bitmap *bitmap =
			q2_layers_bitmap(chain, checkpoint, layer);
		if (bitmap == NULL) {
			has_ended = true;
			continue;
		}
		if (has_ended || bitmap->problem != NULL ||
		    !q2_layers_is_recording(bitmap) ||
		    (bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE))
			return false;
	}
	return true;
}
