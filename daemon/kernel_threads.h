/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_threads: which entries of /proc are threads of the kernel.
 *
 * A machine of two processors can have a thousand, most of them workers that a busy filesystem left
 * behind, and following a link below /proc/PID costs ten times what telling them costs.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* One to compare others with, the father of all; or 0: this /proc shows none, as in a container. */
pid_t kernel_threads_father(int proc_fd);

/*
 * Has it as little memory of its own as `father`? Then it is a thread of the kernel, or one of a
 * program that ended. False also where that cannot be told. father: 0 is none.
 */
bool kernel_threads_has(pid_t father, pid_t pid);
