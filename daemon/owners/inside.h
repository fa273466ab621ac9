/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inside: within one filesystem, from its own root, whatever part of it is mounted and whatever is
 * mounted on top.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct inside {
	int fs_fd;		/* any of its files or directories; the caller's */
	char filesystem[16];	/* "xfs" or "ext4" */
	dev_t dev;		/* st_dev */
	int root_fd;		/* its root directory, opened to read */
	uint64_t root_inode;
};

/* 0; -EOPNOTSUPP: a filesystem whose handles we do not know; or another negative errno. */
int inside_open(int fs_fd, const char *filesystem, struct inside *ret);
void inside_done(struct inside *in);	/* one that is all zeros is left alone */

/*
 * Open a name (or a path without a slash in front) below a directory of it, never through a symlink
 * or into another mount. fd; -EXDEV: something is mounted there; or another negative errno.
 */
int inside_open_at(int dir_fd, const char *name, int flags);

/* The same for a directory to read, without touching its access time where we may. */
int inside_open_directory(int dir_fd, const char *name);

/* A live inode of it, by number. fd or negative errno. */
int inside_open_inode(const struct inside *in, uint64_t inode, int flags);

/*
 * Does the path, from the filesystem's own root, lead to that inode? 1; 0: to another, or nowhere;
 * negative: that can't be seen, -EXDEV since another mount hides the place, -ENAMETOOLONG since no
 * path that long can be looked up.
 */
int inside_leads_to(const struct inside *in, const char *fs_path, uint64_t inode);
