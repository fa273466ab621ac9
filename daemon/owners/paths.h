/* SPDX-License-Identifier: GPL-2.0-or-later */
/* paths: from inode numbers to names, by one pass over the directories of a filesystem. */
#pragma once

#include "owners/inside.h"
#include "owners/wanted.h"

/*
 * One pass over all directories, whatever part of the filesystem is mounted and whatever is mounted
 * on top of it. Stops when every name of every wanted inode is found. Reads directories only. 0;
 * -EIO when some directory could not be read (the pass went on without it); or another negative
 * errno.
 */
int paths_scan(const struct inside *in, struct wanted *wanted);
