/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kpageflags: does the kernel call a page of plain memory poisoned, now? */
#pragma once

#include <stdint.h>

/*
 * proc_fd: an open /proc, stays the caller's. page_bytes: of a huge page, whose first small page
 * may stand for all; or PAGE_BYTES. 1: poisoned; 0: not, or there is no such page (any more);
 * negative errno: not known.
 */
int page_is_poisoned(int proc_fd, uint64_t phys_start, uint64_t page_bytes);
