/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pagemap: which lost pages of memory a process has in its page tables: /proc/PID/pagemap. */
#pragma once

#include <stdint.h>

struct proc_process; /* of proc-scan.h, which has a struct target that is not repair/target.h's */

/* Of an entry, by the kernel's Documentation/admin-guide/mm/pagemap.rst. */
#define PAGEMAP_PRESENT	   (1ull << 63)
#define PAGEMAP_SWAPPED	   (1ull << 62)
#define PAGEMAP_FRAME_MASK ((1ull << 55) - 1) /* while it is present; else its place in swap */

/*
 * The page frame that an entry of a pagemap is about: 1; 0: about none that could be lost. For
 * tests.
 */
int pagemap_frame(uint64_t entry, uint64_t *ret_pfn);

/*
 * Add a hit for each lost page that p has. pid_fd: an open /proc/PID, stays the caller's. 0; -ESRCH:
 * it is gone; -EACCES: not for us to see; or another negative errno.
 */
int pagemap_scan(struct proc_process *p, int pid_fd);
