// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow-ram: incidents on pages of plain memory.
 *
 *   hearing -> [flow-ram] -> flow-resolve, flow-respond; no repair
 *
 * No list tells of such pages: an incident begins when the kernel has handled its page, with what
 * the page was seen to be at that moment; or when flow-ram-scan.c comes upon it. There are no media
 * to mend and nothing to write: the kernel has taken the page out of use. The incident stays open,
 * so that nobody forgets the DIMM, until the kernel no longer calls the page poisoned: after a
 * reboot, or in a test.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "flow-private.h"
#include "log.h"
#include "owners/ram.h"
#include "source/kpageflags.h"

/* A thousand tell that a DIMM is gone as well as all of its pages would, and do not keep us from
 * telling it. */
#define MAX_OPEN_RAM 1000u

const char ram_why_not_repaired[] =
	"the kernel has taken this page of memory out of use, and there are no media to repair";

static uint64_t page_bytes_of(const struct incident *in)
{
	uint64_t bytes = in->n_owners ? in->owners[0].page_bytes : 0;

	return bytes > PAGE_BYTES ? bytes : PAGE_BYTES;
}

static struct journey *find(const struct flow *f, struct range phys)
{
	for (size_t i = 0; i < f->n_journeys; i++)
		if (range_overlaps(f->journeys[i]->in->phys, phys))
			return f->journeys[i];
	return NULL;
}

static int begin(struct flow *f, struct range phys, const char *page_type,
		 const struct page_facts *page)
{
	_cleanup_(incident_freep) struct incident *in = incident_new(phys, SOURCE_MEMORY_FAILURE);
	int r;

	if (!in)
		return -ENOMEM;
	r = string_set(&in->device.mode, "ram");
	if (r >= 0)
		r = ram_add_owner(in, page_type, page);
	return r < 0 ? r : journey_begin(f, &in);
}

/* No list shows later what did not fit. */
static void note_room(struct flow *f, int r)
{
	if (r == -ENOSPC && !f->too_much_ram)
		f->parts.degraded("plain memory",
				  "more pages have failed than are kept as incidents; "
				  "kernel.memory_failure alone tells of the rest",
				  f->parts.userdata);
	f->too_much_ram = f->too_much_ram || r == -ENOSPC;
}

/* Of persistent memory, badblocks tell. */
static void begin_if_new(struct flow *f, uint64_t phys_start, const char *page_type,
			 const struct page_facts *page)
{
	struct range phys = { phys_start, PAGE_BYTES }, piece;
	int r;

	if (address_map_find(nvdimm_map(f->parts.nvdimm), phys, &piece) || find(f, phys))
		return;
	r = f->n_ram < MAX_OPEN_RAM ? begin(f, phys, page_type, page) : -ENOSPC;
	note_room(f, r);
	if (r < 0 && r != -ENOSPC)
		log_err(r, "Cannot begin an incident for the page at 0x%" PRIx64, phys_start);
}

void flow_failed(struct flow *f, const struct failure_case *c)
{
	struct page_facts page = c->page;

	/* Whoever had it has lost it before, when nobody looked: now it is only out of use. */
	if (!strcmp(c->result, "already-poisoned") && page.use == PAGE_OTHER)
		page.use = PAGE_UNSEEN;
	begin_if_new(f, c->phys_start, c->page_type, &page);
	if (!f->in_batch)
		flow_pump(f);
}

/* The first small page of a huge one may stand for another of it, which was heard of. */
static bool is_of_known_huge_page(const struct flow *f, struct range phys)
{
	for (size_t i = 0; i < f->n_journeys; i++) {
		const struct incident *in = f->journeys[i]->in;

		if (range_overlaps(range_align_out(in->phys, page_bytes_of(in)), phys))
			return true;
	}
	return false;
}

void ram_begin_unheard(struct flow *f, uint64_t phys_start)
{
	const struct page_facts unseen = { .use = PAGE_UNSEEN };

	if (!is_of_known_huge_page(f, (struct range){ phys_start, PAGE_BYTES }))
		begin_if_new(f, phys_start, "unknown", &unseen);
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
