// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hints: which inode had which blocks when all were last looked at.
 *
 *   scan -> [hints] -> scan, the next time
 *
 * In:   runs of blocks, in the order in which inodes are looked at.
 * Out:  inodes to look at first.
 *
 * The file is a row of batches, each sorted by where on the device a run begins. So a list of any
 * length is written with the memory of one batch, and read by a binary search in each.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "owners/hints.h"

#define BATCH 32768u

/* A list longer than this is cut: it is only hints. */
#define MAX_RECORDS (UINT64_C(4) << 20)

/* Runs that several files share overlap; behind this many that end too early we look no further. */
#define MAX_BACK 64u

struct record {
	uint64_t start_bytes;
	uint64_t length_bytes;
	uint64_t inode;
};

struct hints_writer {
	int directory_fd;
	int fd;
	char name[64];
	char name_so_far[72];
	bool is_named; /* name_so_far is there, and ours */
	uint64_t n_written;
	size_t n;
	struct record batch[BATCH];
};

static void set_name(char ret[static 64], dev_t dev)
{
	snprintf(ret, 64, "hints-%u:%u", major(dev), minor(dev));
}

static int open_directory(const char *directory)
{
	_cleanup_(closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return -EPERM;
	return TAKE_FD(fd);
}

/* Without a name until it is finished: a search that is killed leaves nothing behind. */
static int open_new(struct hints_writer *w)
{
	w->fd = openat(w->directory_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (w->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR)
		return -errno;
	unlinkat(w->directory_fd, w->name_so_far, 0);
	w->fd = openat(w->directory_fd, w->name_so_far,
		       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	w->is_named = w->fd >= 0;
	return w->fd < 0 ? -errno : 0;
}

int hints_begin(const char *directory, dev_t dev, struct hints_writer **ret)
{
	_cleanup_(hints_dropp) struct hints_writer *w = malloc(sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->n = w->n_written = 0;
	w->fd = w->directory_fd = -1;
	w->is_named = false;
	set_name(w->name, dev);
	snprintf(w->name_so_far, sizeof(w->name_so_far), "%s.new", w->name);
	w->directory_fd = open_directory(directory);
	if (w->directory_fd < 0)
		return w->directory_fd;
	r = open_new(w);
	if (r < 0)
		return r;
	*ret = TAKE(w);
	return 0;
}

static int compare_records(const void *a, const void *b)
{
	const struct record *l = a, *r = b;

	return (l->start_bytes > r->start_bytes) - (l->start_bytes < r->start_bytes);
}

static int write_batch(struct hints_writer *w)
{
	size_t n_bytes = w->n * sizeof(w->batch[0]);
	const char *at = (const char *)w->batch;

	qsort(w->batch, w->n, sizeof(w->batch[0]), compare_records);
	while (n_bytes) {
		ssize_t n = write(w->fd, at, n_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		n_bytes -= (size_t)n;
	}
	w->n_written += w->n;
	w->n = 0;
	return 0;
}

int hints_add(struct hints_writer *w, uint64_t inode, struct range bytes)
{
	if (w->n_written + w->n == MAX_RECORDS)
		return 0;
	w->batch[w->n++] = (struct record){ bytes.start_bytes, bytes.length_bytes, inode };
	return w->n == BATCH ? write_batch(w) : 0;
}

static bool is_longer_than_old(const struct hints_writer *w)
{
	struct stat st;

	return fstatat(w->directory_fd, w->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	       (uint64_t)st.st_size < w->n_written * sizeof(struct record);
}

/* There is no call that links over a name: a moment with a second one it must be. */
static int take_place(struct hints_writer *w)
{
	char fd_path[32];

	if (!w->is_named) {
		snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", w->fd);
		unlinkat(w->directory_fd, w->name_so_far, 0);
		if (linkat(AT_FDCWD, fd_path, w->directory_fd, w->name_so_far, AT_SYMLINK_FOLLOW) <
		    0)
			return -errno;
		w->is_named = true;
	}
	if (renameat(w->directory_fd, w->name_so_far, w->directory_fd, w->name) < 0)
		return -errno;
	w->is_named = false;
	return 0;
}

int hints_finish(struct hints_writer *w, bool whole)
{
	int r = write_batch(w);

	if (r >= 0 && (whole || is_longer_than_old(w)))
		r = take_place(w);
	if (r >= 0)
		hints_prune(w->directory_fd);
	hints_drop(w);
	return r;
}

struct hints_writer *hints_drop(struct hints_writer *w)
{
	if (!w)
		return NULL;
	if (w->is_named)
		unlinkat(w->directory_fd, w->name_so_far, 0);
	closep(&w->fd);
	closep(&w->directory_fd);
	free(w);
	return NULL;
}

/* ---- reading ---- */

struct inodes {
	uint64_t *all;
	size_t n;
};

static int add_inode(struct inodes *found, uint64_t inode)
{
	if (found->n && found->all[found->n - 1] == inode)
		return 0;
	if (!(found->n & (found->n - 1))) {
		uint64_t *grown = reallocarray(found->all, found->n ? 2 * found->n : 1,
					       sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		found->all = grown;
	}
	found->all[found->n++] = inode;
	return 0;
}

/* From the last run that begins before the range ends, backwards. */
static int find_in_batch(const struct record *batch, size_t n, struct range range,
			 struct inodes *found)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (batch[middle].start_bytes < range_end(range))
			low = middle + 1;
		else
			high = middle;
	}
	for (unsigned n_misses = 0; low-- > 0 && n_misses < MAX_BACK;) {
		struct range had = { batch[low].start_bytes, batch[low].length_bytes };
		int r;

		if (range_end(had) <= range.start_bytes) {
			n_misses++;
			continue;
		}
		r = add_inode(found, batch[low].inode);
		if (r < 0)
			return r;
	}
	return 0;
}

static int find_all(const struct record *records, size_t n, const struct unowned *u,
		    struct inodes *found)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct unowned_range *range = &u->ranges[i];

		if (range->settled_bytes == range->bytes.length_bytes)
			continue;
		for (size_t first = 0; first < n; first += BATCH) {
			size_t n_here = n - first < BATCH ? n - first : BATCH;
			int r = find_in_batch(records + first, n_here, range->bytes, found);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t l = *(const uint64_t *)a, r = *(const uint64_t *)b;

	return (l > r) - (l < r);
}

static void sort_once(struct inodes *found)
{
	size_t n = 0;

	if (found->n)
		qsort(found->all, found->n, sizeof(*found->all), compare_u64);
	for (size_t i = 0; i < found->n; i++)
		if (!n || found->all[n - 1] != found->all[i])
			found->all[n++] = found->all[i];
	found->n = n;
}

static int open_list(const char *directory, dev_t dev)
{
	_cleanup_(closep) int directory_fd = open_directory(directory);
	char name[64];
	int fd;

	if (directory_fd < 0)
		return directory_fd;
	set_name(name, dev);
	fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int hints_find(const char *directory, dev_t dev, const struct unowned *u, uint64_t **ret,
	       size_t *ret_n)
{
	_cleanup_(closep) int fd = open_list(directory, dev);
	struct inodes found = {};
	struct stat st;
	void *records;
	size_t n;
	int r;

	*ret = NULL;
	*ret_n = 0;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	futimens(fd, NULL); /* it is in use, and so not among the first to be removed */
	n = (size_t)st.st_size / sizeof(struct record);
	if (!n || n > MAX_RECORDS)
		return 0;
	records = mmap(NULL, n * sizeof(struct record), PROT_READ, MAP_PRIVATE, fd, 0);
	if (records == MAP_FAILED)
		return -errno;
	r = find_all(records, n, u, &found);
	munmap(records, n * sizeof(struct record));
	if (r < 0) {
		free(found.all);
		return r;
	}
	sort_once(&found);
	*ret = found.all;
	*ret_n = found.n;
	return 0;
}
