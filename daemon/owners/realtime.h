/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * realtime: an XFS can have data of files on a second device. Which files, and which device.
 *
 * Blocks there have the same numbers as others on the filesystem's own device. So wherever bytes of
 * a filesystem are compared, those of its realtime device are called by their place there plus
 * REALTIME_START, where no device of its own can end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define REALTIME_START (UINT64_C(1) << 63)

static inline bool is_realtime_byte(uint64_t byte)
{
	return byte >= REALTIME_START;
}

/* Are the data of this open file of an XFS there? 1, 0, or negative errno: it does not say. */
int realtime_has_file(int fd);

/*
 * Which device is the realtime device of the XFS that fs_fd is on? No call tells, so each block
 * device of the machine is tried. 0; -ENODEV: none of them; or another negative errno.
 */
int realtime_find_device(int fs_fd, dev_t *ret);
