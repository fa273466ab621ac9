/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kpageflags: which pages of plain memory does the kernel call poisoned, now? */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * proc_fd: an open /proc, stays the caller's. page_bytes: of a huge page, whose first small page
 * may stand for all; or PAGE_BYTES. 1: poisoned; 0: not, or there is no such page (any more);
 * negative errno: not known.
 */
int page_is_poisoned(int proc_fd, uint64_t phys_start, uint64_t page_bytes);

/*
 * Call `each` for every one of them, all memory long: for a worker. Returns what `each` returned
 * when that is not 0, 0 at the end, or negative errno.
 */
int poisoned_pages_find(int proc_fd, int (*each)(uint64_t phys_start, void *userdata),
			void *userdata);

/* Does the kernel count any page as lost, of whatever memory? True where that can't be read. */
bool any_page_is_poisoned(int proc_fd);
