/* SPDX-License-Identifier: GPL-2.0-or-later */
/* around_poison: read a filesystem's block device, but no page of it that is bad. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <ext2fs/ext2fs.h>

#include "source/badblocks.h"

struct around_poison {
	int fd; /* the block device, read-only, through the page cache */
	struct badblocks *bad; /* bytes of it, in whole pages */
};

/*
 * Open the block device `dev`, and learn from its badblocks list, or that of the disk it is a
 * partition of, what must not be read. Add what else is known to ->bad and call
 * around_poison_ready(). 0; -ENODEV: there is no such device node; or another negative errno.
 */
int around_poison_open(dev_t dev, struct around_poison *ret);
void around_poison_ready(struct around_poison *a);
void around_poison_close(struct around_poison *a);

/* All of it or nothing. 0; -EIO: some of it is bad, and was not touched; or another errno. */
int around_poison_read(const struct around_poison *a, uint64_t offset_bytes, void *ret,
		       size_t n_bytes);

/*
 * The same as an I/O manager of libext2fs, which only reads. Give ext2fs_open2() the name that
 * around_poison_name() makes of it; `a` must outlive the filesystem.
 */
extern struct struct_io_manager around_poison_io;
#define AROUND_POISON_NAME_BYTES 32
void around_poison_name(const struct around_poison *a, char ret[static AROUND_POISON_NAME_BYTES]);
