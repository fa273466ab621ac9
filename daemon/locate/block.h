/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block: a disk and the partitions on it, from sysfs: where a range of the disk shows up as a
 * device number, and where a partition lies on its disk.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "range.h"

struct block_slice {
	dev_t dev;
	char name[64]; /* "pmem0" or "pmem0p1" */
	struct range bytes; /* the range, clipped, from the start of this block device */
	uint64_t disk_offset_bytes; /* of this device on the disk: 0 for the disk itself */
};

/*
 * Every block device through which bytes [disk_bytes) of `disk` can be reached: the disk itself and
 * the partitions that meet it. sysfs_block_fd: an open /sys/class/block (or a copy, in tests),
 * stays the caller's. *ret is the caller's to free(). Number of slices, -ENODEV: no such disk, or
 * another negative errno.
 */
int block_slices(int sysfs_block_fd, const char *disk, struct range disk_bytes,
		 struct block_slice **ret);

/*
 * Which disk, and which bytes of it, is `name`? For a disk: itself, whole. ret_disk holds 64 bytes.
 * 0, -ENODEV: no such block device, or another negative errno.
 */
int block_disk_of(int sysfs_block_fd, const char *name, char *ret_disk, struct range *ret_bytes);

/* Its device number. 0, -ENODEV: no such block device, or another negative errno. */
int block_dev_of(int sysfs_block_fd, const char *name, dev_t *ret);

/* Is there any partition on this disk? */
bool block_has_partitions(int sysfs_block_fd, const char *disk);
