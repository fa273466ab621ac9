// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow-ram: incidents on pages of plain memory.
 *
 *   hearing -> [flow-ram] -> flow-resolve, flow-respond; no repair
 *
 * No list tells of such pages: an incident begins when the kernel has handled its page, with what
 * the page was seen to be at that moment. There are no media to mend and nothing to write: the
 * kernel has taken the page out of use. The incident stays open, so that nobody forgets the DIMM,
 * until the kernel no longer calls the page poisoned: after a reboot, or in a test.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "flow-private.h"
#include "log.h"
#include "owners/ram.h"
#include "source/kpageflags.h"

const char ram_why_not_repaired[] =
	"the kernel has taken this page of memory out of use, and there are no media to repair";

static struct journey *find(const struct flow *f, struct range phys)
{
	for (size_t i = 0; i < f->n_journeys; i++)
		if (range_overlaps(f->journeys[i]->in->phys, phys))
			return f->journeys[i];
	return NULL;
}

static int begin(struct flow *f, struct range phys, const struct failure_case *c)
{
	_cleanup_(incident_freep) struct incident *in = incident_new(phys, SOURCE_MEMORY_FAILURE);
	int r;

	if (!in)
		return -ENOMEM;
	r = string_set(&in->device.mode, "ram");
	if (r >= 0)
		r = ram_add_owner(in, c->page_type, &c->page);
	return r < 0 ? r : journey_begin(f, &in);
}

void flow_failed(struct flow *f, const struct failure_case *c)
{
	struct range phys = { c->phys_start, PAGE_BYTES }, piece;
	int r;

	/* Of persistent memory, badblocks tell. What is known of the page is taken up by now. */
	if (address_map_find(nvdimm_map(f->parts.nvdimm), phys, &piece) || find(f, phys))
		return;
	r = begin(f, phys, c);
	flow_note_room(f, r);
	if (r < 0 && r != -ENOSPC)
		log_err(r, "Cannot begin an incident for the page at 0x%" PRIx64, c->phys_start);
	flow_pump(f);
}

static uint64_t page_bytes_of(const struct incident *in)
{
	uint64_t bytes = in->n_owners ? in->owners[0].page_bytes : 0;

	return bytes > PAGE_BYTES ? bytes : PAGE_BYTES;
}

void ram_end_gone(struct flow *f, struct range phys)
{
	for (size_t i = f->n_journeys; i-- > 0;) {
		struct journey *j = f->journeys[i];

		if (!incident_is_ram(j->in) || j->busy || !range_overlaps(j->in->phys, phys))
			continue;
		if (page_is_poisoned(f->parts.proc_fd, j->in->phys.start_bytes,
				     page_bytes_of(j->in)) == 0)
			journey_end(j, INCIDENT_GONE);
	}
}
