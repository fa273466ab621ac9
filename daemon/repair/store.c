// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * store: see store.h.
 *
 * The directory is made by mkdirat and then checked through its own fd: somebody may have made one
 * of that name before us, and everything that follows trusts what lies in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "repair/store.h"

struct store_name store_quarantine_name(uint64_t incident, struct range pages)
{
	struct store_name name;
	char more[24] = "";

	if (pages.length_bytes > PAGE_BYTES)
		snprintf(more, sizeof(more), "+%" PRIu64, pages.length_bytes / PAGE_BYTES);
	snprintf(name.text, sizeof(name.text), "%" PRIu64 "-0x%" PRIx64 "%s.quarantine", incident,
		 pages.start_bytes, more);
	return name;
}

struct store_name store_spare_name(uint64_t incident, uint64_t phys_start, unsigned n)
{
	struct store_name name;

	snprintf(name.text, sizeof(name.text), "%" PRIu64 "-0x%" PRIx64 ".spare-%u", incident,
		 phys_start, n);
	return name;
}

int store_open(int root_fd, bool create)
{
	_cleanup_(closep) int fd = -1;
	struct stat root, st;

	if (create && mkdirat(root_fd, STORE_DIRECTORY, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(root_fd, STORE_DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? -EPERM : -errno;
	if (fstat(root_fd, &root) < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != 0 || (st.st_mode & 077) || st.st_dev != root.st_dev)
		return -EPERM;
	return TAKE_FD(fd);
}

int store_create_file(int store_fd, const char *name)
{
	int fd = openat(store_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

int store_open_file(int store_fd, const char *name)
{
	int fd = openat(store_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int store_remove_file(int store_fd, const char *name)
{
	_cleanup_(closep) int fd = store_open_file(store_fd, name);

	/* XFS frees the blocks of an unlinked inode in the background, those of an emptied file at
	 * once. */
	if (fd >= 0 && ftruncate(fd, 0) < 0)
		return -errno;
	if (unlinkat(store_fd, name, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return fsync(store_fd) < 0 ? -errno : 0;
}

/* 1: some block of it is left. */
static int has_blocks(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -errno : st.st_blocks > 0;
}

int store_remove_page(int store_fd, const char *name, uint64_t offset_bytes)
{
	_cleanup_(closep) int fd = store_open_file(store_fd, name);
	int r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset_bytes,
		      PAGE_BYTES) < 0 ||
	    fsync(fd) < 0)
		return -errno;
	r = has_blocks(fd);
	return r == 0 ? store_remove_file(store_fd, name) : r < 0 ? r : 0;
}

void store_remove_spares(int store_fd, uint64_t incident, uint64_t phys_start)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	char prefix[64];
	struct dirent *entry;
	int fd;

	snprintf(prefix, sizeof(prefix), "%" PRIu64 "-0x%" PRIx64 ".spare-", incident, phys_start);
	fd = openat(store_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (!strncmp(entry->d_name, prefix, strlen(prefix)))
			store_remove_file(store_fd, entry->d_name);
}

void store_remove_if_empty(int root_fd)
{
	unlinkat(root_fd, STORE_DIRECTORY, AT_REMOVEDIR);
}
