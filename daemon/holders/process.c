// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * process: who a pid is.
 *
 *   /proc/PID/{stat,status,exe,cgroup} -> [process] -> holders, respond
 *
 * In:   a pid.
 * Out:  what an administrator calls it: command, program, user, unit, container.
 *
 * A pid is only good together with its start time: that pair is never used twice before a reboot.
 * The command's name is the process's own choice, ')' and newlines included; it ends at the last
 * ')'.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "holders/process.h"

#define PF_KTHREAD 0x00200000u

enum stat_field { /* as proc(5) counts them */
	STAT_STATE = 3,
	STAT_FLAGS = 9,
	STAT_START_TICKS = 22,
};

/* Text of one small file, cut at the buffer's end. Length or negative errno. */
static ssize_t read_text(int proc_fd, pid_t pid, const char *name, char *ret, size_t n_bytes)
{
	_cleanup_(closep) int fd = -1;
	char path[64];
	size_t length = 0;

	snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	while (length < n_bytes - 1) {
		ssize_t n = read(fd, ret + length, n_bytes - 1 - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		length += (size_t)n;
	}
	ret[length] = '\0';
	return (ssize_t)length;
}

/* A number behind the command's name. 0 or -ESRCH. */
static int stat_number(const char *stat, enum stat_field field, uint64_t *ret)
{
	const char *p = strrchr(stat, ')');

	for (int i = STAT_STATE - 1; p && i < (int)field; i++) {
		p = strchr(p, ' ');
		p += p != NULL;
	}
	if (!p || *p < '0' || *p > '9')
		return -ESRCH;
	*ret = strtoull(p, NULL, 10);
	return 0;
}

static int read_stat_number(int proc_fd, pid_t pid, enum stat_field field, uint64_t *ret)
{
	char text[1024];
	ssize_t n = read_text(proc_fd, pid, "stat", text, sizeof(text));

	return n < 0 ? -ESRCH : stat_number(text, field, ret);
}

int process_start_ticks(int proc_fd, pid_t pid, uint64_t *ret_ticks)
{
	return read_stat_number(proc_fd, pid, STAT_START_TICKS, ret_ticks);
}

int process_is_kernel_thread(int proc_fd, pid_t pid)
{
	uint64_t flags;
	int r;

	r = read_stat_number(proc_fd, pid, STAT_FLAGS, &flags);
	return r < 0 ? r : !!(flags & PF_KTHREAD);
}

bool process_same_program(int proc_fd, pid_t a, pid_t b)
{
	struct stat first, second;
	char path[32];

	snprintf(path, sizeof(path), "%d/exe", (int)a);
	if (fstatat(proc_fd, path, &first, 0) < 0)
		return false;
	snprintf(path, sizeof(path), "%d/exe", (int)b);
	if (fstatat(proc_fd, path, &second, 0) < 0)
		return false;
	return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static int take_stat(int proc_fd, pid_t pid, struct holder *h)
{
	char text[1024], *open, *close;
	ssize_t n = read_text(proc_fd, pid, "stat", text, sizeof(text));

	if (n < 0 || stat_number(text, STAT_START_TICKS, &h->start_ticks) < 0)
		return -ESRCH;
	open = strchr(text, '(');
	close = strrchr(text, ')');
	if (!open || close < open)
		return -ESRCH;
	*close = '\0';
	return string_set(&h->comm, open + 1);
}

/* "Uid:\treal\teffective\tsaved\tfilesystem" */
static int take_uid(int proc_fd, pid_t pid, struct holder *h)
{
	unsigned real, effective;
	char text[4096], *line;
	ssize_t n = read_text(proc_fd, pid, "status", text, sizeof(text));

	if (n < 0)
		return -ESRCH;
	line = strstr(text, "\nUid:");
	if (!line || sscanf(line, "\nUid: %u %u", &real, &effective) != 2)
		return -ESRCH;
	h->uid = effective;
	return 0;
}

static int take_exe(int proc_fd, pid_t pid, struct holder *h)
{
	char path[32], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "%d/exe", (int)pid);
	n = readlinkat(proc_fd, path, target, sizeof(target) - 1);
	if (n < 0)
		return 0;
	target[n] = '\0';
	return string_set(&h->exe, target);
}

static int take_cgroup(int proc_fd, pid_t pid, struct holder *h)
{
	int r = cgroup_of_process(proc_fd, pid, &h->cgroup);

	return r <= 0 ? r : cgroup_parse(h->cgroup, &h->unit, &h->container);
}

int process_describe(int proc_fd, pid_t pid, struct holder *ret)
{
	struct holder h = { .pid = pid };
	uint64_t ticks;
	int r;

	r = take_stat(proc_fd, pid, &h);
	if (r >= 0)
		r = take_uid(proc_fd, pid, &h);
	if (r >= 0)
		r = take_exe(proc_fd, pid, &h);
	if (r >= 0)
		r = take_cgroup(proc_fd, pid, &h);
	/* The pid may have become another's on the way. */
	if (r >= 0 && (process_start_ticks(proc_fd, pid, &ticks) < 0 || ticks != h.start_ticks))
		r = -ESRCH;
	if (r < 0) {
		holder_done(&h);
		return r;
	}
	ret->pid = pid;
	ret->start_ticks = h.start_ticks;
	ret->comm = h.comm;
	ret->exe = h.exe;
	ret->uid = h.uid;
	ret->unit = h.unit;
	ret->cgroup = h.cgroup;
	ret->container = h.container;
	return 0;
}
