// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * record-cut-off: what became of steps that have no outcome, by what is to be seen of them now.
 *
 *   journal, the files and the lists -> [record-cut-off] -> journal
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "owners/handle.h"
#include "repair/record-private.h"
#include "source/nvdimm.h"

/* Its owner's pages, open for reading. 1; 0: the file is gone, and with it what it lost. */
static int open_swapped(int root_fd, const char *filesystem, const struct step *step,
			struct target *ret)
{
	_cleanup_(incident_freep) struct incident *in = NULL;
	struct range bytes = record_file_bytes(step->swap);
	int r;

	r = incident_from_json(step->swap, &in);
	if (r < 0)
		return r;
	if (in->n_owners != 1 || bytes.length_bytes > step->pages.length_bytes)
		return -EBADMSG;
	*ret = (struct target){
		.fd = -1,
		.page_offset_bytes = bytes.start_bytes,
		.length_bytes = (uint32_t)bytes.length_bytes,
		.n_pages = (uint32_t)(step->pages.length_bytes / PAGE_BYTES),
	};

	r = handle_open(root_fd, filesystem, in->owners[0].inode, in->owners[0].generation,
			O_RDONLY | O_CLOEXEC);
	if (r == -ESTALE || r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	ret->fd = r;
	return 1;
}

/* ---- swaps ---- */

static int add_run(struct json_object *list, struct range *run)
{
	struct json_object *o;

	if (!run->length_bytes)
		return 0;
	o = record_pages(*run);
	run->length_bytes = 0;
	if (o && json_object_array_add(list, o) == 0)
		return 0;
	json_object_put(o);
	return -ENOMEM;
}

/* The pages that no longer lie on the bad blocks, those in a row as one. 1: there are such. */
static int list_swapped(const struct target *t, uint64_t phys_start, uint64_t dev_offset_bytes,
			struct json_object *list)
{
	struct range run = { 0 };
	int r;

	for (uint32_t i = 0; i < t->n_pages; i++) {
		uint64_t at = (uint64_t)i * PAGE_BYTES;

		r = target_page_is_on(t, i, dev_offset_bytes + at);
		if (r > 0)
			r = add_run(list, &run);
		else if (r == 0 && !run.length_bytes)
			run = (struct range){ phys_start + at, PAGE_BYTES };
		else if (r == 0)
			run.length_bytes += PAGE_BYTES;
		if (r < 0)
			return r;
	}
	r = add_run(list, &run);
	return r < 0 ? r : json_object_array_length(list) > 0;
}

/* 1 with *ret, the outcome: it was done for some pages, or all; 0: for none; or negative errno. */
static int find_swapped(const struct target *t, uint64_t phys_start, uint64_t dev_offset_bytes,
			struct json_object **ret)
{
	_cleanup_(json_object_putp) struct json_object *outcome = json_object_new_object();
	struct json_object *list = json_object_new_array();
	int r;

	if (!outcome || !list || json_object_object_add(outcome, "swapped", list) < 0) {
		json_object_put(list);
		return -ENOMEM;
	}
	r = list_swapped(t, phys_start, dev_offset_bytes, list);
	if (r > 0)
		*ret = TAKE(outcome);
	return r;
}

struct json_object *record_swapped(const struct target *t, uint64_t phys_start,
				   uint64_t dev_offset_bytes)
{
	struct json_object *outcome = NULL;

	return find_swapped(t, phys_start, dev_offset_bytes, &outcome) > 0 ? outcome : NULL;
}

/* Was it done before we were cut off? As find_swapped(). */
static int swap_was_done(int root_fd, const char *filesystem, const struct step *step,
			 uint64_t dev_offset_bytes, struct json_object **ret_outcome)
{
	struct target t;
	int r;

	r = open_swapped(root_fd, filesystem, step, &t);
	if (r <= 0)
		return r;
	r = find_swapped(&t, step->pages.start_bytes, dev_offset_bytes, ret_outcome);
	target_close(&t);
	return r;
}

/* ---- writes ---- */

/* Does a sector that was lost hold what was to be written there, or was none lost? */
static bool reads_as_written(const struct target *t, const struct salvaged_page *saved)
{
	uint8_t data[PAGE_BYTES];

	if (pread(t->fd, data, t->length_bytes, (off_t)t->page_offset_bytes) !=
	    (ssize_t)t->length_bytes)
		return false;
	for (uint32_t at = 0; at < t->length_bytes; at += SECTOR_BYTES) {
		uint32_t n = t->length_bytes - at < SECTOR_BYTES ? t->length_bytes - at
								 : SECTOR_BYTES;

		if (saved->bad_sectors & 1u << at / SECTOR_BYTES &&
		    !memcmp(data + at, saved->data + at, n))
			return true;
	}
	return !saved->bad_sectors && !memcmp(data, saved->data, t->length_bytes);
}

static int is_clean(const struct repair_job *job, uint64_t phys_start)
{
	int r = nvdimm_is_bad(job->map, (struct range){ phys_start, PAGE_BYTES });

	return r < 0 ? r : !r;
}

/*
 * Was a page written before we were cut off? The lists say, while the machine ran on. A machine
 * that went down in the middle of it can have cleared what it did not write any more: that is lost
 * just as well. 1, 0, or negative errno.
 */
static int write_was_done(const struct repair_job *job, int root_fd, const char *filesystem,
			  uint64_t phys_start, const struct step *step)
{
	const char *boot = record_member(step->detail, "boot_id");
	struct boot_id now = record_this_boot();
	struct salvaged_page saved;
	struct target t;
	int r;

	r = is_clean(job, phys_start);
	if (r <= 0)
		return r;
	r = journal_get_salvage(job->journal, phys_start, &saved);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = open_swapped(root_fd, filesystem, step, &t);
	if (r <= 0)
		return r;
	r = !boot || strcmp(boot, now.text) || reads_as_written(&t, &saved);
	target_close(&t);
	return r;
}

/* ---- any step ---- */

/* 0: it was done, *ret_outcome says how far; -EINTR: it was not; another errno: who knows. */
static int find_outcome(const struct repair_job *job, int root_fd, const char *filesystem,
			const struct step *step, uint64_t phys_start, uint64_t dev_offset_bytes,
			struct json_object **ret_outcome)
{
	uint64_t before_bytes = phys_start - step->pages.start_bytes;
	int r;

	if (!step->swap)
		return -EINTR;
	if (!strcmp(step->name, "zero"))
		r = is_clean(job, phys_start);
	else if (!strcmp(step->name, "write"))
		r = write_was_done(job, root_fd, filesystem, phys_start, step);
	else
		r = swap_was_done(root_fd, filesystem, step, dev_offset_bytes - before_bytes,
				  ret_outcome);
	return r < 0 ? r : r ? 0 : -EINTR;
}

int record_close_cut_off(const struct repair_job *job, int root_fd, const char *filesystem,
			 struct json_object *history, uint64_t phys_start,
			 uint64_t dev_offset_bytes)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < json_object_array_length(history); i++) {
		_cleanup_(json_object_putp) struct json_object *outcome = NULL;
		struct step step;
		int result;

		if (!record_read_step(json_object_array_get_idx(history, i), phys_start, &step) ||
		    step.finished)
			continue;
		result = find_outcome(job, root_fd, filesystem, &step, phys_start, dev_offset_bytes,
				      &outcome);
		if (result < 0 && result != -EINTR)
			return result;
		r = journal_outcome(job->journal, step.intent, result, outcome);
	}
	return r;
}
