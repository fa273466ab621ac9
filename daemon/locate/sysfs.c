// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sysfs: one attribute of one directory, as a line of text or as a number.
 *
 *   kernel -> [sysfs] -> block, address_map, nvdimm
 *
 * In:   an open directory, so that a test can hand in one of its own.
 * Out:  the text or number, or the errno that the kernel gave.
 *
 * What a device prints is checked before it is used: digits only, no overflow.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "locate/sysfs.h"

static ssize_t read_retry(int fd, char *buffer, size_t n_bytes)
{
	ssize_t n;

	do
		n = read(fd, buffer, n_bytes);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int sysfs_read_line(int dir_fd, const char *name, char *buffer, size_t n_bytes)
{
	_cleanup_(closep) int fd = -1;
	ssize_t n;

	assert(name);
	assert(buffer);
	assert(n_bytes > 1);

	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read_retry(fd, buffer, n_bytes);
	if (n < 0)
		return (int)n;
	if ((size_t)n == n_bytes)
		return -ENOBUFS;

	if (n > 0 && buffer[n - 1] == '\n')
		n--;
	buffer[n] = '\0';
	if (strlen(buffer) != (size_t)n || strchr(buffer, '\n'))
		return -EBADMSG;
	return 0;
}

int sysfs_read_u64(int dir_fd, const char *name, uint64_t *ret)
{
	char line[32], *end;
	unsigned long long n;
	int r;

	assert(ret);

	r = sysfs_read_line(dir_fd, name, line, sizeof(line));
	if (r < 0)
		return r;

	/* strtoull() would take blanks and signs. */
	if (line[0] < '0' || line[0] > '9')
		return -EBADMSG;
	errno = 0;
	n = strtoull(line, &end, line[1] == 'x' ? 16 : 10);
	if (errno)
		return -errno;
	if (*end)
		return -EBADMSG;
	*ret = n;
	return 0;
}

int sysfs_open_dir(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}
