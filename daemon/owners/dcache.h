/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dcache: names that the kernel still has in memory. */
#pragma once

#include "owners/inside.h"
#include "owners/wanted.h"

/*
 * Names of wanted inodes by what the kernel remembers: of directories always, of files that are
 * open or mapped, or were looked up of late, one name each. Each is checked. mount_root: which part
 * of the filesystem fs_fd's mount shows. 0 or -ENOMEM.
 */
int dcache_find(const struct inside *in, const char *mount_root, struct wanted *wanted);
