/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mounts: where a block device's filesystem can be reached, in our mount namespace or through a
 * process of another (/proc/PID/root): a container's mount counts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cleanup.h"

struct mount {
	dev_t dev;		/* of the superblock, as in mountinfo */
	dev_t disk;		/* the block device below, where that is another (btrfs); or 0 */
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
	bool any_device;	/* also those without a block device below */
};

/*
 * Every mount that has a block device below it. proc_fd: an open /proc, stays the caller's. 0 or
 * negative errno.
 */
int mounts_read(int proc_fd, struct mounts **ret);

/* The same, and those that live in memory or elsewhere, too. */
int mounts_read_all(int proc_fd, struct mounts **ret);
struct mounts *mounts_free(struct mounts *m);
DEFINE_CLEANUP(struct mounts *, mounts_free);

/*
 * The best mount of that device to work with: not covered, whole root, ours, writable, in that
 * order of weight. NULL: not mounted anywhere.
 */
const struct mount *mounts_best(const struct mounts *m, dev_t dev);

/*
 * Open its mountpoint (not with O_PATH: a real fd that takes ioctls) and check that it is this
 * filesystem. fd; -ESTALE: the path leads elsewhere (covered, or unmounted by now); or another
 * negative errno.
 */
int mount_open(int proc_fd, const struct mount *mount);

/*
 * The best mount of that device that can really be opened. fd, and the mount in *ret; -ENODEV:
 * not mounted anywhere; -ESTALE: mounted, but no path leads there.
 */
int mounts_open(int proc_fd, const struct mounts *m, dev_t dev, const struct mount **ret);

/*
 * The name of fs_path ("/dir/file" from the filesystem's own root) as `mount`'s namespace sees
 * it: below that mount, or below another that shows this part of the filesystem. *ret is the
 * caller's; in *ret_mount the mount that it is below. 0; -ENOENT: this part is mounted nowhere
 * there; -ENOMEM.
 */
int mounts_name(const struct mounts *m, const struct mount *mount, const char *fs_path,
		const struct mount **ret_mount, char **ret);

/*
 * The other way: a path below a mountpoint of that namespace, as mounts_name() gave it, from the
 * filesystem's own root. *ret is the caller's. 0; -ENOENT: no such mount any more; -ENOMEM.
 */
int mounts_fs_path(const struct mounts *m, dev_t dev, pid_t via_pid, const char *mountpoint,
		   const char *path, char **ret);
