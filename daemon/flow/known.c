// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/known: what of all that is bad belongs to an incident that is open already?
 *
 *   nvdimm -> flow -> [flow/known]
 *
 * In:   the open incidents, and what was healed since the last scrub.
 * Out:  ranges that are no news.
 *
 * Where media were cleared by command the block device's list goes on calling them bad, until the
 * block is written, and so long the incident stays open. If they fail again meanwhile, that list
 * does not change: the region's does. That is another loss, and another incident.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow/flow-private.h"

/* When its repair ended, no region's list had any of it. */
static bool is_mended(const struct journey *j)
{
	const struct repair *repair = &j->in->repair;

	return !j->busy && j->stage == STAGE_REST && !incident_is_ram(j->in) && repair->state &&
	       !strcmp(repair->state, "done") &&
	       (!repair->reason || !strcmp(repair->reason, "stale-badblocks"));
}

int read_bad_again(const struct flow *f, struct badblocks **ret)
{
	for (size_t i = 0; i < f->n_journeys; i++)
		if (is_mended(f->journeys[i]))
			return nvdimm_scan_regions(f->parts.nvdimm, ret);
	return badblocks_new(ret);
}

void end_bad_again(struct flow *f, const struct badblocks *again)
{
	for (size_t i = f->n_journeys; i-- > 0;) {
		struct journey *j = f->journeys[i];

		if (is_mended(j) && badblocks_contain(again, j->in->phys))
			journey_end(j, INCIDENT_REPAIRED);
	}
}

static int add_known(const struct journey *j, const struct badblocks *again,
		     struct badblocks *known)
{
	if (is_mended(j))
		return badblocks_add_missing(known, j->in->phys, again);
	return badblocks_add(known, j->in->phys);
}

struct badblocks *known_ranges(const struct flow *f, const struct badblocks *ars,
			       const struct badblocks *again)
{
	struct badblocks *known = calloc(1, sizeof(*known));
	int r = known ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < f->n_journeys; i++)
		r = add_known(f->journeys[i], again, known);
	/* Records of the last scrub still tell of what was healed since. */
	for (size_t i = 0; r >= 0 && f->healed && ars && i < ars->n_ranges; i++)
		if (badblocks_overlap(f->healed, ars->ranges[i]))
			r = badblocks_add(known, ars->ranges[i]);
	if (r < 0)
		return badblocks_free(known);
	badblocks_normalize(known);
	return known;
}
