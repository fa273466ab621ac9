/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mounts: where a block device's filesystem can be reached, in our mount namespace or through a process
 * of another (/proc/PID/root): a container's mount counts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cleanup.h"

struct mount {
	dev_t dev;		/* of the superblock, as in mountinfo */
	char *filesystem;
	char *root;		/* which part of the filesystem is mounted: "/" for all of it */
	char *mountpoint;	/* unescaped, as that namespace sees it */
	pid_t via_pid;		/* 0: ours; else a process in that namespace */
	bool read_only;		/* the mount or the superblock */
	bool covered;		/* another mount hides it: its path does not lead there */
};

struct mounts {
	struct mount *all;
	size_t n;
};

/* proc_fd: an open /proc, stays the caller's. 0 or negative errno. */
int mounts_read(int proc_fd, struct mounts **ret);
struct mounts *mounts_free(struct mounts *m);
DEFINE_CLEANUP(struct mounts *, mounts_free);

/* The best mount of that device to work with: whole root, ours, writable, not covered, in that order of weight.
 * NULL: not mounted anywhere. */
const struct mount *mounts_best(const struct mounts *m, dev_t dev);

/* Open its mountpoint directory (O_PATH no: a real fd that takes ioctls), after checking st_dev. fd or negative. */
int mount_open(int proc_fd, const struct mount *mount);
