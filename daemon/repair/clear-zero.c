// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * clear-zero: see clear-zero.h.
 *
 *   repair -> [clear-zero] -> clear_error, devdax, writers
 *
 * The command and the zeros are one step on record: cut off between them, the sectors hold what the
 * platform leaves there. They count as lost then, and are not written any more, since the program
 * that uses the device may have begun to.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "repair/clear-zero.h"
#include "repair/clear_error.h"
#include "repair/devdax.h"
#include "repair/record.h"
#include "repair/salvage.h"
#include "repair/writers.h"
#include "source/mce_history.h"
#include "source/nvdimm.h"

struct clear_zero {
	const struct repair_job *job;
	struct incident *in;
	struct range page;
	const struct place *place;
	struct owner owner; /* the incident's, with the device's name for its path */
	char path[64], *paths[2];
	struct target target; /* of the device: no fd */
	struct salvaged_page lost; /* which sectors; no bytes */
	int64_t intent; /* "clear-zero", 0: not begun */
	struct writers writers;
	struct page_result *result;
};

static int find_owner(struct clear_zero *c)
{
	struct range clipped;

	c->place = address_map_find(c->job->map, c->page, &clipped);
	if (!c->place || !c->place->device.bus || !c->place->device.chardev ||
	    clipped.length_bytes != PAGE_BYTES)
		return result_stop(c->result, "failed", "no-device",
				   "no dax device is known for the page");
	for (size_t i = 0; i < c->in->n_owners; i++) {
		const struct owner *owner = &c->in->owners[i];

		if (owner->kind != OWNER_DEVDAX ||
		    !range_overlaps((struct range){ owner->phys_start, owner->length_bytes },
				    c->page))
			continue;
		snprintf(c->path, sizeof(c->path), "/dev/%s", c->place->device.chardev);
		c->paths[0] = c->path;
		c->owner = *owner;
		c->owner.paths = c->paths;
		c->target = (struct target){
			.owner = &c->owner,
			.fd = -1,
			.page_offset_bytes = owner->file_offset_bytes + c->page.start_bytes -
					     owner->phys_start,
			.n_pages = 1,
			.length_bytes = PAGE_BYTES,
		};
		return 0;
	}
	return result_stop(c->result, "waiting", "moved", "the page is no dax device's any more");
}

static int begin(struct clear_zero *c)
{
	_cleanup_(json_object_putp) struct json_object *detail = record_pages(c->page);

	return detail ? journal_intent(c->job->journal, "clear-zero", detail, &c->intent) : -ENOMEM;
}

/* What the command clears beside the lost sectors would be lost with them. */
static int clear_range(struct clear_zero *c, struct range bad)
{
	struct range sectors = range_align_out(bad, SECTOR_BYTES), aligned;
	uint64_t cleared = 0;
	uint32_t unit;
	int r;

	r = clear_error_unit(c->place->device.bus, c->page, &unit);
	if (r < 0)
		return r;
	aligned = range_align_out(bad, unit);
	if (!range_contains(sectors, aligned))
		return -E2BIG;
	r = clear_error_submit(c->place->device.bus, aligned, &cleared);
	return r < 0 ? r : cleared < aligned.length_bytes ? -EIO : 0;
}

static int clear_and_zero(struct clear_zero *c, const struct badblocks *bad, struct devdax_page *p)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < bad->n_ranges; i++)
		r = clear_range(c, bad->ranges[i]);
	if (r >= 0)
		r = nvdimm_is_bad(c->job->map, c->page);
	if (r != 0)
		return r < 0 ? r : -EIO;
	return devdax_zero(p, c->lost.bad_sectors);
}

static int explain(struct clear_zero *c, int r)
{
	if (r == -E2BIG)
		return result_stop(c->result, "waiting", "clear-unit",
				   "the bus clears more at a time than what is bad");
	return result_stop(c->result, "failed", "clear-refused",
			   "the platform does not clear the media: %s", strerror(-r));
}

static int clear_on_record(struct clear_zero *c, const struct badblocks *bad, struct devdax_page *p)
{
	_cleanup_(json_object_putp) struct json_object *detail = NULL;
	int64_t intent;
	int r, done;

	detail = record_swap(&c->target, &c->lost);
	if (!detail)
		return -ENOMEM;
	r = journal_intent(c->job->journal, "zero", detail, &intent);
	if (r < 0)
		return r;
	done = clear_and_zero(c, bad, p);
	r = journal_outcome(c->job->journal, intent, done, NULL);
	if (r < 0)
		return r;
	return done < 0 ? explain(c, done) : 0;
}

static int clear_sectors(struct clear_zero *c)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	struct devdax_page p;
	int r;

	r = nvdimm_bad_within(c->job->map, c->page, &bad);
	if (r < 0)
		return r;
	c->lost = (struct salvaged_page){
		.phys_start = c->page.start_bytes,
		.length_bytes = PAGE_BYTES,
		.bad_sectors = salvage_bad_sectors(bad, c->page.start_bytes),
	};
	r = devdax_map(c->place->device.chardev, c->target.page_offset_bytes, &p);
	if (r < 0)
		r = result_stop(c->result, "waiting", "busy", "/dev/%s can't be mapped: %s",
				c->place->device.chardev, strerror(-r));
	else
		r = clear_on_record(c, bad, &p);
	devdax_unmap(&p);
	return r;
}

static int run(struct clear_zero *c)
{
	_cleanup_(json_object_putp) struct json_object *history = NULL;
	int r;

	r = journal_history(c->job->journal, c->page, &history);
	if (r >= 0)
		r = record_close_cut_off(c->job, -1, NULL, history, c->page.start_bytes, 0);
	if (r < 0)
		return r;
	r = nvdimm_is_bad(c->job->map, c->page);
	if (r < 0)
		return r;
	if (r == 0)
		return result_stop(c->result, "done", NULL, "%s", "");
	if (mce_history_of(c->page) != MCE_NEVER)
		return result_stop(c->result, "waiting", "machine-check",
				   "a machine check has hit the page, or may have: it is not "
				   "cleared by command");
	r = find_owner(c);
	if (r != 0)
		return r;
	r = begin(c);
	if (r < 0)
		return r;
	r = writers_stop(c->job, c->in, &c->writers, c->result);
	if (r == 0)
		r = writers_look_again(c->job, c->in, c->result);
	return r != 0 ? r : clear_sectors(c);
}

static int finish(struct clear_zero *c, int r)
{
	_cleanup_(json_object_putp) struct json_object *outcome = NULL;
	int n;

	n = writers_continue(c->job, &c->writers, r < 0 ? r : 0);
	if (r < 0)
		r = result_explain(c->result, r);
	if (r < 0 || n < 0)
		return r < 0 ? r : n;
	n = record_losses(c->job->journal, c->page.start_bytes, c->in, c->result);
	if (n < 0)
		return n;
	if (r == 0)
		c->result->state = "done";
	if (!c->intent)
		return 0;
	outcome = record_result(c->result);
	return outcome ? journal_outcome(c->job->journal, c->intent, 0, outcome) : -ENOMEM;
}

int clear_zero_page(const struct repair_job *job, struct incident *in, uint64_t phys_start,
		    struct page_result *ret)
{
	struct clear_zero c = {
		.job = job,
		.in = in,
		.page = { phys_start, PAGE_BYTES },
		.target.fd = -1,
		.result = ret,
	};
	int r;

	*ret = (struct page_result){ 0 };
	r = finish(&c, run(&c));
	writers_done(&c.writers);
	return r;
}
