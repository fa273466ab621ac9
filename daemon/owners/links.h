/* SPDX-License-Identifier: GPL-2.0-or-later */
/* links: what processes have open on a filesystem: /proc/PID/fd. */
#pragma once

#include <sys/types.h>

/*
 * Any file or directory of that filesystem that a process has open, opened again: the way in
 * where no path leads there (covered, or unmounted lazily). fd or -ENOENT.
 */
int links_open_any(int proc_fd, dev_t dev);
