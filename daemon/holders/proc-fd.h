/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proc-fd: which files with lost bytes a process has open: /proc/PID/fd. */
#pragma once

#include "holders/proc-scan.h"

/* Add a hit for each open target. task_fd and results as for proc_maps_scan(). */
int proc_fd_scan(struct proc_process *p, int task_fd);
