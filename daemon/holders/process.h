/* SPDX-License-Identifier: GPL-2.0-or-later */
/* process: who a pid is: start time, names, user, unit, cgroup, container. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "incident.h"

/*
 * Fill pid, start_ticks, comm, exe, uid (effective), unit, cgroup, container. 0; -ESRCH: gone,
 * nothing is filled in; -ENOMEM. What can't be read stays NULL.
 */
int process_describe(int proc_fd, pid_t pid, struct holder *ret);

/* Field 22 of /proc/PID/stat. 0; -ESRCH. */
int process_start_ticks(int proc_fd, pid_t pid, uint64_t *ret_ticks);

/* A thread of the kernel has no mm and is never a holder we act upon. 1, 0, -ESRCH. */
int process_is_kernel_thread(int proc_fd, pid_t pid);

/* Do two processes run the same program file? false where that can't be seen. */
bool process_same_program(int proc_fd, pid_t a, pid_t b);
