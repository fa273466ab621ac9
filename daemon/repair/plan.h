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
	unsigned max_together; /* so many pages in a row can be done in one go */
	const char *const *steps; /* NULL-terminated, for people */
};

/*
 * The most pages of any method. All of their holders stand until all of them are done, and what is
 * saved of them is in memory: a MiB of both. From here on, nearly all of the time is for the pages
 * themselves.
 */
#define PLAN_MAX_TOGETHER 256u

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
 * How many of these pages, from the first on, can be done in one go: all in one row, planned for
 * alike, and each owner of one has all of them, at neighbouring offsets. 1 to n_pages.
 */
size_t plan_together(const struct incident *in, const struct page_plan *pages, size_t n_pages);

/*
 * For the ledger: {"pages":[{"phys_start","length_bytes","method" or "reason"}]}, where neighbours
 * for which the same is planned are one. NULL: out of memory.
 */
struct json_object *plan_to_json(const struct plan *plan);
