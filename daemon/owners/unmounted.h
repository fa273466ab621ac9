/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unmounted: bytes that no mounted filesystem keeps: of a block device, or of a dax device. */
#pragma once

#include <stdbool.h>

#include "incident.h"
#include "locate/block.h"

/*
 * Add the owner of a disk or partition from which nothing is mounted: raw, and not complete where
 * something else uses the device. 1: it is in use by what cannot be seen here, nothing was added;
 * 0; or negative errno.
 */
int unmounted_ask(int sysfs_block_fd, const struct block_slice *slice, struct range phys,
		  struct incident *in);

/*
 * Add the owner of bytes of a devdax namespace, with their offset in its character device. 0 or
 * -ENOMEM.
 */
int devdax_ask(struct incident *in);

/*
 * Does the disk have partitions? Then the bytes outside of them are its partition table, or
 * nobody's.
 */
bool disk_has_partitions(int sysfs_block_fd, const char *disk);
