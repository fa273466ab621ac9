/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tell_fs: let a filesystem know of a bad page that nobody repairs. */
#pragma once

#include <stdint.h>

#include "repair/fs.h"

/*
 * By XFS_IOC_VERIFY_MEDIA (Linux 7.0), for which the kernel reads the page: not where a machine
 * check may have hit it. fs->phys_of_fs is that of the page. 1: it was told; 0: this kernel or
 * filesystem has no ear for it; or negative errno.
 */
int tell_fs_of_page(const struct repair_fs *fs, uint64_t phys_start);
