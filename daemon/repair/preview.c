// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * preview: what a repair would do now, for people and programs to read.
 *
 *   control -> flow -> [preview] -> plan
 *
 * In:   an incident; its owners and holders are asked for anew.
 * Out:  the plan as JSON. Nothing is touched, and no page is read: what would be lost is what the
 *       lists say.
 */
#include "json-fields.h"
#include "repair/pause.h"
#include "repair/repair-private.h"
#include "repair/salvage.h"
#include "source/mce_history.h"
#include "source/nvdimm.h"

static struct json_object *steps_to_json(const struct repair_method *method)
{
	struct json_object *steps = json_object_new_array();

	for (const char *const *step = method->steps; steps && *step; step++)
		json_object_array_add(steps, json_object_new_string(*step));
	return steps;
}

static struct json_object *files_to_json(const struct incident *in, uint64_t phys_start)
{
	struct range page = { phys_start, PAGE_BYTES };
	struct json_object *files = json_object_new_array();

	for (size_t i = 0; files && i < in->n_owners; i++) {
		const struct owner *owner = &in->owners[i];

		if (range_overlaps((struct range){ owner->phys_start, owner->length_bytes }, page))
			json_object_array_add(files, owner_to_json(owner));
	}
	return files;
}

static bool loses_bytes(const struct repair_method *method)
{
	return method->writes_files || method->id == METHOD_CLEAR_ZERO;
}

static int foretell_loss(const struct repair_job *job, uint64_t phys_start, uint64_t *ret_bytes)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	int r;

	r = nvdimm_bad_within(job->map, (struct range){ phys_start, PAGE_BYTES }, &bad);
	if (r < 0)
		return r;
	*ret_bytes = SECTOR_BYTES * __builtin_popcount(salvage_bad_sectors(bad, phys_start));
	if (*ret_bytes && mce_history_of((struct range){ phys_start, PAGE_BYTES }) != MCE_NEVER)
		*ret_bytes = PAGE_BYTES;
	return 0;
}

static int preview_page(const struct repair_job *job, const struct incident *in,
			const struct page_plan *page, struct json_object *pages,
			struct repair *sums)
{
	struct json_fields f = json_fields_new();
	uint64_t lost = 0;
	int r;

	field_put_hex(&f, "phys_start", page->phys_start);
	field_put_string(&f, "method", page->method ? page->method->name : NULL);
	field_put_string(&f, "reason", page->reason);
	field_put_string(&f, "detail", page->detail);
	if (page->method)
		field_put_object(&f, "steps", steps_to_json(page->method));
	field_put_object(&f, "owners", files_to_json(in, page->phys_start));
	r = f.r;
	if (r >= 0 && page->method && loses_bytes(page->method)) {
		r = foretell_loss(job, page->phys_start, &lost);
		field_put_uint(&f, "zeroed_bytes", lost);
		field_put_uint(&f, "salvaged_bytes", PAGE_BYTES - lost);
		sums->zeroed_bytes += lost;
		sums->salvaged_bytes += PAGE_BYTES - lost;
	}
	json_object_array_add(pages, f.object);
	return r < 0 ? r : f.r;
}

/* Who must let go first: those that hold the page and may not be paused. */
static struct json_object *waits_for(const struct repair_job *job, const struct incident *in)
{
	struct json_object *list = json_object_new_array();
	struct paused writers;

	if (!list || pause_candidates(job->proc_fd, in, &writers) < 0)
		return list;
	for (size_t i = 0; i < in->n_holders; i++) {
		const struct holder *holder = &in->holders[i];

		for (size_t k = 0; k < writers.n; k++)
			if (writers.all[k].pid == holder->pid &&
			    pause_refusal(job->policy, in, holder))
				json_object_array_add(list, holder_to_json(holder));
	}
	pause_done(&writers);
	return list;
}

int repair_preview(const struct repair_job *job, struct incident *in, struct json_object **ret)
{
	struct json_object *pages = json_object_new_array();
	struct json_fields f = json_fields_new();
	struct repair sums = { 0 };
	const char *method = NULL;
	struct sharing sharing = { .proc_fd = job->proc_fd };
	struct plan plan = { 0 };
	int r;

	r = repair_ask_anew(job, in);
	if (r >= 0)
		r = plan_make(in, in->repair.wish, repair_can_share, &sharing, &plan);
	for (size_t i = 0; r >= 0 && i < plan.n_pages; i++) {
		if (plan.pages[i].method)
			method = plan.pages[i].method->name;
		r = preview_page(job, in, &plan.pages[i], pages, &sums);
	}
	plan_done(&plan);

	field_put_uint(&f, "incident", in->number);
	field_put_string(&f, "wish", repair_wish_name(in->repair.wish));
	field_put_string(&f, "method", method);
	field_put_object(&f, "pages", pages);
	field_put_uint(&f, "zeroed_bytes", sums.zeroed_bytes);
	field_put_uint(&f, "salvaged_bytes", sums.salvaged_bytes);
	field_put_object(&f, "waits_for", waits_for(job, in));
	if (r >= 0)
		r = f.r;
	if (r < 0) {
		json_object_put(f.object);
		return r;
	}
	*ret = f.object;
	return 0;
}
