// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * crashpoint: kill hwpoisond at one chosen call of a repair (LD_PRELOAD).
 *
 * Counts, in the worker that repairs, the calls that change anything on disk. At number CRASH_AT
 * the daemon is killed by SIGKILL, and with CRASH_WHOM=both the worker too, as a service manager
 * that kills the whole control group does; with CRASH_WHOM=worker that one alone. With
 * CRASH_WHOM=machine the machine is reset instead, at once and with nothing written out.
 * CRASH_WHEN=before the call, or after it. CRASH_LOG gets a line for each call, so that a run without
 * CRASH_AT tells how many points there are.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static unsigned n_calls;

static bool in_repair(void)
{
	char name[16] = "";

	return prctl(PR_GET_NAME, name) == 0 && !strcmp(name, "hwp-repair");
}

static void log_call(const char *call)
{
	const char *path = getenv("CRASH_LOG");
	char line[64];
	int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (fd < 0)
		return;
	snprintf(line, sizeof(line), "%u %s\n", n_calls, call);
	if (write(fd, line, strlen(line)) < 0)
		_exit(99);
	close(fd);
}

static void reset_machine(void)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "b", 1) < 0)
		_exit(99);
	for (;;)
		pause();
}

static void crash(void)
{
	const char *whom = getenv("CRASH_WHOM");

	if (whom && !strcmp(whom, "machine"))
		reset_machine();
	if (!whom || strcmp(whom, "worker"))
		kill(getppid(), SIGKILL);
	if (whom && (!strcmp(whom, "both") || !strcmp(whom, "worker")))
		kill(getpid(), SIGKILL);
}

/* True: this is the call, and it is to crash after it. */
static bool point(const char *call)
{
	const char *at = getenv("CRASH_AT"), *when = getenv("CRASH_WHEN");

	if (!in_repair())
		return false;
	n_calls++;
	log_call(call);
	if (!at || n_calls != (unsigned)atoi(at))
		return false;
	if (when && !strcmp(when, "after"))
		return true;
	crash();
	return false;
}

#define AT_POINT(name, call)                                                                       \
	({                                                                                         \
		bool after_ = point(name);                                                         \
		long r_ = (call);                                                                  \
		if (after_)                                                                        \
			crash();                                                                   \
		r_;                                                                                \
	})

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (request != FICLONERANGE)
		return syscall(SYS_ioctl, fd, request, arg);
	return AT_POINT("clone", syscall(SYS_ioctl, fd, request, arg));
}

ssize_t pwrite(int fd, const void *data, size_t n_bytes, off_t offset)
{
	return AT_POINT("pwrite", syscall(SYS_pwrite64, fd, data, n_bytes, offset));
}

int ftruncate(int fd, off_t length)
{
	return AT_POINT("truncate", syscall(SYS_ftruncate, fd, length));
}

int unlinkat(int dir_fd, const char *path, int flags)
{
	return AT_POINT("unlink", syscall(SYS_unlinkat, dir_fd, path, flags));
}

int fsync(int fd)
{
	return AT_POINT("fsync", syscall(SYS_fsync, fd));
}
