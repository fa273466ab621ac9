/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach: a page that the kernel can't reach any more, since a machine check hit it while no process
 * had it mapped.
 *
 *   a write of it gave EFAULT and emptied the lists -> [reach] -> it is on a list again, and the
 *   next write reaches it
 *
 * The kernel takes a page that was hit from its direct map, and the driver puts it back when the
 * page is cleared, if it is marked as poisoned. Only a page that a process has touched through DAX
 * is marked (measured on 6.1 and 6.12). So we touch it, have it marked by hard_offline_page, and
 * list it as bad, since without that no write clears it.
 */
#pragma once

#include "range.h"
#include "repair/repair.h"

struct reach {
	const struct repair_job *job;
	int fd; /* of the one file that has the page, with DAX; nobody else has it mapped */
	uint64_t file_offset_bytes;
	struct range page; /* physical */
	struct range incident; /* that it is a page of */
};

/*
 * Is this file loaded and stored to through DAX? Where it is not, a store that can't reach its page
 * is an oops and no error. 1, 0, or negative errno.
 */
int reach_has_dax(int fd);

/*
 * Is the page like that, if a write of it gave EFAULT? That it did is for the caller to know, and
 * what the lists say of it is his to look at: they have to be empty.
 */
bool reach_is_needed(const struct reach *page);

/*
 * Each step is on record before it is taken. 0: write it again; negative errno: -EOPNOTSUPP this
 * kernel can't, -ESTALE the file has another page there; or as of journal_intent().
 */
int reach_page(const struct reach *page);
