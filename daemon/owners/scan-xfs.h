/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan-xfs: where things lie in an XFS. */
#pragma once

#include <xfs/xfs.h>

#include "owners/scan.h"

struct xfs_place {
	struct xfs_fsop_geom geometry;
	unsigned block_bits; /* of a block's number within its group */
	unsigned inode_bits; /* of an inode's number within its block */
	uint64_t group;
	uint64_t block; /* in the group */
};

/* Of a block, by its number in the filesystem, which says its group. */
uint64_t xfs_block_to_bytes(const struct xfs_place *place, uint64_t fsblock);

/* The block that an inode is in, and in *ret_bytes where it begins. 0 or negative errno. */
int xfs_place_of_inode(int fs_fd, uint64_t inode, struct xfs_place *ret, uint64_t *ret_bytes);

/*
 * Find the blocks of a symbolic link. 1: these are all that it has; 0: they can't be known; or
 * -ENOMEM.
 */
int scan_xfs_symlink(struct scan *s, const struct xfs_bulkstat *b);
