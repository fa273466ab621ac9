// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * record: see record.h.
 *
 * A swap is recorded as an incident of its own: one page, one owner, its losses. So it is written
 * and read by the same code as every other incident.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "json-fields.h"
#include "owners/handle.h"
#include "repair/extent.h"
#include "repair/record.h"
#include "repair/salvage.h"
#include "repair/store.h"

struct json_object *record_page(uint64_t phys_start)
{
	struct json_fields f = json_fields_new();

	field_put_hex(&f, "phys_start", phys_start);
	return f.object;
}

struct json_object *record_swap(const struct target *t, const struct salvaged_page *page)
{
	_cleanup_(incident_freep) struct incident *in = NULL;
	struct json_object *detail, *swap, *owners;

	in = incident_new((struct range){ page->phys_start, PAGE_BYTES }, 0);
	if (!in || target_add_losses(t, page, in) < 0)
		return NULL;
	in->repair.zeroed_bytes = salvage_lost_bytes(page, t->length_bytes);
	in->repair.restored_bytes = salvage_restored_bytes(page, t->length_bytes);
	in->repair.salvaged_bytes = t->length_bytes - in->repair.zeroed_bytes -
				    in->repair.restored_bytes;

	detail = record_page(page->phys_start);
	swap = incident_to_json(in);
	if (!detail || !swap) {
		json_object_put(detail);
		json_object_put(swap);
		return NULL;
	}
	if (json_object_object_get_ex(swap, "owners", &owners))
		json_object_array_add(owners, target_to_json(t));
	json_object_object_add(detail, "swap", swap);
	return detail;
}

struct json_object *record_result(const struct page_result *result)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, "state", result->state);
	field_put_string(&f, "reason", result->reason);
	field_put_uint(&f, "zeroed_bytes", result->zeroed_bytes);
	field_put_uint(&f, "salvaged_bytes", result->salvaged_bytes);
	field_put_uint(&f, "restored_bytes", result->restored_bytes);
	return f.object;
}

bool record_is_in_store(const struct owner *owner)
{
	for (char **path = owner->paths; path && *path; path++)
		if (strstr(*path, "/" STORE_DIRECTORY "/"))
			return true;
	return false;
}

/* ---- reading steps back ---- */

struct step {
	int64_t intent;
	const char *name;
	bool finished;
	int result;
	struct json_object *swap; /* NULL: not a swap */
	const char *end_state; /* of a finished "remap" */
};

static const char *member_string(struct json_object *o, const char *name)
{
	struct json_object *value;

	return o && json_object_object_get_ex(o, name, &value) ? json_object_get_string(value)
							       : NULL;
}

/* One element of the history, if it is about this page. */
static bool step_of_page(struct json_object *element, uint64_t phys_start, struct step *ret)
{
	struct json_object *value, *detail = NULL, *outcome = NULL;
	const char *phys;

	*ret = (struct step){ .name = member_string(element, "step") };
	json_object_object_get_ex(element, "detail", &detail);
	phys = member_string(detail, "phys_start");
	if (!ret->name || !phys || strtoull(phys, NULL, 16) != phys_start)
		return false;

	if (json_object_object_get_ex(element, "intent", &value))
		ret->intent = json_object_get_int64(value);
	if (json_object_object_get_ex(element, "finished", &value))
		ret->finished = json_object_get_boolean(value);
	if (json_object_object_get_ex(element, "result", &value))
		ret->result = json_object_get_int(value);
	json_object_object_get_ex(detail, "swap", &ret->swap);
	json_object_object_get_ex(element, "outcome", &outcome);
	ret->end_state = member_string(outcome, "state");
	return true;
}

static bool ends_page(const struct step *step)
{
	return !strcmp(step->name, "remap") && step->finished && step->end_state &&
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
};

static int sum_start(struct sum *sum, uint64_t phys_start)
{
	incident_free(sum->losses);
	*sum = (struct sum){ .losses = incident_new((struct range){ phys_start, PAGE_BYTES }, 0) };
	return sum->losses ? 0 : -ENOMEM;
}

static int sum_add(struct sum *sum, struct json_object *swap)
{
	_cleanup_(incident_freep) struct incident *in = NULL;
	int r;

	r = incident_from_json(swap, &in);
	if (r < 0)
		return r;
	if (in->repair.zeroed_bytes > sum->zeroed_bytes)
		sum->zeroed_bytes = in->repair.zeroed_bytes;
	if (in->repair.salvaged_bytes > sum->salvaged_bytes)
		sum->salvaged_bytes = in->repair.salvaged_bytes;
	if (in->repair.restored_bytes > sum->restored_bytes)
		sum->restored_bytes = in->repair.restored_bytes;
	sum->n_swaps++;
	return move_losses(in, sum->losses);
}

/*
 * Walk the page's steps. *ret_ended: its last step of all is a "remap" that ended well; then *ret
 * is the sum of that run, else the sum since the last such end.
 */
static int sum_history(const struct repair_journal *j, uint64_t phys_start, struct sum *ret,
		       bool *ret_ended)
{
	_cleanup_(json_object_putp) struct json_object *history = NULL;
	int r;

	*ret_ended = false;
	r = journal_history(j, phys_start, &history);
	if (r < 0)
		return r;
	r = sum_start(ret, phys_start);

	for (size_t i = 0; r >= 0 && i < json_object_array_length(history); i++) {
		struct step step;

		if (!step_of_page(json_object_array_get_idx(history, i), phys_start, &step))
			continue;
		if (!strcmp(step.name, "remap") && *ret_ended) {
			r = sum_start(ret, phys_start); /* bad again after a good end */
			*ret_ended = false;
		}
		if (ends_page(&step))
			*ret_ended = true;
		if (r >= 0 && step.swap && step.finished && step.result == 0)
			r = sum_add(ret, step.swap);
	}
	return r;
}

int record_losses(const struct repair_journal *j, uint64_t phys_start, struct incident *in,
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

/* Was the swap done before we were cut off? 1, 0, or negative errno. */
static int swap_was_done(int root_fd, const char *filesystem, struct json_object *swap,
			 uint64_t dev_offset_bytes)
{
	_cleanup_(incident_freep) struct incident *in = NULL;
	struct json_object *owners, *value;
	struct target t = { .fd = -1 };
	_cleanup_(closep) int fd = -1;
	int r;

	r = incident_from_json(swap, &in);
	if (r < 0)
		return r;
	if (in->n_owners != 1)
		return -EBADMSG;
	json_object_object_get_ex(swap, "owners", &owners);
	if (json_object_object_get_ex(json_object_array_get_idx(owners, 0), "page_offset_bytes",
				      &value))
		t.page_offset_bytes = json_object_get_uint64(value);

	fd = handle_open(root_fd, filesystem, in->owners[0].inode, in->owners[0].generation,
			 O_RDONLY | O_CLOEXEC);
	if (fd == -ESTALE || fd == -ENOENT)
		return 0; /* the file is gone, and with it what it lost */
	if (fd < 0)
		return fd;
	t.fd = fd;
	r = target_is_on(&t, dev_offset_bytes);
	return r < 0 ? r : !r;
}

int record_close_cut_off(const struct repair_journal *j, int root_fd, const char *filesystem,
			 uint64_t phys_start, uint64_t dev_offset_bytes)
{
	_cleanup_(json_object_putp) struct json_object *history = NULL;
	int r;

	r = journal_history(j, phys_start, &history);
	for (size_t i = 0; r >= 0 && i < json_object_array_length(history); i++) {
		struct step step;
		int result = -EINTR;

		if (!step_of_page(json_object_array_get_idx(history, i), phys_start, &step) ||
		    step.finished)
			continue;
		if (step.swap) {
			r = swap_was_done(root_fd, filesystem, step.swap, dev_offset_bytes);
			if (r < 0)
				return r;
			result = r ? 0 : -EINTR;
		}
		r = journal_outcome(j, step.intent, result, NULL);
	}
	return r < 0 ? r : 0;
}
