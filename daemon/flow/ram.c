// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/ram: incidents on pages of plain memory.
 *
 *   hearing -> [flow/ram] -> flow/resolve, flow/respond; no repair
 *
 * No list tells of such pages: an incident begins when the kernel has handled its page, with what
 * the page was seen to be at that moment; or when flow/ram-scan.c comes upon it. There are no media
 * to mend and nothing to write: the kernel has taken the page out of use. The incident stays open,
 * so that nobody forgets the DIMM, until the kernel no longer calls the page poisoned: after a
 * reboot, or in a test.
 *
 * A failure is noted here, and its incident begins in a later turn of the loop: to hear the next
 * one must not take as long as that.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "flow/flow-private.h"
#include "log.h"
#include "owners/ram.h"
#include "source/kpageflags.h"

/* A thousand tell that a DIMM is gone as well as all of its pages would, and do not keep us from
 * telling it. */
#define MAX_OPEN_RAM 1000u

/* Begin with one commit, before others get their turn. */
#define N_AT_ONCE 8u

const char ram_why_not_repaired[] =
	"the kernel has taken this page of memory out of use, and there are no media to repair";

static uint64_t page_bytes_of(const struct incident *in)
{
	uint64_t bytes = in->n_owners ? in->owners[0].page_bytes : 0;

	return bytes > PAGE_BYTES ? bytes : PAGE_BYTES;
}

/* What correlate has forgotten when its incident begins. */
struct failed_page {
	uint64_t phys_start;
	char page_type[32], result[32]; /* result "": nobody has heard */
	struct page_facts page;
};

/* The first is at pages[first], the last at pages[n - 1]. */
struct failed_pages {
	struct failed_page *pages;
	size_t first, n, n_capacity;
	sd_event_source *next;
};

static size_t n_waiting(const struct flow *f)
{
	return f->failed ? f->failed->n - f->failed->first : 0;
}

static int note_deed(struct incident *in, const struct failed_page *failed)
{
	int r;

	if (!*failed->result)
		return 0;
	r = string_set(&in->kernel.page_type, failed->page_type);
	return r < 0 ? r : string_set(&in->kernel.result, failed->result);
}

static int begin(struct flow *f, struct range phys, const struct failed_page *failed)
{
	_cleanup_(incident_freep) struct incident *in = incident_new(phys, SOURCE_MEMORY_FAILURE);
	int r;

	if (!in)
		return -ENOMEM;
	r = string_set(&in->device.mode, "ram");
	if (r >= 0)
		r = ram_add_owner(in, failed->page_type, &failed->page);
	if (r >= 0)
		r = note_deed(in, failed);
	return r < 0 ? r : journey_begin(f, &in);
}

/* No list shows later what did not fit. */
static void note_room(struct flow *f)
{
	if (!f->too_much_ram)
		f->parts.degraded("plain memory",
				  "more pages have failed than are kept as incidents; "
				  "kernel.memory_failure alone tells of the rest",
				  f->parts.userdata);
	f->too_much_ram = true;
}

/* Of persistent memory, badblocks tell. */
static bool is_new(const struct flow *f, uint64_t phys_start)
{
	struct range phys = { phys_start, PAGE_BYTES }, piece;
	size_t at = 0;

	return !journey_next_in(f, phys, &at) &&
	       !address_map_find(nvdimm_map(f->parts.nvdimm), phys, &piece);
}

static void begin_if_new(struct flow *f, const struct failed_page *failed)
{
	struct range phys = { failed->phys_start, PAGE_BYTES };
	int r;

	if (!is_new(f, failed->phys_start))
		return;
	r = begin(f, phys, failed);
	if (r == -ENOSPC)
		note_room(f);
	else if (r < 0)
		log_err(r, "Cannot begin an incident for the page at 0x%" PRIx64,
			failed->phys_start);
}

/* ---- those that wait ---- */

static void forget_waiting(struct flow *f)
{
	struct failed_pages *all = TAKE(f->failed);

	sd_event_source_disable_unref(all->next);
	free(all->pages);
	free(all);
}

static void begin_some(struct flow *f, size_t n_max)
{
	struct failed_pages *all = f->failed;

	while (all->first < all->n && n_max--)
		begin_if_new(f, &all->pages[all->first++]);
	if (all->first == all->n)
		forget_waiting(f);
}

static int on_next(sd_event_source *source, void *userdata)
{
	struct flow *f = userdata;

	begin_some(f, N_AT_ONCE);
	if (!f->in_batch)
		flow_pump(f);
	return 0;
}

static int begin_waiting(struct flow *f)
{
	int r;

	if (f->failed)
		return 0;
	f->failed = calloc(1, sizeof(*f->failed));
	if (!f->failed)
		return -ENOMEM;
	r = sd_event_add_defer(f->parts.event, &f->failed->next, on_next, f);
	if (r >= 0)
		r = sd_event_source_set_enabled(f->failed->next, SD_EVENT_ON);
	if (r < 0)
		forget_waiting(f);
	return r;
}

static int wait_for_turn(struct flow *f, const struct failed_page *failed)
{
	struct failed_pages *all;
	int r;

	r = begin_waiting(f);
	if (r < 0)
		return r;
	all = f->failed;
	if (all->n == all->n_capacity) {
		size_t n_wanted = all->n_capacity * 2 + 8;
		struct failed_page *grown = reallocarray(all->pages, n_wanted, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		all->pages = grown;
		all->n_capacity = n_wanted;
	}
	all->pages[all->n++] = *failed;
	return 0;
}

/* The report is told and on its way; who has lost the page is found out when others had their turn.
 */
static void begin_later(struct flow *f, const struct failed_page *failed)
{
	if (f->n_ram + n_waiting(f) >= MAX_OPEN_RAM)
		note_room(f);
	else if (wait_for_turn(f, failed) < 0)
		begin_if_new(f, failed);
}

void ram_begin_rest(struct flow *f)
{
	if (f->failed)
		begin_some(f, MAX_OPEN_RAM);
}

/* Most pages of a storm: nothing is left to do for them. */
static bool is_over_the_top(const struct flow *f)
{
	return f->too_much_ram && f->n_ram + n_waiting(f) >= MAX_OPEN_RAM;
}

void flow_failed(struct flow *f, const struct failure_case *c)
{
	struct failed_page failed = { .phys_start = c->phys_start };

	if (is_over_the_top(f) || !is_new(f, c->phys_start))
		return;
	failed.page = c->page;
	stpcpy(failed.page_type, c->page_type);
	stpcpy(failed.result, c->result);
	/* Whoever had it has lost it before, when nobody looked: now it is only out of use. */
	if (!strcmp(c->result, "already-poisoned") && failed.page.use == PAGE_OTHER)
		failed.page.use = PAGE_UNSEEN;
	begin_later(f, &failed);
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
	struct failed_page failed = {
		.phys_start = phys_start,
		.page_type = "unknown",
		.page = { .use = PAGE_UNSEEN },
	};

	if (!is_over_the_top(f) && is_new(f, phys_start) &&
	    !is_of_known_huge_page(f, (struct range){ phys_start, PAGE_BYTES }))
		begin_later(f, &failed);
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
