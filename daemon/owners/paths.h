/* SPDX-License-Identifier: GPL-2.0-or-later */
/* paths: from inode numbers to names, by one pass over the directories of a filesystem. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct wanted_inode {
	uint64_t inode;
	uint64_t n_names;	/* how many there must be: its links, 1 for a directory */
	char **fs_paths;	/* found so far: "/dir/file" from the filesystem's own root */
};

/* All that one question wants to know about one filesystem. Sorted by inode, each once. */
struct wanted {
	struct wanted_inode *all;
	size_t n;
};

/* Add an inode, or find it. NULL: out of memory. Valid until the next one is added. */
struct wanted_inode *wanted_add(struct wanted *w, uint64_t inode);
struct wanted_inode *wanted_find(const struct wanted *w, uint64_t inode);
void wanted_done(struct wanted *w);

/* How many inodes have fewer names than they must have. */
size_t wanted_n_missing(const struct wanted *w);

/*
 * One pass over all directories of the filesystem of fs_fd, whatever part of it is mounted there
 * and whatever is mounted on top of it. Stops when every name of every wanted inode is found.
 * Reads directories only. 0; -EIO when some directory could not be read (the pass went on without
 * it); or another negative errno.
 */
int paths_scan(int fs_fd, const char *filesystem, struct wanted *wanted);
