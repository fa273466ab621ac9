/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan: which method for which page of an incident, and why not where there is none.
 *
 * Data, not action: made from what the incident says of its owners and from the rule's wish,
 * printed by repair_preview(), put on record and run by repair_run(). What each method needs stands
 * in one table.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "incident.h"

enum method_id {
	METHOD_REMAP,
	METHOD_REWRITE,
	METHOD_CLEAR_ZERO,
	METHOD_CLEAR,
};

/* What a method can need of a page; the table of methods has bits of them. */
enum need {
	NEED_SHARED_EXTENTS, /* the filesystem lets files share extents */
	NEED_REVERSE_MAP, /* it says whose a block is whenever it is asked */
	NEED_SOLE_OWNER, /* one file has the block, which its own map can prove */
	N_NEEDS
};

struct repair_method {
	enum method_id id;
	const char *name;
	enum repair_wish least_wish; /* the rule must ask for at least this */
	uint32_t kinds; /* bits of enum owner_kind: every owner of the page is one of them */
	uint32_t needs; /* bits of enum need: all of them */
	bool writes_files; /* salvages bytes of files; what is lost of them becomes zeros */
	const char *const *steps; /* NULL-terminated, for people */
};

struct page_plan {
	uint64_t phys_start;
	const struct repair_method *method; /* NULL: nothing is done */
	const char *reason; /* why not, a machine word */
	const char *detail; /* the same as a sentence */
	dev_t dev; /* filesystem of the owners, 0 without one */
};

struct plan {
	struct page_plan *pages;
	size_t n_pages;
};

/* Does this filesystem let files share extents? NULL: judged by its name. */
typedef bool (*plan_can_share)(dev_t dev, const char *filesystem, void *userdata);

/* 0 or -ENOMEM. */
int plan_make(const struct incident *in, enum repair_wish wish, plan_can_share can_share,
	      void *userdata, struct plan *ret);
void plan_done(struct plan *plan);

/*
 * For the ledger: {"pages":[{"phys_start","length_bytes","method" or "reason"}]}, where neighbours
 * for which the same is planned are one. NULL: out of memory.
 */
struct json_object *plan_to_json(const struct plan *plan);
