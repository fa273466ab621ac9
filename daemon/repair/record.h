/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record: what a repair of files puts in the journal, and what it reads there after it was cut off.
 *
 * A page's steps are "remap" (around all of it), "pause", "swap" (one for each owner) and "clear";
 * or "rewrite", "pause" and "write"; or "clear-zero", "pause" and "zero". A swap, a write and a
 * zero carry the owner and the bytes it loses, so that the losses are known even if the process
 * that did it died right after.
 *
 * A step can be about several pages in a row. Who reads it back asks of one page, and is told of
 * that page's part alone; a swap that was done for some of its pages only says which.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <json-c/json.h>

#include "incident.h"
#include "repair/journal.h"
#include "repair/remap.h"
#include "repair/target.h"

/* Details and outcomes, new references; NULL: out of memory. */
struct json_object *record_pages(struct range pages);
struct json_object *record_swap(const struct target *t, const struct salvaged_page *page);
struct json_object *record_write(const struct target *t, const struct salvaged_page *page);
struct json_object *record_result(const struct page_result *result);

/*
 * The outcome of a swap: which of its pages, the first at phys_start, no longer lie on the blocks
 * from dev_offset on. NULL: none, or nobody can say.
 */
struct json_object *record_swapped(const struct target *t, uint64_t phys_start,
				   uint64_t dev_offset_bytes);

/* Does this owner lie in a filesystem's store: is it a spare or quarantine of ours? */
bool record_is_in_store(const struct owner *owner);

/*
 * Is it a file of this filesystem that has any of these pages, and so one that a repair mends? Its
 * bytes may be many pages, of which these are any.
 */
bool record_is_target(const struct owner *owner, dev_t dev, struct range pages);

/* Is any step in this history about any of these pages? */
bool record_has_steps(struct json_object *history, struct range pages);

/*
 * Pages that were remapped together, and this one with them: the next such in the page's history
 * from *at on, which is set behind it.
 */
bool record_find_pages(struct json_object *history, uint64_t phys_start, size_t *at,
		       struct range *ret);

/*
 * Close the page's steps that have no outcome. A swap was done if the owner's page no longer lies
 * on the bad block; a write if the page is no longer bad and something of what was written is
 * there; a zero if the page is no longer bad. root_fd -1: no filesystem. 0 or negative errno.
 */
int record_close_cut_off(const struct repair_job *job, int root_fd, const char *filesystem,
			 struct json_object *history, uint64_t phys_start,
			 uint64_t dev_offset_bytes);

/*
 * Add up the swaps of the page's last repair, be it ended, cut off or under way: losses are
 * appended to in->repair, bytes of media are counted once, in *result. Number of swaps, or negative
 * errno.
 */
int record_losses(struct repair_journal *j, uint64_t phys_start, struct incident *in,
		  struct page_result *result);

/* Did a write of the page fail since it was last repaired? 1, 0, negative errno. */
int record_write_failed(struct repair_journal *j, uint64_t phys_start);
