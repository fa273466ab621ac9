/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fs: the filesystem on which a page's owners lie, open for a repair. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "locate/address_map.h"
#include "range.h"

struct repair_fs {
	int root_fd; /* its root directory, through a writable mount where there is one */
	int store_fd; /* see store.h; -1: there is none, and none may be made */
	int bdev_fd; /* O_RDONLY|O_DIRECT; -1: may not be read */
	char *filesystem;
	dev_t dev;
	uint64_t phys_of_fs; /* physical address of byte 0 of its block device, as it follows from
			      * the pages that were found last; modulo 2^64 */
	bool read_only;
	int error; /* why it can't be worked on; 0: it can */
};

/*
 * Open the filesystem `dev`. 0; -ENODEV: not mounted any more; -EOPNOTSUPP: its blocks are not
 * pages; or another negative errno. *ret is valid (and closed by repair_fs_close()) in any case.
 */
int repair_fs_open(int proc_fd, dev_t dev, struct repair_fs *ret);

/*
 * Where on its block device do these pages lie? Asked each time: a volume is put together from
 * pieces. Sets phys_of_fs. 0; -ENODEV: nowhere; -EXDEV: in two places, or across two blocks; or
 * another negative errno.
 */
int repair_fs_find(struct repair_fs *fs, const struct address_map *map, struct range phys);
void repair_fs_close(struct repair_fs *fs);

/* Of the store, where it was opened, nothing stays behind that is not needed. */
void repair_fs_leave_store(struct repair_fs *fs);

/* Do its files share extents? 1, 0, or negative errno. */
int repair_fs_can_share(const struct repair_fs *fs);

/* 0: it can be written to; -EBUSY: whoever writes waits, it is frozen; or negative errno. */
int repair_fs_check_thawed(const struct repair_fs *fs);

/* Its block device for writing, past the page cache; an fd or negative errno. */
int repair_fs_open_device(const struct repair_fs *fs);

/* Open the block device for salvage, unless a machine check may have hit one of the pages. 0 or
 * negative errno. */
int repair_fs_prepare_salvage(struct repair_fs *fs, struct range phys);

/* Open what only a remap needs: the store, and the block device for salvage unless a machine check
 * may have hit one of the pages. 0 or negative errno. */
int repair_fs_prepare_remap(struct repair_fs *fs, struct range phys);
