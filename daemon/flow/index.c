// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/index: which open incidents lie in a range?
 *
 *   hearing -> flow/heard, flow/ram -> [flow/index]
 *
 * The kernel reports by address, and in a storm thousands of times a second, while thousands of
 * incidents are open: none of them is looked at that cannot be meant. Sorted by where ranges begin;
 * how long the longest is tells how far to look back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow/flow-private.h"

static uint64_t start_of(const struct journey *j)
{
	return j->in->phys.start_bytes;
}

/* Of the first one that begins there or behind. */
static size_t first_from(const struct flow *f, uint64_t start_bytes)
{
	size_t low = 0, high = f->n_journeys;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (start_of(f->by_start[middle]) < start_bytes)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int index_make_room(struct flow *f)
{
	struct journey **grown = reallocarray(f->by_start, f->n_journeys + 1,
					      sizeof(struct journey *));

	if (!grown)
		return -ENOMEM;
	f->by_start = grown;
	return 0;
}

void index_add(struct journey *j)
{
	struct flow *f = j->flow;
	size_t at = first_from(f, start_of(j));

	memmove(&f->by_start[at + 1], &f->by_start[at],
		(f->n_journeys - at) * sizeof(struct journey *));
	f->by_start[at] = j;
	if (j->in->phys.length_bytes > f->longest_bytes)
		f->longest_bytes = j->in->phys.length_bytes;
}

void index_remove(struct journey *j)
{
	struct flow *f = j->flow;
	size_t at = first_from(f, start_of(j));

	while (f->by_start[at] != j)
		at++;
	memmove(&f->by_start[at], &f->by_start[at + 1],
		(f->n_journeys - at - 1) * sizeof(struct journey *));
}

struct journey *journey_next_in(const struct flow *f, struct range phys, size_t *at)
{
	uint64_t back = f->longest_bytes;

	if (!*at)
		*at = first_from(f, phys.start_bytes > back ? phys.start_bytes - back : 0);
	while (*at < f->n_journeys && start_of(f->by_start[*at]) < range_end(phys)) {
		struct journey *j = f->by_start[(*at)++];

		if (range_overlaps(j->in->phys, phys))
			return j;
	}
	return NULL;
}
