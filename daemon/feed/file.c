// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * file: events appended to a file, for log shippers.
 *
 *   feed -> line -> [file]
 *
 * In:   lines.
 * Out:  a file in which every line is whole.
 *
 * A write that stops in the middle, as on a full disk, is taken back. What can't be taken back (or
 * was left by a power cut) is ended with a newline before the next line, so that it spoils no
 * other. Nothing that is in the file is ever deleted: the administrator may have named the wrong
 * one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "feed/sinks.h"

struct feed_file {
	char *path;
	int fd; /* -1: not open */
	bool torn; /* its last line has no end */
	struct gap gap;
};

/* O_NONBLOCK: only regular files are taken, and opening anything else must not wait. */
static int open_log(const char *path, int *ret_fd, bool *ret_torn)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;
	char last = '\n';

	fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) < 0)
		return -errno;

	*ret_torn = last != '\n';
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int feed_file_reopen(struct feed_file *file)
{
	bool torn = false;
	int fd = -1, r;

	r = open_log(file->path, &fd, &torn);
	if (r < 0)
		return r;
	closep(&file->fd);
	file->fd = fd;
	file->torn = torn;
	return 0;
}

int feed_file_new(const char *path, struct feed_file **ret)
{
	_cleanup_(feed_file_freep) struct feed_file *file = calloc(1, sizeof(*file));

	if (!file)
		return -ENOMEM;
	file->fd = -1;
	file->path = strdup(path);
	if (!file->path)
		return -ENOMEM;
	feed_file_reopen(file);
	*ret = TAKE(file);
	return 0;
}

struct feed_file *feed_file_free(struct feed_file *file)
{
	if (!file)
		return NULL;
	closep(&file->fd);
	free(file->path);
	free(file);
	return NULL;
}

/* Cut off the n bytes that we wrote last, unless somebody else wrote behind them. */
static int take_back(int fd, off_t n)
{
	off_t end = lseek(fd, 0, SEEK_CUR); /* O_APPEND left it behind what was written */
	struct stat st;

	if (end < n || fstat(fd, &st) < 0 || st.st_size != end)
		return -EIO;
	return ftruncate(fd, end - n) < 0 ? -errno : 0;
}

/* All of it, or nothing and a negative errno. */
static int write_whole(struct feed_file *file, const struct line *line)
{
	struct iovec parts[] = {
		{ .iov_base = (char *)"\n", .iov_len = file->torn ? 1 : 0 },
		{ .iov_base = line->text, .iov_len = line->length_bytes },
	};
	ssize_t n;

	n = writev(file->fd, parts, 2);
	if (n < 0)
		return -errno;
	if ((size_t)n == parts[0].iov_len + parts[1].iov_len) {
		file->torn = false;
		return 0;
	}

	if (take_back(file->fd, n) < 0)
		file->torn = true;
	return -ENOSPC;
}

static int tell_gap(struct feed_file *file)
{
	_cleanup_(line_unrefp) struct line *line = NULL;
	int r;

	if (!file->gap.n_dropped)
		return 0;
	r = gap_line(&file->gap, &line);
	if (r < 0)
		return r;
	r = write_whole(file, line);
	if (r < 0)
		return r;
	file->gap.n_dropped = 0;
	return 0;
}

int feed_file_send(struct feed_file *file, struct line *line)
{
	int r = 0;

	if (file->fd < 0)
		r = feed_file_reopen(file);
	if (r == 0)
		r = tell_gap(file);
	if (r == 0)
		r = write_whole(file, line);
	if (r < 0)
		gap_add(&file->gap, line);
	return r;
}

uint64_t feed_file_n_dropped(const struct feed_file *file)
{
	return file->gap.n_dropped_ever;
}
