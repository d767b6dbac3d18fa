/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The name of each value of the public enums: one word, which stays. */
#include "../qcow2bm.h"

static const char *look_up(const char *const *names, size_t count, unsigned value)
{
	return value < count ? names[value] : NULL;
}

#define LOOK_UP(names, value) \
	look_up(names, sizeof(names) / sizeof(names[0]), (unsigned)(value))

const char *qcow2bm_code_name(enum qcow2bm_code code)
{
	static const char *const names[] = {
		[QCOW2BM_OK] = "OK",
		[QCOW2BM_ESYSTEM] = "ESYSTEM",
		[QCOW2BM_ENOMEM] = "ENOMEM",
		[QCOW2BM_ENOTQCOW2] = "ENOTQCOW2",
		[QCOW2BM_EIMAGE] = "EIMAGE",
		[QCOW2BM_EUNSUPPORTED] = "EUNSUPPORTED",
		[QCOW2BM_EBUSY] = "EBUSY",
		[QCOW2BM_ENOTFOUND] = "ENOTFOUND",
		[QCOW2BM_EEXIST] = "EEXIST",
		[QCOW2BM_EINUSE] = "EINUSE",
		[QCOW2BM_EINVAL] = "EINVAL",
		[QCOW2BM_ELIMIT] = "ELIMIT",
		[QCOW2BM_EINTERRUPTED] = "EINTERRUPTED",
		[QCOW2BM_ESTOPPED] = "ESTOPPED",
		[QCOW2BM_EUNKNOWN] = "EUNKNOWN",
	};
	return LOOK_UP(names, code);
}

const char *qcow2bm_state_name(enum qcow2bm_state state)
{
	static const char *const names[] = {
		[QCOW2BM_STATE_VALID] = "valid",
		[QCOW2BM_STATE_DISABLED] = "disabled",
		[QCOW2BM_STATE_IN_USE_LIVE] = "in-use-live",
		[QCOW2BM_STATE_IN_USE_STALE] = "in-use-stale",
		[QCOW2BM_STATE_IN_USE_UNKNOWN] = "in-use-unknown",
		[QCOW2BM_STATE_CORRUPT] = "corrupt",
	};
	return LOOK_UP(names, state);
}

const char *qcow2bm_severity_name(enum qcow2bm_severity severity)
{
	static const char *const names[] = {
		[QCOW2BM_SEVERITY_NOTE] = "note",
		[QCOW2BM_SEVERITY_LEAK] = "leak",
		[QCOW2BM_SEVERITY_WARNING] = "warning",
		[QCOW2BM_SEVERITY_ERROR] = "error",
	};
	return LOOK_UP(names, severity);
}

const char *qcow2bm_cure_name(enum qcow2bm_cure cure)
{
	static const char *const names[] = {
		[QCOW2BM_CURE_NONE] = "none",       [QCOW2BM_CURE_MEND] = "mend",
		[QCOW2BM_CURE_DROP] = "drop",       [QCOW2BM_CURE_CHOOSE] = "choose",
		[QCOW2BM_CURE_RECOVER] = "recover", [QCOW2BM_CURE_DELETE] = "delete",
		[QCOW2BM_CURE_RENAME] = "rename",   [QCOW2BM_CURE_QEMU] = "qemu-img",
		[QCOW2BM_CURE_COPY] = "copy",       [QCOW2BM_CURE_NOBODY] = "nobody",
		[QCOW2BM_CURE_AGAIN] = "again",
	};
	return LOOK_UP(names, cure);
}

const char *qcow2bm_chain_cure_name(enum qcow2bm_chain_cure cure)
{
	static const char *const names[] = {
		[QCOW2BM_CHAIN_CURE_NONE] = "none",
		[QCOW2BM_CHAIN_CURE_DELETE] = "delete",
		[QCOW2BM_CHAIN_CURE_DELETE_OLDER] = "delete-older",
		[QCOW2BM_CHAIN_CURE_START_ANEW] = "start-anew",
		[QCOW2BM_CHAIN_CURE_RECOVER] = "recover",
		[QCOW2BM_CHAIN_CURE_CHECK] = "check",
		[QCOW2BM_CHAIN_CURE_DISABLE] = "disable",
		[QCOW2BM_CHAIN_CURE_DELETE_BITMAP] = "delete-bitmap",
		[QCOW2BM_CHAIN_CURE_UPGRADE] = "upgrade",
		[QCOW2BM_CHAIN_CURE_REPAIR] = "repair",
		[QCOW2BM_CHAIN_CURE_AGAIN] = "again",
	};
	return LOOK_UP(names, cure);
}

const char *qcow2bm_mending_name(enum qcow2bm_mending mending)
{
	static const char *const names[] = {
		[QCOW2BM_MENDING_DROPPED] = "dropped",
		[QCOW2BM_MENDING_ALL_DIRTY] = "all-dirty",
		[QCOW2BM_MENDING_MADE] = "made",
		[QCOW2BM_MENDING_SILENCED] = "silenced",
		[QCOW2BM_MENDING_RENAMED] = "renamed",
		[QCOW2BM_MENDING_REMOVED] = "removed",
		[QCOW2BM_MENDING_LEFT] = "left",
	};
	return LOOK_UP(names, mending);
}

const char *qcow2bm_area_name(enum qcow2bm_area area)
{
	static const char *const names[] = {
		[QCOW2BM_AREA_HEADER] = "header", [QCOW2BM_AREA_DIRECTORY] = "directory",
		[QCOW2BM_AREA_BITMAP] = "bitmap", [QCOW2BM_AREA_IMAGE] = "image",
		[QCOW2BM_AREA_GUEST] = "guest",
	};
	return LOOK_UP(names, area);
}

const char *qcow2bm_recovery_name(enum qcow2bm_recovery method)
{
	static const char *const names[] = {
		[QCOW2BM_RECOVER_STORED] = "stored",
		[QCOW2BM_RECOVER_ALLOCATED] = "allocated",
		[QCOW2BM_RECOVER_FULL] = "full",
		[QCOW2BM_RECOVER_CARVED] = "carved",
		[QCOW2BM_RECOVER_AUTO] = "auto",
		[QCOW2BM_RECOVER_COMPARED] = "compared",
	};
	return LOOK_UP(names, method);
}

const char *qcow2bm_guarantee_name(enum qcow2bm_guarantee guarantee)
{
	static const char *const names[] = {
		[QCOW2BM_GUARANTEE_EXACT] = "exact",
		[QCOW2BM_GUARANTEE_SUPERSET] = "superset",
		[QCOW2BM_GUARANTEE_UNSAFE] = "unsafe",
	};
	return LOOK_UP(names, guarantee);
}

const char *qcow2bm_condition_name(enum qcow2bm_condition condition)
{
	static const char *const names[] = {
		[QCOW2BM_CONDITION_NOT_CHANGED_BY_QMP] = "not-changed-by-qmp",
		[QCOW2BM_CONDITION_NOT_RESIZED] = "not-resized",
		[QCOW2BM_CONDITION_NOT_COMMITTED] = "not-committed",
		[QCOW2BM_CONDITION_NOT_WRITTEN_BY_OTHERS] = "not-written-by-others",
		[QCOW2BM_CONDITION_OLD_IS_BASE] = "old-is-base",
	};
	return LOOK_UP(names, condition);
}

const char *qcow2bm_change_name(enum qcow2bm_change_kind kind)
{
	static const char *const names[] = {
		[QCOW2BM_CHANGE_ADD] = "add",
		[QCOW2BM_CHANGE_DELETE] = "delete",
		[QCOW2BM_CHANGE_UPDATE] = "update",
		[QCOW2BM_CHANGE_NONE] = "none",
	};
	return LOOK_UP(names, kind);
}

const char *qcow2bm_carved_state_name(enum qcow2bm_carved_state state)
{
	static const char *const names[] = {
		[QCOW2BM_CARVED_INTACT] = "intact",
		[QCOW2BM_CARVED_BLANK] = "blank",
		[QCOW2BM_CARVED_TABLE_PAST_END] = "table-past-end",
		[QCOW2BM_CARVED_TABLE_REUSED] = "table-reused",
		[QCOW2BM_CARVED_TABLE_DAMAGED] = "table-damaged",
		[QCOW2BM_CARVED_DATA_PAST_END] = "data-past-end",
		[QCOW2BM_CARVED_DATA_REUSED] = "data-reused",
		[QCOW2BM_CARVED_DATA_DAMAGED] = "data-damaged",
		[QCOW2BM_CARVED_DATA_BLANK] = "data-blank",
		[QCOW2BM_CARVED_NOT_JUDGED] = "not-judged",
	};
	return LOOK_UP(names, state);
}

const char *qcow2bm_old_kind_name(enum qcow2bm_old_kind kind)
{
	static const char *const names[] = {
		[QCOW2BM_OLD_ANY] = "any",
		[QCOW2BM_OLD_QCOW2] = "qcow2",
		[QCOW2BM_OLD_RAW] = "raw",
		[QCOW2BM_OLD_MANIFEST] = "manifest",
	};
	return LOOK_UP(names, kind);
}

const char *qcow2bm_base_name(enum qcow2bm_base base)
{
	static const char *const names[] = {
		[QCOW2BM_BASE_UNTOLD] = "untold",
		[QCOW2BM_BASE_SAME] = "same",
		[QCOW2BM_BASE_LATER] = "later",
		[QCOW2BM_BASE_OTHER] = "other",
	};
	return LOOK_UP(names, base);
}

const char *qcow2bm_proof_name(enum qcow2bm_proof proof)
{
	static const char *const names[] = {
		[QCOW2BM_PROOF_UNCHANGED] = "unchanged",
		[QCOW2BM_PROOF_LOST] = "lost",
		[QCOW2BM_PROOF_CHANGED] = "changed",
		[QCOW2BM_PROOF_SURPLUS] = "surplus",
		[QCOW2BM_PROOF_OPEN] = "open",
	};
	return LOOK_UP(names, proof);
}

const char *qcow2bm_outcome_name(enum qcow2bm_outcome outcome)
{
	static const char *const names[] = {
		[QCOW2BM_OUTCOME_NOT_COMPARED] = "not-compared",
		[QCOW2BM_OUTCOME_RIGHT] = "right",
		[QCOW2BM_OUTCOME_WRONG] = "wrong",
	};
	return LOOK_UP(names, outcome);
}

const char *qcow2bm_cause_name(enum qcow2bm_cause cause)
{
	static const char *const names[] = {
		[QCOW2BM_CAUSE_NONE] = "none",
		[QCOW2BM_CAUSE_WRONG_BASE] = "wrong-base",
		[QCOW2BM_CAUSE_RESIZE] = "resize",
		[QCOW2BM_CAUSE_BITMAP_CLUSTER] = "bitmap-cluster",
		[QCOW2BM_CAUSE_FOREIGN_WRITER] = "foreign-writer",
		[QCOW2BM_CAUSE_LOST_BITS] = "lost-bits",
	};
	return LOOK_UP(names, cause);
}

const char *qcow2bm_resume_held_name(enum qcow2bm_resume_held held)
{
	static const char *const names[] = {
		[QCOW2BM_RESUME_OLD] = "old",
		[QCOW2BM_RESUME_NEW] = "new",
		[QCOW2BM_RESUME_NEITHER] = "neither",
	};
	return LOOK_UP(names, held);
}

const char *qcow2bm_resume_outcome_name(enum qcow2bm_resume_outcome outcome)
{
	static const char *const names[] = {
		[QCOW2BM_RESUME_FINISHED] = "finished",
		[QCOW2BM_RESUME_TAKEN_BACK] = "taken-back",
		[QCOW2BM_RESUME_NOT_BEGUN] = "not-begun",
	};
	return LOOK_UP(names, outcome);
}

const char *qcow2bm_scheme_name(enum qcow2bm_scheme scheme)
{
	static const char *const names[] = {
		[QCOW2BM_SCHEME_NONE] = "none",       [QCOW2BM_SCHEME_ANY] = "any",
		[QCOW2BM_SCHEME_NESTED] = "nested",   [QCOW2BM_SCHEME_DELTA] = "delta",
		[QCOW2BM_SCHEME_UNKNOWN] = "unknown",
	};
	return LOOK_UP(names, scheme);
}

const char *qcow2bm_witness_name(enum qcow2bm_witness witness)
{
	static const char *const names[] = {
		[QCOW2BM_WITNESS_NONE] = "none",   [QCOW2BM_WITNESS_GIVEN] = "given",
		[QCOW2BM_WITNESS_NAMES] = "names", [QCOW2BM_WITNESS_FLAGS] = "flags",
		[QCOW2BM_WITNESS_BITS] = "bits",   [QCOW2BM_WITNESS_ONE] = "one",
	};
	return LOOK_UP(names, witness);
}

const char *qcow2bm_verdict_name(enum qcow2bm_verdict verdict)
{
	static const char *const names[] = {
		[QCOW2BM_VERDICT_INCREMENTAL] = "incremental",
		[QCOW2BM_VERDICT_REPAIR] = "repair",
		[QCOW2BM_VERDICT_FULL] = "full",
	};
	return LOOK_UP(names, verdict);
}
