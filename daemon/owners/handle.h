/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handle: look at and open a file by inode number, without a path. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct inode_facts {
	uint64_t inode;
	uint32_t generation;
	mode_t mode;
	uint64_t n_links;	/* 0: unlinked, and alive only while somebody has it open */
};

/*
 * What the filesystem says about a live inode: XFS by XFS_IOC_BULKSTAT, ext4 by a handle. 0;
 * -ENOENT: no such inode (any more), or one that the filesystem keeps for itself; -EOPNOTSUPP:
 * another filesystem.
 */
int handle_inode(int fs_fd, const char *filesystem, uint64_t inode, struct inode_facts *ret);

/* The root directory of the whole filesystem, whatever part of it is mounted. Results as above. */
int handle_root(int fs_fd, const char *filesystem, struct inode_facts *ret);

/* The generation of a live XFS inode by XFS_IOC_BULKSTAT. 0; -ENOENT: no such inode (any more). */
int handle_generation(int fs_fd, uint64_t inode, uint32_t *ret_generation);

/*
 * Open inode on the filesystem of fs_fd (open_by_handle_at(2), needs CAP_DAC_READ_SEARCH) with
 * open(2) flags. The result is checked by fstat: same device, same inode. An fd; -ESTALE: another
 * inode or none by now; -EOPNOTSUPP: a filesystem whose handles we do not know.
 */
int handle_open(int fs_fd, const char *filesystem, uint64_t inode, uint32_t generation, int flags);
