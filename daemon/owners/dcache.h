/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dcache: names that the kernel still has in memory. */
#pragma once

#include <limits.h>

#include "owners/inside.h"
#include "owners/wanted.h"

/*
 * Names of wanted inodes by what the kernel remembers: of directories always, of files that are
 * open or mapped, or were looked up of late, one name each. Each is checked. mount_root: which part
 * of the filesystem fs_fd's mount shows. 0 or -ENOMEM.
 */
int dcache_find(const struct inside *in, const char *mount_root, struct wanted *wanted);

/* What the kernel calls an open file: right for a directory, a hint for others. 0, or -ENOENT. */
int dcache_text_of(int fd, char ret[static PATH_MAX]);

/* Such a text as a name of that inode, if it leads there. 1: it was one; 0: not; -ENOMEM. */
int dcache_take_text(const struct inside *in, const char *mount_root, struct wanted *wanted,
		     struct wanted_inode *inode, const char *text);
