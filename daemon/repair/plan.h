/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan: which method for which page of an incident, and why not where there is none.
 *
 * Data, not action: made from what the incident says of its owners and from the rule's wish,
 * printed by repair_preview(), run by repair_run(). What each method needs stands in one table.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "incident.h"

enum method_id {
	METHOD_REMAP,
	METHOD_CLEAR,
};

struct repair_method {
	enum method_id id;
	const char *name;
	enum repair_wish least_wish; /* the rule must ask for at least this */
	uint32_t kinds; /* bits of enum owner_kind: every owner of the page is one of them */
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

/* 0 or -ENOMEM. */
int plan_make(const struct incident *in, enum repair_wish wish, struct plan *ret);
void plan_done(struct plan *plan);
