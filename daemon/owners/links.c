// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * links: what the open files of processes say about a filesystem.
 *
 *   ask -> [links] -> owners
 *
 * In:   wanted inodes; or the device number of a filesystem that no path leads to.
 * Out:  names; or an fd.
 *
 * A link's text is what the kernel believes the name was, as some process sees it. It is only a
 * hint: it counts when a lookup from our own fd of the mount arrives, without crossing into another
 * mount, at the inode that we look for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <linux/openat2.h>

#include "owners/links.h"
#include "owners/mountinfo.h"
#include "strv.h"

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

/* Every open file on `dev`; of one mount namespace ("mnt:[...]"), or of all with NULL. */
static int for_each_link(int proc_fd, dev_t dev, const char *namespace_link, link_function f,
			 void *userdata)
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
		char link[64];
		ssize_t n;

		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		pid_fd = openat(fd, e->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		n = pid_fd < 0 ? -1 : readlinkat(pid_fd, "ns/mnt", link, sizeof(link) - 1);
		if (n < 0)
			continue;
		link[n] = '\0';
		if (namespace_link && strcmp(link, namespace_link))
			continue;
		r = for_each_fd(pid_fd, dev, f, userdata);
		if (r)
			return r;
	}
	return 0;
}

struct search {
	const struct mount *mount;
	int mount_fd;
	struct wanted *wanted;
	size_t n_missing;
};

/* Does this name below the mount lead to that inode, and stay within the mount? */
static bool leads_to(const struct search *s, const char *below, const struct statx *wanted)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
	};
	_cleanup_(closep) int fd = -1;
	struct stat st;

	fd = (int)syscall(SYS_openat2, s->mount_fd, *below ? below : ".", &how, sizeof(how));
	return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == device_of(wanted) &&
	       st.st_ino == wanted->stx_ino;
}

static int note_link(int fd_dir_fd, const char *number, const struct statx *st, void *userdata)
{
	struct search *s = userdata;
	struct wanted_inode *wanted = wanted_find(s->wanted, st->stx_ino);
	const char *top = strcmp(s->mount->root, "/") ? s->mount->root : "";
	char path[PATH_MAX], fs_path[2 * PATH_MAX];
	const char *below;
	ssize_t n;
	int r;

	if (!wanted || strv_length(wanted->fs_paths) >= wanted->n_names)
		return 0;
	n = readlinkat(fd_dir_fd, number, path, sizeof(path) - 1);
	if (n <= 0 || n == (ssize_t)sizeof(path) - 1 || path[0] != '/')
		return 0;
	path[n] = '\0';
	if (!path_is_below(path, s->mount->mountpoint))
		return 0;
	below = path + strlen(s->mount->mountpoint);
	below += *below == '/';
	if (!leads_to(s, below, st))
		return 0;

	r = snprintf(fs_path, sizeof(fs_path), "%s%s%s", top, *below || !*top ? "/" : "", below);
	if (r >= (int)sizeof(fs_path))
		return 0;
	r = strv_push_once(&wanted->fs_paths, fs_path);
	if (r < 0)
		return r;
	if (strv_length(wanted->fs_paths) == wanted->n_names)
		s->n_missing -= r;
	return s->n_missing == 0;
}

int links_find(int proc_fd, const struct mount *mount, int mount_fd, struct wanted *wanted)
{
	struct search s = { mount, mount_fd, wanted, wanted_n_missing(wanted) };
	char name[32] = "self/ns/mnt", link[64];
	struct stat st;
	ssize_t n;
	int r;

	if (!s.n_missing || fstat(mount_fd, &st) < 0)
		return 0;
	if (mount->via_pid)
		snprintf(name, sizeof(name), "%d/ns/mnt", (int)mount->via_pid);
	n = readlinkat(proc_fd, name, link, sizeof(link) - 1);
	if (n < 0)
		return 0;
	link[n] = '\0';
	r = for_each_link(proc_fd, st.st_dev, link, note_link, &s);
	return r == -ENOMEM ? r : 0;
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

	return for_each_link(proc_fd, dev, NULL, open_link, &fd) == 1 ? fd : -ENOENT;
}
