// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * around_poison: read a filesystem's block device, but no page of it that is bad.
 *
 *   itable -> [around_poison] -> /dev
 *
 * In:   a device number, and what is known to be bad on it.
 * Out:  blocks.
 *
 * After a machine check, reading even a good sector of a page can end in an oops, so a page with a
 * bad byte is never asked for. Reads go through the page cache of the device, which is where a
 * mounted ext4 has its own metadata: what is read is what the kernel sees, also before it is on the
 * media. The kernel must not read ahead, which could take it into a bad page.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "owners/around_poison.h"

static int open_sysfs(dev_t dev)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -ENODEV : fd;
}

/* "../../devices/.../pmem0p1" -> /dev/pmem0p1; sysfs has '!' where the name has '/'. */
static int open_device(dev_t dev)
{
	char link[64], target[PATH_MAX], path[PATH_MAX];
	_cleanup_(closep) int fd = -1;
	struct stat st;
	char *name;
	ssize_t n;

	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	n = readlink(link, target, sizeof(target) - 1);
	if (n <= 0)
		return -ENODEV;
	target[n] = '\0';
	name = strrchr(target, '/');
	if (!name || snprintf(path, sizeof(path), "/dev%s", name) >= (int)sizeof(path))
		return -ENODEV;
	for (char *c = path; *c; c++)
		if (*c == '!')
			*c = '/';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != dev)
		return -ENODEV;
	return TAKE_FD(fd);
}

/* Where a partition begins on its disk, in bytes; 0 for a disk. */
static uint64_t partition_start(int sysfs_fd)
{
	int fd = openat(sysfs_fd, "start", O_RDONLY | O_CLOEXEC);
	_cleanup_(fclosep) FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	unsigned long long sector = 0;

	if (fd >= 0 && !f)
		close(fd);
	if (!f || fscanf(f, "%llu", &sector) != 1)
		return 0;
	return sector * SECTOR_BYTES;
}

static int add_badblocks(int sysfs_fd, struct badblocks *bad)
{
	_cleanup_(badblocks_freep) struct badblocks *disk = NULL;
	uint64_t start = partition_start(sysfs_fd);
	bool is_partition = faccessat(sysfs_fd, "partition", F_OK, 0) == 0;
	_cleanup_(closep) int disk_fd = openat(sysfs_fd, is_partition ? ".." : ".",
					       O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (disk_fd < 0)
		return -errno;
	r = badblocks_read(disk_fd, &disk);
	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; r >= 0 && i < disk->n_ranges; i++) {
		struct range range = disk->ranges[i];

		if (range_end(range) <= start)
			continue;
		range = range_clip(range, (struct range){ start, UINT64_MAX - start });
		range.start_bytes -= start;
		r = badblocks_add(bad, range_align_out(range, PAGE_BYTES));
	}
	return r < 0 ? r : 0;
}

int around_poison_open(dev_t dev, struct around_poison *ret)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	_cleanup_(closep) int sysfs_fd = open_sysfs(dev), fd = -1;
	int r;

	if (sysfs_fd < 0)
		return sysfs_fd;
	r = badblocks_new(&bad);
	if (r < 0)
		return r;
	r = add_badblocks(sysfs_fd, bad);
	if (r < 0)
		return r;
	fd = open_device(dev);
	if (fd < 0)
		return fd;
	r = posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	if (r)
		return -r;
	*ret = (struct around_poison){ .fd = TAKE_FD(fd), .bad = TAKE(bad) };
	return 0;
}

void around_poison_ready(struct around_poison *a)
{
	badblocks_normalize(a->bad);
}

void around_poison_close(struct around_poison *a)
{
	closep(&a->fd);
	badblocks_free(a->bad);
	*a = (struct around_poison){ .fd = -1 };
}

int around_poison_read(const struct around_poison *a, uint64_t offset_bytes, void *ret,
		       size_t n_bytes)
{
	struct range bytes = { offset_bytes, n_bytes };
	char *to = ret;

	if (badblocks_overlap(a->bad, range_align_out(bytes, PAGE_BYTES)))
		return -EIO;
	while (n_bytes) {
		ssize_t n = pread(a->fd, to, n_bytes, (off_t)offset_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		to += n;
		offset_bytes += (size_t)n;
		n_bytes -= (size_t)n;
	}
	return 0;
}

/* ---- as an I/O manager ---- */

void around_poison_name(const struct around_poison *a, char ret[static AROUND_POISON_NAME_BYTES])
{
	snprintf(ret, AROUND_POISON_NAME_BYTES, "%p", (const void *)a);
}

static errcode_t io_open(const char *name, int flags, io_channel *ret)
{
	io_channel channel = calloc(1, sizeof(*channel));
	void *a;

	if (!channel || sscanf(name, "%p", &a) != 1) {
		free(channel);
		return ENOMEM;
	}
	channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	channel->manager = &around_poison_io;
	channel->name = strdup(name);
	channel->block_size = 1024;
	channel->refcount = 1;
	channel->private_data = a;
	*ret = channel;
	return 0;
}

static errcode_t io_close(io_channel channel)
{
	if (--channel->refcount > 0)
		return 0;
	free(channel->name);
	free(channel);
	return 0;
}

static errcode_t io_set_block_size(io_channel channel, int block_bytes)
{
	channel->block_size = block_bytes;
	return 0;
}

/* A negative count is one of bytes. */
static errcode_t io_read64(io_channel channel, unsigned long long block, int count, void *data)
{
	size_t n_bytes = count < 0 ? (size_t)-count : (size_t)count * (size_t)channel->block_size;
	int r;

	r = around_poison_read(channel->private_data, block * (unsigned)channel->block_size, data,
			       n_bytes);
	return r < 0 ? EXT2_ET_SHORT_READ : 0;
}

static errcode_t io_read(io_channel channel, unsigned long block, int count, void *data)
{
	return io_read64(channel, block, count, data);
}

static errcode_t io_no_write64(io_channel channel, unsigned long long block, int count,
			       const void *data)
{
	return EXT2_ET_RO_FILSYS;
}

static errcode_t io_no_write(io_channel channel, unsigned long block, int count, const void *data)
{
	return EXT2_ET_RO_FILSYS;
}

static errcode_t io_flush(io_channel channel)
{
	return 0;
}

struct struct_io_manager around_poison_io = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "around poison",
	.open = io_open,
	.close = io_close,
	.set_blksize = io_set_block_size,
	.read_blk = io_read,
	.write_blk = io_no_write,
	.flush = io_flush,
	.read_blk64 = io_read64,
	.write_blk64 = io_no_write64,
};
