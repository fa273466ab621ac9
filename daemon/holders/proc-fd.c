// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * proc-fd: which files with lost bytes a process has open.
 *
 *   /proc/PID/fd -> [proc-fd] -> proc-scan
 *
 * In:   what targets look like and a process.
 * Out:  a hit for each file, and whether it could be written through that descriptor.
 *
 * Attributes are taken as the kernel has them (AT_STATX_DONT_SYNC): a file on a network or
 * FUSE filesystem whose server is dead would stop us otherwise.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "holders/proc-fd.h"

/* "flags:\t0100002", octal as open(2) counts. What can't be read might be writable. */
static bool is_writable(int task_fd, const char *number)
{
	char path[64], text[512];
	_cleanup_(closep) int fd = -1;
	const char *flags;
	ssize_t n;

	snprintf(path, sizeof(path), "fdinfo/%.32s", number);
	fd = openat(task_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return true;
	text[n] = '\0';
	flags = strstr(text, "flags:");
	if (!flags)
		return true;
	return (strtoul(flags + strlen("flags:"), NULL, 8) & O_ACCMODE) != O_RDONLY;
}

static struct file_key key_of(const struct statx *st)
{
	if (S_ISBLK(st->stx_mode) || S_ISCHR(st->stx_mode))
		return (struct file_key){ makedev(st->stx_rdev_major, st->stx_rdev_minor), 0,
					  st->stx_mode & S_IFMT };
	return (struct file_key){ makedev(st->stx_dev_major, st->stx_dev_minor), st->stx_ino, 0 };
}

static int look_at_fd(struct proc_process *p, int task_fd, int fd_dir_fd, const char *number)
{
	const struct identity *id;
	struct statx st;
	bool writable;
	size_t n;
	int r;

	if (statx(fd_dir_fd, number, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &st) < 0)
		return 0;
	id = identities_find(p->ids, key_of(&st), true, &n);
	if (!id)
		return 0;
	writable = is_writable(task_fd, number);
	for (size_t i = 0; i < n; i++) {
		r = hits_add(&p->hits, (struct hit){
					       .pid = p->pid,
					       .target = id[i].target,
					       .writable = writable,
				       });
		if (r < 0)
			return r;
	}
	return 0;
}

int proc_fd_scan(struct proc_process *p, int task_fd)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	int fd = openat(task_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		if (e->d_name[0] == '.')
			continue;
		r = look_at_fd(p, task_fd, fd, e->d_name);
		if (r < 0)
			return r;
	}
	return 0;
}
