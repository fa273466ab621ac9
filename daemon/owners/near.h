/* SPDX-License-Identifier: GPL-2.0-or-later */
/* near: names in the directories that lie near an inode, which are most often those that have it.
 */
#pragma once

#include "owners/inside.h"
#include "owners/wanted.h"

/*
 * Names of wanted inodes by reading a few directories for each. What it finds is checked, what it
 * doesn't find means nothing. mount_root: which part of the filesystem in->fs_fd's mount shows. 0;
 * -EOPNOTSUPP: not with this filesystem; -ENOMEM.
 */
int near_find(const struct inside *in, const char *mount_root, struct wanted *wanted);
