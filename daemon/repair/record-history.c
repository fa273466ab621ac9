// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * record-history: what the steps of a page so far add up to.
 *
 *   journal -> [record-history] -> remap, rewrite, clear-zero
 *
 * In:   the page's steps, of which some were about other pages too.
 * Out:  what it has lost, and where an attempt that was cut off left it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repair/record-private.h"

const char *record_member(struct json_object *o, const char *name)
{
	struct json_object *value;

	return o && json_object_object_get_ex(o, name, &value) ? json_object_get_string(value)
							       : NULL;
}

/* As record_pages() wrote them. */
static bool read_pages(struct json_object *o, struct range *ret)
{
	const char *phys = record_member(o, "phys_start");
	struct json_object *length;

	if (!phys)
		return false;
	*ret = (struct range){ strtoull(phys, NULL, 16), PAGE_BYTES };
	if (json_object_object_get_ex(o, "length_bytes", &length))
		ret->length_bytes = json_object_get_uint64(length);
	return range_valid(*ret);
}

static bool has_page(struct range pages, uint64_t phys_start)
{
	return range_contains(pages, (struct range){ phys_start, PAGE_BYTES });
}

static void read_outcome(struct json_object *element, struct step *step)
{
	struct json_object *value, *outcome = NULL;

	if (json_object_object_get_ex(element, "finished", &value))
		step->finished = json_object_get_boolean(value);
	if (json_object_object_get_ex(element, "result", &value))
		step->result = json_object_get_int(value);
	json_object_object_get_ex(element, "outcome", &outcome);
	json_object_object_get_ex(outcome, "swapped", &step->swapped);
	step->end_state = record_member(outcome, "state");
}

bool record_read_step(struct json_object *element, uint64_t phys_start, struct step *ret)
{
	struct json_object *value;

	*ret = (struct step){ .name = record_member(element, "step") };
	json_object_object_get_ex(element, "detail", &ret->detail);
	if (!ret->name || !read_pages(ret->detail, &ret->pages) ||
	    !has_page(ret->pages, phys_start))
		return false;

	if (json_object_object_get_ex(element, "intent", &value))
		ret->intent = json_object_get_int64(value);
	json_object_object_get_ex(ret->detail, "swap", &ret->swap);
	read_outcome(element, ret);
	return true;
}

/* Was the swap done for this page? */
static bool was_swapped(const struct step *step, uint64_t phys_start)
{
	struct range pages;

	if (!step->swap || !step->finished || step->result != 0)
		return false;
	if (!step->swapped)
		return true;
	for (size_t i = 0; i < json_object_array_length(step->swapped); i++)
		if (read_pages(json_object_array_get_idx(step->swapped, i), &pages) &&
		    has_page(pages, phys_start))
			return true;
	return false;
}

struct range record_file_bytes(struct json_object *swap)
{
	struct json_object *owners, *owner, *value;
	struct range bytes = { 0 };

	json_object_object_get_ex(swap, "owners", &owners);
	owner = json_object_array_get_idx(owners, 0);
	if (json_object_object_get_ex(owner, "page_offset_bytes", &value))
		bytes.start_bytes = json_object_get_uint64(value);
	if (json_object_object_get_ex(owner, "page_length_bytes", &value))
		bytes.length_bytes = json_object_get_uint64(value);
	return bytes;
}

/* The step around all others of a page. */
static bool is_method(const struct step *step)
{
	return !strcmp(step->name, "remap") || !strcmp(step->name, "rewrite") ||
	       !strcmp(step->name, "clear-zero");
}

static bool ends_page(const struct step *step)
{
	return is_method(step) && step->finished && step->end_state &&
	       !strcmp(step->end_state, "done");
}

static int move_losses(struct incident *from, struct incident *to)
{
	for (size_t i = 0; i < from->repair.n_losses; i++) {
		struct loss *loss = incident_add_loss(to);

		if (!loss)
			return -ENOMEM;
		*loss = from->repair.losses[i];
		from->repair.losses[i] = (struct loss){ 0 };
	}
	return 0;
}

/* What the swaps so far add up to. */
struct sum {
	struct incident *losses; /* in its repair */
	uint64_t zeroed_bytes, salvaged_bytes, restored_bytes;
	int n_swaps;
	bool write_failed; /* one that may have changed the media for all that */
};

static int sum_start(struct sum *sum, uint64_t phys_start)
{
	incident_free(sum->losses);
	*sum = (struct sum){ .losses = incident_new((struct range){ phys_start, PAGE_BYTES }, 0) };
	return sum->losses ? 0 : -ENOMEM;
}

/* Of what a swap lost, what it lost of these bytes. */
static void clip_losses(struct repair *repair, struct range file_bytes)
{
	size_t n = 0;

	repair->zeroed_bytes = 0;
	for (size_t i = 0; i < repair->n_losses; i++) {
		struct loss *loss = &repair->losses[i];
		struct range lost = { loss->file_offset_bytes, loss->length_bytes };

		lost = range_clip(lost, file_bytes);
		if (!lost.length_bytes) {
			loss_done(loss);
			continue;
		}
		loss->file_offset_bytes = lost.start_bytes;
		loss->length_bytes = lost.length_bytes;
		repair->zeroed_bytes += lost.length_bytes;
		repair->losses[n++] = *loss;
	}
	repair->n_losses = n;
	repair->salvaged_bytes = file_bytes.length_bytes - repair->zeroed_bytes;
}

static int sum_add(struct sum *sum, const struct step *step, uint64_t phys_start)
{
	_cleanup_(incident_freep) struct incident *in = NULL;
	struct range bytes = record_file_bytes(step->swap);
	struct range page = { bytes.start_bytes + (phys_start - step->pages.start_bytes),
			      PAGE_BYTES };
	int r;

	r = incident_from_json(step->swap, &in);
	if (r < 0)
		return r;
	/* Of several pages, none has bytes that a hook gave: see remap_pages(). */
	if (step->pages.length_bytes > PAGE_BYTES)
		clip_losses(&in->repair, range_clip(page, bytes));
	if (in->repair.zeroed_bytes > sum->zeroed_bytes)
		sum->zeroed_bytes = in->repair.zeroed_bytes;
	if (in->repair.salvaged_bytes > sum->salvaged_bytes)
		sum->salvaged_bytes = in->repair.salvaged_bytes;
	if (in->repair.restored_bytes > sum->restored_bytes)
		sum->restored_bytes = in->repair.restored_bytes;
	sum->n_swaps++;
	return move_losses(in, sum->losses);
}

/* Did a write with this result get as far as the media? */
static bool may_have_cleared(int result)
{
	return result == -EFAULT || result == -EIO || result == -EINTR;
}

/*
 * Walk the page's steps. *ret_ended: its last step of all is a method that ended well; then *ret
 * is the sum of that run, else the sum since the last such end.
 */
static int sum_history(struct repair_journal *j, uint64_t phys_start, struct sum *ret,
		       bool *ret_ended)
{
	_cleanup_(json_object_putp) struct json_object *history = NULL;
	int r;

	*ret_ended = false;
	r = journal_history(j, (struct range){ phys_start, PAGE_BYTES }, &history);
	if (r < 0)
		return r;
	r = sum_start(ret, phys_start);

	for (size_t i = 0; r >= 0 && i < json_object_array_length(history); i++) {
		struct step step;

		if (!record_read_step(json_object_array_get_idx(history, i), phys_start, &step))
			continue;
		if (is_method(&step) && *ret_ended) {
			r = sum_start(ret, phys_start); /* bad again after a good end */
			*ret_ended = false;
		}
		if (ends_page(&step))
			*ret_ended = true;
		if (r >= 0 && was_swapped(&step, phys_start))
			r = sum_add(ret, &step, phys_start);
		if (step.finished && !strcmp(step.name, "write") && may_have_cleared(step.result))
			ret->write_failed = true;
	}
	return r;
}

int record_losses(struct repair_journal *j, uint64_t phys_start, struct incident *in,
		  struct page_result *result)
{
	struct sum sum = { 0 };
	bool ended;
	int r;

	r = sum_history(j, phys_start, &sum, &ended);
	if (r >= 0) {
		result->zeroed_bytes = sum.zeroed_bytes;
		result->salvaged_bytes = sum.salvaged_bytes;
		result->restored_bytes = sum.restored_bytes;
		r = move_losses(sum.losses, in) ?: sum.n_swaps;
	}
	incident_free(sum.losses);
	return r;
}

int record_write_failed(struct repair_journal *j, uint64_t phys_start)
{
	struct sum sum = { 0 };
	bool ended;
	int r;

	r = sum_history(j, phys_start, &sum, &ended);
	incident_free(sum.losses);
	return r < 0 ? r : sum.write_failed;
}

bool record_has_steps(struct json_object *history, struct range pages)
{
	for (size_t i = 0; i < json_object_array_length(history); i++) {
		struct json_object *detail = NULL;
		struct range about;

		json_object_object_get_ex(json_object_array_get_idx(history, i), "detail", &detail);
		if (read_pages(detail, &about) && range_overlaps(about, pages))
			return true;
	}
	return false;
}

bool record_find_pages(struct json_object *history, uint64_t phys_start, size_t *at,
		       struct range *ret)
{
	while (*at < json_object_array_length(history)) {
		struct json_object *element = json_object_array_get_idx(history, (*at)++);
		struct step step;

		if (record_read_step(element, phys_start, &step) && !strcmp(step.name, "remap") &&
		    step.pages.length_bytes > PAGE_BYTES) {
			*ret = step.pages;
			return true;
		}
	}
	return false;
}
