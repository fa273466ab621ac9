/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proc-fd: which files with lost bytes a process has open: /proc/PID/fd. */
#pragma once

#include "holders/targets.h"

/* Add a hit for each open target. pid_fd: an open /proc/PID. Results as proc_maps_scan(). */
int proc_fd_scan(int pid_fd, const struct targets *targets, struct hits *hits);
