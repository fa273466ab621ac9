/* SPDX-License-Identifier: GPL-2.0-or-later */
/* links: what the open files of processes say about a filesystem: /proc/PID/fd. */
#pragma once

#include "owners/mounts.h"
#include "owners/paths.h"

/*
 * Names of wanted inodes by the links of processes that have them open, in the mount namespace of
 * `mount`, whose open mountpoint mount_fd is. Each is checked. Cheaper than a pass over the
 * directories, and never sure to find all. 0 or -ENOMEM.
 */
int links_find(int proc_fd, const struct mount *mount, int mount_fd, struct wanted *wanted);

/*
 * Any file or directory of that filesystem that a process has open, opened again: the way in
 * where no path leads there (covered, or unmounted lazily). fd or -ENOENT.
 */
int links_open_any(int proc_fd, dev_t dev);
