// SPDX-License-Identifier: GPL-2.0-or-later
/* corrected: see corrected.h. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hearing/corrected.h"

#define N_COUNTS  64u
#define N_DIMMS	  32u
#define N_AT_ONCE 16u

struct corrected {
	void (*tell)(const struct corrected_count *count, void *userdata);
	void *userdata;
	struct corrected_count counts[N_COUNTS], dimms[N_DIMMS], others;
	size_t n_counts, n_dimms;
	bool in_period;
};

struct corrected *corrected_new(void (*tell)(const struct corrected_count *count, void *userdata),
				void *userdata)
{
	struct corrected *c = calloc(1, sizeof(*c));

	assert(tell);
	if (!c)
		return NULL;
	c->tell = tell;
	c->userdata = userdata;
	c->others = (struct corrected_count){ .controller = -1, .label = "others" };
	return c;
}

struct corrected *corrected_free(struct corrected *c)
{
	if (!c)
		return NULL;
	corrected_flush(c);
	free(c);
	return NULL;
}

static void tell(struct corrected *c, struct corrected_count *count)
{
	if (count->n)
		c->tell(count, c->userdata);
	count->n = 0;
}

static struct corrected_count make_count(const struct kernel_report *report)
{
	struct corrected_count made = { .controller = report->controller };

	if (report->phys.length_bytes)
		made.phys_start = report->phys.start_bytes & ~(uint64_t)(PAGE_BYTES - 1);
	stpncpy(made.label, report->label, sizeof(made.label) - 1);
	return made;
}

static struct corrected_count *find(struct corrected_count *counts, size_t n,
				    const struct corrected_count *like)
{
	for (size_t i = 0; i < n; i++)
		if (counts[i].phys_start == like->phys_start &&
		    counts[i].controller == like->controller &&
		    !strcmp(counts[i].label, like->label))
			return &counts[i];
	return NULL;
}

/* For one page too many: that of its DIMM. */
static struct corrected_count *dimm_of(struct corrected *c, const struct corrected_count *page)
{
	struct corrected_count dimm = *page, *found;

	dimm.phys_start = 0;
	found = find(c->dimms, c->n_dimms, &dimm);
	if (found)
		return found;
	if (c->n_dimms == N_DIMMS)
		return &c->others;
	found = &c->dimms[c->n_dimms++];
	*found = dimm;
	return found;
}

bool corrected_take(struct corrected *c, const struct kernel_report *report)
{
	struct corrected_count new = make_count(report);
	struct corrected_count *count = find(c->counts, c->n_counts, &new);
	bool begins = !c->in_period;

	c->in_period = true;
	if (count) {
		count->n += report->count;
	} else if (c->n_counts == N_COUNTS) {
		dimm_of(c, &new)->n += report->count;
	} else {
		count = &c->counts[c->n_counts++];
		*count = new;
		count->n = report->count;
		if (c->n_counts <= N_AT_ONCE)
			tell(c, count);
	}
	return begins;
}

void corrected_flush(struct corrected *c)
{
	for (size_t i = 0; i < c->n_counts; i++)
		tell(c, &c->counts[i]);
	for (size_t i = 0; i < c->n_dimms; i++)
		tell(c, &c->dimms[i]);
	tell(c, &c->others);
	c->n_counts = c->n_dimms = 0;
	c->in_period = false;
}
