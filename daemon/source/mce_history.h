/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mce_history: may a machine check have hit these pages since boot?
 *
 * After one, the kernel drops the whole page from its direct map: reading the block device there
 * gives EIO at best and an oops at worst, and so does CLEAR_ERROR (measured on 6.1 and 6.12).
 * memory_failure() prints a line "Memory failure: 0xPFN: ..." for each page, so the kernel log of
 * this boot tells, as far as it reaches back; where it does not, any page is suspect unless
 * HardwareCorrupted in /proc/meminfo is still 0.
 */
#pragma once

#include <stdint.h>

#include "range.h"

enum mce_verdict {
	MCE_NEVER, /* safe to read and to clear by command */
	MCE_HIT,
	MCE_MAYBE, /* the log no longer reaches back to boot, and some page was hit */
};

/*
 * Open the log for all questions to come, here and in workers: for who will not be allowed to any
 * more. 0 or negative errno, after which each question opens it for itself.
 */
int mce_history_begin(void);
void mce_history_end(void);

/*
 * Any page of this physical range. An enum mce_verdict, or negative errno (then treat as
 * MCE_MAYBE). Only what the log has said since is read when the same process asks again.
 */
int mce_history_of(struct range phys);

/*
 * The same with handed-in sources: fd of a /dev/kmsg-like file (non-blocking) and of a
 * /proc/meminfo-like one. Both stay the caller's.
 */
int mce_history_from(int kmsg_fd, int meminfo_fd, struct range phys);
