// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * links: what the open files of processes say about a filesystem.
 *
 *   ask -> [links] -> owners
 *
 * In:   the device number of a filesystem that no path leads to.
 * Out:  an fd.
 *
 * What its files are called is not asked here: dcache.c knows that of all open files.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "owners/links.h"

/* Return 1 to stop the walk. st is that of the open file, fd_dir_fd its /proc/PID/fd. */
typedef int (*link_function)(int fd_dir_fd, const char *number, const struct statx *st,
			     void *userdata);

static dev_t device_of(const struct statx *st)
{
	return makedev(st->stx_dev_major, st->stx_dev_minor);
}

static int for_each_fd(int pid_fd, dev_t dev, link_function f, void *userdata)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	int fd = openat(pid_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return 0;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		struct statx st;

		/* As the kernel has it: asking the server of a FUSE mount could stop us. */
		if (e->d_name[0] == '.' ||
		    statx(fd, e->d_name, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &st) < 0 ||
		    device_of(&st) != dev)
			continue;
		r = f(fd, e->d_name, &st, userdata);
		if (r)
			return r;
	}
	return 0;
}

/* Every open file on `dev`, whoever has it open. */
static int for_each_link(int proc_fd, dev_t dev, link_function f, void *userdata)
{
	_cleanup_(closedirp) DIR *proc = NULL;
	int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	proc = fdopendir(fd);
	if (!proc) {
		close(fd);
		return -ENOMEM;
	}
	for (struct dirent *e; (e = readdir(proc));) {
		_cleanup_(closep) int pid_fd = -1;

		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		pid_fd = openat(fd, e->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (pid_fd < 0)
			continue;
		r = for_each_fd(pid_fd, dev, f, userdata);
		if (r)
			return r;
	}
	return 0;
}

/* What is neither file nor directory could do things when it is opened. */
static int open_link(int fd_dir_fd, const char *number, const struct statx *st, void *userdata)
{
	struct stat opened;
	int fd, *ret = userdata;

	if (!S_ISREG(st->stx_mode) && !S_ISDIR(st->stx_mode))
		return 0;
	fd = openat(fd_dir_fd, number, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fstat(fd, &opened) < 0 || opened.st_dev != device_of(st)) {
		close(fd);
		return 0;
	}
	*ret = fd;
	return 1;
}

int links_open_any(int proc_fd, dev_t dev)
{
	int fd = -1;

	return for_each_link(proc_fd, dev, open_link, &fd) == 1 ? fd : -ENOENT;
}
