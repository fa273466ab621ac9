// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel_threads: which entries of /proc are threads of the kernel.
 *
 *   /proc -> [kernel_threads] -> owners
 *
 * In:   a pid.
 * Out:  whether it has memory of its own.
 *
 * kthreadd's list of children would be one read for all, but programs that the kernel starts are
 * its children, too, and can have mounts and files.
 */
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "holders/process.h"
#include "kernel_threads.h"

#define KTHREADD 2

pid_t kernel_threads_father(int proc_fd)
{
	return process_is_kernel_thread(proc_fd, KTHREADD) > 0 ? KTHREADD : 0;
}

bool kernel_threads_has(pid_t father, pid_t pid)
{
	return father && syscall(SYS_kcmp, father, pid, KCMP_VM, 0, 0) == 0;
}
