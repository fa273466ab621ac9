// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * block: a disk and the partitions on it.
 *
 *   address_map -> [block] -> owners
 *
 * In:   a range of a disk, or a block device's name.
 * Out:  the device numbers through which a filesystem may lie on that range, or
 *       the disk behind a name.
 *
 * A filesystem reports offsets from the start of *its* device: a partition's, not
 * the disk's. sysfs counts in sectors of 512 bytes, whatever the device's own are.
 *
 * What else lies on top of a disk or partition is stack.c.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "locate/block.h"
#include "locate/sysfs.h"

/* Far more than any disk has; a directory is not to be trusted to end. */
#define MAX_SLICES 1024

struct slices {
	struct block_slice *at;
	size_t n;
};

/* A name goes into paths: nothing that leaves its directory. */
static bool is_name(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/') &&
	       strlen(name) < sizeof(((struct block_slice *)NULL)->name);
}

static int no_such_device(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ENXIO ? -ENODEV : r;
}

static int read_sectors(int dir_fd, const char *name, uint64_t *ret_bytes)
{
	uint64_t n_sectors;
	int r;

	r = sysfs_read_u64(dir_fd, name, &n_sectors);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(n_sectors, SECTOR_BYTES, ret_bytes))
		return -ERANGE;
	return 0;
}

/* Where this block device lies on its disk; a disk has no `start`. */
static int read_extent(int dir_fd, struct range *ret)
{
	struct range extent = { 0 };
	uint64_t end;
	int r;

	r = read_sectors(dir_fd, "size", &extent.length_bytes);
	if (r < 0)
		return r;
	if (faccessat(dir_fd, "partition", F_OK, 0) == 0) {
		r = read_sectors(dir_fd, "start", &extent.start_bytes);
		if (r < 0)
			return r;
	}
	if (__builtin_add_overflow(extent.start_bytes, extent.length_bytes, &end))
		return -ERANGE;
	*ret = extent;
	return 0;
}

static int read_dev(int dir_fd, dev_t *ret)
{
	unsigned device_major, device_minor;
	char line[32], excess;
	int r;

	r = sysfs_read_line(dir_fd, "dev", line, sizeof(line));
	if (r < 0)
		return r;
	if (sscanf(line, "%u:%u%c", &device_major, &device_minor, &excess) != 2)
		return -EBADMSG;
	*ret = makedev(device_major, device_minor);
	return 0;
}

static int add_slice(struct slices *slices, int dir_fd, const char *name, struct range disk_bytes)
{
	struct block_slice *grown, slice = { 0 };
	struct range extent, part;
	int r;

	r = read_extent(dir_fd, &extent);
	if (r < 0)
		return r;
	part = range_clip(disk_bytes, extent);
	if (!part.length_bytes)
		return 0;
	r = read_dev(dir_fd, &slice.dev);
	if (r < 0)
		return r;

	if (slices->n == MAX_SLICES)
		return -E2BIG;
	grown = reallocarray(slices->at, slices->n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	slices->at = grown;

	strcpy(slice.name, name);
	slice.bytes = (struct range){ part.start_bytes - extent.start_bytes, part.length_bytes };
	slice.disk_offset_bytes = extent.start_bytes;
	slices->at[slices->n++] = slice;
	return 0;
}

static int add_partition(struct slices *slices, int disk_fd, const char *name,
			 struct range disk_bytes)
{
	_cleanup_(closep) int dir_fd = -1;
	int r;

	dir_fd = sysfs_open_dir(disk_fd, name);
	if (dir_fd < 0)
		return dir_fd;
	if (faccessat(dir_fd, "partition", F_OK, 0) < 0)
		return 0; /* "queue", "holders", ... */
	r = add_slice(slices, dir_fd, name, disk_bytes);

	/* Deleted since we listed it: then it reaches nothing. */
	return no_such_device(r) == -ENODEV ? 0 : r;
}

static int add_partitions(struct slices *slices, int disk_fd, struct range disk_bytes)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	_cleanup_(closep) int fd = -1;
	struct dirent *entry;
	int r;

	fd = sysfs_open_dir(disk_fd, ".");
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	TAKE_FD(fd);

	while ((errno = 0, entry = readdir(dir))) {
		if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
			continue;
		if (!is_name(entry->d_name))
			continue;
		r = add_partition(slices, disk_fd, entry->d_name, disk_bytes);
		if (r == -ENOENT || r == -ENOTDIR)
			continue;
		if (r < 0)
			return r;
	}
	return -errno;
}

int block_slices(int sysfs_block_fd, const char *disk, struct range disk_bytes,
		 struct block_slice **ret)
{
	_cleanup_(freep) struct block_slice *found = NULL;
	_cleanup_(closep) int disk_fd = -1;
	struct slices slices = { 0 };
	int r;

	assert(sysfs_block_fd >= 0);
	assert(disk);
	assert(ret);

	if (!range_valid(disk_bytes))
		return -EINVAL;
	if (!is_name(disk))
		return -ENODEV;
	disk_fd = sysfs_open_dir(sysfs_block_fd, disk);
	if (disk_fd < 0)
		return no_such_device(disk_fd);

	r = add_slice(&slices, disk_fd, disk, disk_bytes);
	if (r >= 0)
		r = add_partitions(&slices, disk_fd, disk_bytes);
	found = slices.at;
	if (r < 0)
		return no_such_device(r);

	*ret = TAKE(found);
	return (int)slices.n;
}

/* /sys/class/block/pmem0p1 links to .../block/pmem0/pmem0p1: the disk is the directory above. */
static int parent_name(int sysfs_block_fd, const char *name, char *ret_disk)
{
	char target[PATH_MAX], *slash;
	ssize_t n;

	n = readlinkat(sysfs_block_fd, name, target, sizeof(target));
	if (n < 0)
		return -errno;
	if ((size_t)n == sizeof(target))
		return -ENAMETOOLONG;
	target[n] = '\0';

	slash = strrchr(target, '/');
	if (!slash)
		return -EBADMSG;
	*slash = '\0';
	slash = strrchr(target, '/');
	slash = slash ? slash + 1 : target;
	if (!is_name(slash))
		return -EBADMSG;
	strcpy(ret_disk, slash);
	return 0;
}

int block_disk_of(int sysfs_block_fd, const char *name, char *ret_disk, struct range *ret_bytes)
{
	_cleanup_(closep) int dir_fd = -1;
	int r;

	assert(sysfs_block_fd >= 0);
	assert(name);
	assert(ret_disk);
	assert(ret_bytes);

	if (!is_name(name))
		return -ENODEV;
	dir_fd = sysfs_open_dir(sysfs_block_fd, name);
	if (dir_fd < 0)
		return no_such_device(dir_fd);
	r = read_extent(dir_fd, ret_bytes);
	if (r < 0)
		return no_such_device(r);

	if (faccessat(dir_fd, "partition", F_OK, 0) == 0)
		return no_such_device(parent_name(sysfs_block_fd, name, ret_disk));
	strcpy(ret_disk, name);
	return 0;
}

int block_dev_of(int sysfs_block_fd, const char *name, dev_t *ret)
{
	_cleanup_(closep) int dir_fd = -1;

	assert(sysfs_block_fd >= 0);
	assert(name);
	assert(ret);

	if (!is_name(name))
		return -ENODEV;
	dir_fd = sysfs_open_dir(sysfs_block_fd, name);
	if (dir_fd < 0)
		return no_such_device(dir_fd);
	return no_such_device(read_dev(dir_fd, ret));
}

bool block_has_partitions(int sysfs_block_fd, const char *disk)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	struct dirent *entry;
	int fd = is_name(disk) ? sysfs_open_dir(sysfs_block_fd, disk) : -ENODEV;

	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return false;
	}
	while ((entry = readdir(dir))) {
		char path[300];

		snprintf(path, sizeof(path), "%s/partition", entry->d_name);
		if (entry->d_name[0] != '.' && faccessat(dirfd(dir), path, F_OK, 0) == 0)
			return true;
	}
	return false;
}
