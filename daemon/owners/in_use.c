// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * in_use: which inodes of a filesystem processes have open or mapped.
 *
 *   /proc -> [in_use] -> scan
 *
 * In:   device numbers of filesystems.
 * Out:  inode numbers: where to look first, since somebody suffers there now.
 *
 * Only hints: whoever opens or closes a file meanwhile is missed or superfluous, and both are
 * harmless. Which process it was is not kept; holders asks that again, for the files that matter.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "kernel_threads.h"
#include "owners/in_use.h"

static int compare_u64(const void *a, const void *b)
{
	uint64_t l = *(const uint64_t *)a, r = *(const uint64_t *)b;

	return (l > r) - (l < r);
}

static void sort_once(struct in_use *u)
{
	size_t n = 0;

	if (u->n)
		qsort(u->inodes, u->n, sizeof(*u->inodes), compare_u64);
	for (size_t i = 0; i < u->n; i++)
		if (!n || u->inodes[n - 1] != u->inodes[i])
			u->inodes[n++] = u->inodes[i];
	u->n = n;
}

/* Many processes have the same few files: when there is no more room, doubles make some. */
static int add(struct in_use *u, uint64_t inode)
{
	if (u->n == IN_USE_MAX)
		sort_once(u);
	if (u->n > IN_USE_MAX / 2 && u->full)
		return 0;
	u->full = u->n == IN_USE_MAX - 1;
	if (!(u->n & (u->n - 1))) {
		uint64_t *grown = reallocarray(u->inodes, u->n ? 2 * u->n : 1, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		u->inodes = grown;
	}
	u->inodes[u->n++] = inode;
	return 0;
}

static struct in_use *find_dev(struct in_use *filesystems, size_t n, dev_t dev)
{
	for (size_t i = 0; i < n; i++)
		if (filesystems[i].dev == dev)
			return &filesystems[i];
	return NULL;
}

static DIR *open_dir_at(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !dir)
		close(fd);
	return dir;
}

static int see_open_files(int pid_fd, struct in_use *filesystems, size_t n)
{
	_cleanup_(closedirp) DIR *dir = open_dir_at(pid_fd, "fd");

	for (struct dirent *e; dir && (e = readdir(dir));) {
		struct statx st;
		struct in_use *u;
		int r;

		/* As the kernel has it: asking the server of a FUSE mount could stop us. */
		if (e->d_name[0] == '.' ||
		    statx(dirfd(dir), e->d_name, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &st) <
			    0 ||
		    (!S_ISREG(st.stx_mode) && !S_ISDIR(st.stx_mode)))
			continue;
		u = find_dev(filesystems, n, makedev(st.stx_dev_major, st.stx_dev_minor));
		r = u ? add(u, st.stx_ino) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* "start-end perms offset major:minor inode path" */
static int see_mappings(int pid_fd, struct in_use *filesystems, size_t n)
{
	int fd = openat(pid_fd, "maps", O_RDONLY | O_CLOEXEC);
	_cleanup_(fclosep) FILE *maps = fd < 0 ? NULL : fdopen(fd, "re");
	_cleanup_(freep) char *line = NULL;
	size_t capacity = 0;

	if (fd >= 0 && !maps)
		close(fd);
	while (maps && getline(&line, &capacity, maps) > 0) {
		unsigned major, minor;
		uint64_t inode;
		struct in_use *u;
		int r;

		if (sscanf(line, "%*s %*s %*s %x:%x %" SCNu64, &major, &minor, &inode) != 3 ||
		    !inode)
			continue;
		u = find_dev(filesystems, n, makedev(major, minor));
		r = u ? add(u, inode) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static int see_process(int proc_fd, const char *pid, struct in_use *filesystems, size_t n)
{
	_cleanup_(closep) int pid_fd = openat(proc_fd, pid, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (pid_fd < 0)
		return 0; /* it has ended */
	r = see_open_files(pid_fd, filesystems, n);
	return r < 0 ? r : see_mappings(pid_fd, filesystems, n);
}

int in_use_find(int proc_fd, struct in_use *filesystems, size_t n)
{
	_cleanup_(closedirp) DIR *proc = open_dir_at(proc_fd, ".");
	pid_t father = kernel_threads_father(proc_fd);
	int r;

	if (!proc)
		return -errno;
	for (struct dirent *e; (e = readdir(proc));) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' ||
		    kernel_threads_has(father, atoi(e->d_name)))
			continue;
		r = see_process(dirfd(proc), e->d_name, filesystems, n);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n; i++)
		sort_once(&filesystems[i]);
	return 0;
}
