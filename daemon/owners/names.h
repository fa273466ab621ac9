/* SPDX-License-Identifier: GPL-2.0-or-later */
/* names: what the wanted inodes are called, found in the cheapest way that finds all. */
#pragma once

#include "owners/inside.h"
#include "owners/wanted.h"

/*
 * Find every name of every wanted inode: by parent pointers, by what the kernel remembers, by a
 * pass over the directories, as far as each is needed. mount_root: which part of the filesystem
 * in->fs_fd's mount shows. 0; -EIO: some directory could not be read; or another negative errno.
 */
int names_find(const struct inside *in, const char *mount_root, struct wanted *wanted);
