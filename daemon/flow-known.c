// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow-known: what of all that is bad belongs to an incident that is open already?
 *
 *   nvdimm -> flow -> [flow-known]
 *
 * In:   the open incidents, and what was healed since the last scrub.
 * Out:  ranges that are no news.
 */
#include <errno.h>
#include <stdlib.h>

#include "flow-private.h"

struct badblocks *known_ranges(const struct flow *f, const struct badblocks *ars)
{
	struct badblocks *known = calloc(1, sizeof(*known));
	int r = known ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < f->n_journeys; i++)
		r = badblocks_add(known, f->journeys[i]->in->phys);
	/* Records of the last scrub still tell of what was healed since. */
	for (size_t i = 0; r >= 0 && f->healed && ars && i < ars->n_ranges; i++)
		if (badblocks_overlap(f->healed, ars->ranges[i]))
			r = badblocks_add(known, ars->ranges[i]);
	if (r < 0)
		return badblocks_free(known);
	badblocks_normalize(known);
	return known;
}
