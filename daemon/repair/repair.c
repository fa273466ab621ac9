// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * repair: see repair.h. Asks anew, plans, runs the plan page by page, adds up.
 *
 *   respond -> [repair] -> plan, remap, clear
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "holders/holders.h"
#include "json-fields.h"
#include "owners/owners.h"
#include "policy/verdict.h"
#include "repair/clear.h"
#include "repair/fs.h"
#include "repair/pause.h"
#include "repair/plan.h"
#include "repair/record.h"
#include "repair/remap.h"
#include "repair/repair.h"
#include "repair/restore.h"
#include "repair/salvage.h"
#include "source/mce_history.h"
#include "source/nvdimm.h"

/* Owners can move while we work; a repair that never catches up with them waits instead. */
#define MAX_ROUNDS 3

/* The map is newer than the incident: the disk that had its name can be another by now. */
static int find_device(const struct repair_job *job, struct incident *in)
{
	struct device now = { 0 };
	const struct place *place;
	struct range piece;
	int r;

	place = address_map_find(job->map, in->phys, &piece);
	if (!place || !place->device.mode || !strcmp(place->device.mode, "none") ||
	    piece.length_bytes != in->phys.length_bytes)
		return -ENODEV;
	r = place_to_device(place, piece, &now);
	if (r < 0)
		return r;
	/* Which DIMMs of its set hold the range, the map does not know. */
	if (in->device.region && now.region && !strcmp(in->device.region, now.region)) {
		strv_free(now.dimms);
		now.dimms = TAKE(in->device.dimms);
	}
	device_done(&in->device);
	in->device = now;
	return 0;
}

static int ask_anew(const struct repair_job *job, struct incident *in)
{
	int r;

	r = find_device(job, in);
	if (r >= 0)
		r = owners_find(&in, 1, &job->how);

	return r < 0 ? r : holders_find(job->proc_fd, &in, 1);
}

static int set_outcome(struct incident *in, const char *state, const char *reason,
		       const char *detail)
{
	return string_set(&in->repair.state, state) ?: string_set(&in->repair.reason, reason)
	       ?: string_set(&in->repair.detail, detail && *detail ? detail : NULL);
}

/* "failed" outweighs "waiting", which outweighs "done"; among equals the first one stays. */
static unsigned weight(const char *state)
{
	static const char *const by_weight[] = { "none", "done", "waiting", "failed" };

	for (unsigned i = 0; i < 4; i++)
		if (state && !strcmp(state, by_weight[i]))
			return i;
	return 0;
}

static int add_up(struct incident *in, const struct page_result *result)
{
	in->repair.zeroed_bytes += result->zeroed_bytes;
	in->repair.salvaged_bytes += result->salvaged_bytes;
	in->repair.restored_bytes += result->restored_bytes;
	if (weight(result->state) < weight(in->repair.state) ||
	    (weight(result->state) == weight(in->repair.state) && in->repair.reason))
		return 0;
	return set_outcome(in, result->state, result->reason, result->detail);
}

static void refuse_page(const struct page_plan *page, struct page_result *ret)
{
	bool by_rule = !strcmp(page->reason, "rule");

	*ret = (struct page_result){ 0 };
	result_stop(ret, by_rule ? "none" : "failed", page->reason, "%s", page->detail);
}

static int explain_fs(int r, struct page_result *ret)
{
	if (r == -ENODEV || r == -ESTALE)
		return result_stop(ret, "waiting", "not-mounted",
				   "the filesystem is not mounted any more");
	if (r == -EROFS)
		return result_stop(ret, "waiting", "read-only", "the filesystem is read-only");
	if (r == -EOPNOTSUPP)
		return result_stop(ret, "failed", "block-size",
				   "the filesystem's blocks are not %u bytes", PAGE_BYTES);
	if (r == -EXDEV)
		return result_stop(
			ret, "failed", "layout",
			"the page lies in two places of the filesystem's device, or across "
			"two of its blocks");
	if (r == -EPERM)
		return result_stop(ret, "failed", "store",
				   "the store directory of the filesystem is not root's own");
	return result_stop(ret, "failed", "io-error", "the filesystem can't be opened: %s",
			   strerror(-r));
}

static int open_fs(const struct repair_job *job, dev_t dev, struct repair_fs *fs)
{
	if (!dev || dev == fs->dev)
		return 0;
	repair_fs_close(fs);
	return repair_fs_open(job->proc_fd, dev, fs);
}

static int run_page(const struct repair_job *job, struct incident *in, const struct page_plan *page,
		    struct repair_fs *fs, struct page_result *ret)
{
	bool remap;
	int bad, r;

	*ret = (struct page_result){ .state = "done" };
	bad = nvdimm_is_bad(job->map, (struct range){ page->phys_start, PAGE_BYTES });
	if (bad < 0 || (bad == 0 && !page->dev))
		return bad;
	if (bad && !page->method) {
		refuse_page(page, ret);
		return 0;
	}
	/* A page that is no longer bad may be one whose remap was cut off near its end: that goes
	 * to its end. */
	remap = !bad || page->method->id == METHOD_REMAP;
	r = open_fs(job, page->dev, fs);
	if (r >= 0 && page->dev)
		r = repair_fs_find_page(fs, job->map, page->phys_start);
	if (r >= 0 && remap)
		r = repair_fs_prepare_remap(fs, page->phys_start);
	if (r < 0) {
		explain_fs(r, ret);
		return 0;
	}

	if (remap)
		return remap_page(job, fs, in, page->phys_start, ret);
	return clear_page(job, page->dev ? fs : NULL, in, page->phys_start, ret);
}

static void start_over(struct incident *in)
{
	in->repair.zeroed_bytes = 0;
	in->repair.salvaged_bytes = 0;
	in->repair.restored_bytes = 0;
	for (size_t i = 0; i < in->repair.n_losses; i++)
		loss_done(&in->repair.losses[i]);
	in->repair.n_losses = 0;
	set_outcome(in, "none", NULL, NULL);
}

/* The files that a rule can speak of: a repair that is resumed finds its own beside them, or no
 * more file. */
static int files_only(const struct incident *in, struct incident *ret)
{
	*ret = *in;
	ret->n_owners = 0;
	ret->owners = calloc(in->n_owners + 1, sizeof(*ret->owners));
	if (!ret->owners)
		return -ENOMEM;
	for (size_t i = 0; i < in->n_owners; i++)
		if (in->owners[i].kind == OWNER_FILE_DATA && !record_is_in_store(&in->owners[i]))
			ret->owners[ret->n_owners++] = in->owners[i];
	return 0;
}

/*
 * A rule's verdict may be out of date: a clone made since is another rule's file, a file was marked
 * to be avoided. An administrator's order is not a rule's. 1: policy says less by now, 0: as
 * before, negative errno.
 */
static int policy_says_less(const struct repair_job *job, struct incident *in)
{
	struct repair_verdict verdict = { .wish = REPAIR_ZERO };
	struct incident files;
	bool less;
	int r;

	if (!in->repair.rule)
		return 0;
	r = files_only(in, &files);
	if (r < 0)
		return r;
	if (files.n_owners)
		r = verdict_on_repair(job->policy, &files, &verdict);
	free(files.owners);
	if (r < 0)
		return r;
	less = verdict.wish < in->repair.wish;
	r = less ? set_outcome(in, "waiting", "policy", verdict.reason) : 0;
	free(verdict.reason);
	return r < 0 ? r : less;
}

static int run_pages(const struct repair_job *job, struct incident *in,
		     const struct page_plan *pages, size_t n_pages, struct repair_fs *fs)
{
	struct page_result result;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < n_pages; i++) {
		if (pages[i].method)
			r = string_set(&in->repair.method, pages[i].method->name);
		if (r >= 0)
			r = run_page(job, in, &pages[i], fs, &result);
		if (r >= 0)
			r = add_up(in, &result);
	}
	return r;
}

/* As many pages as one run of a hook is asked for. A filesystem that can't be opened tells so by
 * each page. */
static int run_batch(const struct repair_job *given, struct incident *in,
		     const struct page_plan *pages, size_t n_pages, struct repair_fs *fs)
{
	_cleanup_(restore_freep) struct restore *restored = NULL;
	struct repair_job job = *given;
	int r = 0;

	if (open_fs(given, pages[0].dev, fs) >= 0)
		r = restore_ask(given, fs, in, pages, n_pages, &restored);
	if (r < 0)
		return r;
	job.restored = restored;
	return run_pages(&job, in, pages, n_pages, fs);
}

static int run_round(const struct repair_job *job, struct incident *in)
{
	struct repair_fs fs = { .root_fd = -1, .store_fd = -1, .bdev_fd = -1 };
	struct plan plan;
	int r;

	start_over(in);
	r = ask_anew(job, in);
	if (r == -ENODEV)
		return set_outcome(in, "waiting", "no-device", "the device of the page is away");
	if (r >= 0)
		r = policy_says_less(job, in);
	if (r != 0)
		return r < 0 ? r : 0;
	r = plan_make(in, in->repair.wish, &plan);
	for (size_t i = 0; r >= 0 && i < plan.n_pages; i += RESTORE_MAX_PAGES) {
		size_t n = plan.n_pages - i;

		r = run_batch(job, in, &plan.pages[i],
			      n < RESTORE_MAX_PAGES ? n : RESTORE_MAX_PAGES, &fs);
	}
	repair_fs_close(&fs);
	plan_done(&plan);
	return r;
}

int repair_run(const struct repair_job *job, struct incident *in)
{
	int r = 0;

	for (unsigned round = 0; round < MAX_ROUNDS; round++) {
		r = run_round(job, in);
		if (r < 0 || !in->repair.reason || strcmp(in->repair.reason, "moved"))
			break;
	}
	return r;
}

/* ---- preview ---- */

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

static int preview_page(const struct repair_job *job, const struct incident *in,
			const struct page_plan *page, struct json_object *pages,
			struct repair *sums)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	struct json_fields f = json_fields_new();
	uint64_t lost;
	int r;

	field_put_hex(&f, "phys_start", page->phys_start);
	field_put_string(&f, "method", page->method ? page->method->name : NULL);
	field_put_string(&f, "reason", page->reason);
	field_put_string(&f, "detail", page->detail);
	if (page->method)
		field_put_object(&f, "steps", steps_to_json(page->method));
	field_put_object(&f, "owners", files_to_json(in, page->phys_start));
	json_object_array_add(pages, f.object);
	if (f.r < 0 || !page->method || page->method->id != METHOD_REMAP)
		return f.r;

	r = nvdimm_bad_within(job->map, (struct range){ page->phys_start, PAGE_BYTES }, &bad);
	if (r < 0)
		return r;
	lost = SECTOR_BYTES * __builtin_popcount(salvage_bad_sectors(bad, page->phys_start));
	if (mce_history_of(page->phys_start) != MCE_NEVER)
		lost = PAGE_BYTES;
	sums->zeroed_bytes += lost;
	sums->salvaged_bytes += PAGE_BYTES - lost;
	return 0;
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
	struct plan plan = { 0 };
	int r;

	r = ask_anew(job, in);
	if (r >= 0)
		r = plan_make(in, in->repair.wish, &plan);
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
