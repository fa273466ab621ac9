/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handle: open a file by inode number, without a path. */
#pragma once

#include <stdint.h>

/* The generation of a live XFS inode by XFS_IOC_BULKSTAT. 0; -ENOENT: no such inode (any more). */
int handle_generation(int fs_fd, uint64_t inode, uint32_t *ret_generation);

/*
 * Open inode on the filesystem of fs_fd (open_by_handle_at(2), needs CAP_DAC_READ_SEARCH) with open(2) flags.
 * The result is checked by fstat: same device, same inode. An fd; -ESTALE: another inode or none by now.
 */
int handle_open(int fs_fd, const char *filesystem, uint64_t inode, uint32_t generation, int flags);
