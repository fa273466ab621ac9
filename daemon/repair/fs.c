// SPDX-License-Identifier: GPL-2.0-or-later
/* fs: see fs.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "locate/block.h"
#include "owners/handle.h"
#include "owners/mounts.h"
#include "range.h"
#include "repair/fs.h"
#include "repair/store.h"
#include "source/mce_history.h"

/* Where on the disk the block device `dev` begins: 0, or the start of a partition. */
static int offset_on_disk(const char *disk, dev_t dev, uint64_t *ret_bytes)
{
	_cleanup_(closep) int sysfs_fd = -1;
	_cleanup_(freep) struct block_slice *slices = NULL;
	int n;

	sysfs_fd = open("/sys/class/block", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sysfs_fd < 0)
		return -errno;
	n = block_slices(sysfs_fd, disk, (struct range){ 0, UINT64_MAX }, &slices);
	for (int i = 0; i < n; i++)
		if (slices[i].dev == dev) {
			*ret_bytes = slices[i].disk_offset_bytes;
			return 0;
		}
	return n < 0 ? n : -ENODEV;
}

static int find_start(const struct address_map *map, const struct incident *in,
		      struct repair_fs *fs)
{
	const struct place *place;
	struct range clipped;
	uint64_t offset = 0;
	int r;

	place = address_map_find(map, in->phys, &clipped);
	if (!place || !place->device.blockdev)
		return -ENODEV;
	r = offset_on_disk(place->device.blockdev, fs->dev, &offset);
	if (r < 0)
		return r;
	fs->phys_of_fs = place->data_start + offset;
	return 0;
}

static int check_block_size(int fd)
{
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return -errno;
	return st.f_bsize == PAGE_BYTES ? 0 : -EOPNOTSUPP;
}

/* Only a part of the filesystem is mounted there: the store belongs into its real root all the
 * same. */
static int climb_to_root(struct repair_fs *fs)
{
	struct inode_facts root;
	int r;

	r = handle_root(fs->root_fd, fs->filesystem, &root);
	if (r < 0)
		return r;
	r = handle_open(fs->root_fd, fs->filesystem, root.inode, root.generation,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r < 0)
		return r;
	close(fs->root_fd);
	fs->root_fd = r;
	return 0;
}

static int open_root(int proc_fd, struct repair_fs *fs)
{
	_cleanup_(mounts_freep) struct mounts *mounts = NULL;
	const struct mount *mount;
	int r;

	r = mounts_read(proc_fd, &mounts);
	if (r < 0)
		return r;
	r = mounts_open(proc_fd, mounts, fs->dev, &mount);
	if (r < 0)
		return r;
	fs->root_fd = r;
	fs->read_only = mount->read_only;
	fs->filesystem = strdup(mount->filesystem);
	if (!fs->filesystem)
		return -ENOMEM;
	return strcmp(mount->root, "/") ? climb_to_root(fs) : 0;
}

int repair_fs_open(int proc_fd, const struct address_map *map, const struct incident *in, dev_t dev,
		   struct repair_fs *ret)
{
	int r;

	*ret = (struct repair_fs){ .root_fd = -1, .store_fd = -1, .bdev_fd = -1, .dev = dev };
	r = open_root(proc_fd, ret);
	if (r < 0)
		return r;
	r = check_block_size(ret->root_fd);
	if (r < 0)
		return r;
	return find_start(map, in, ret);
}

void repair_fs_close(struct repair_fs *fs)
{
	if (fs->bdev_fd >= 0)
		close(fs->bdev_fd);
	if (fs->store_fd >= 0) {
		close(fs->store_fd);
		store_remove_if_empty(fs->root_fd);
	}
	if (fs->root_fd >= 0)
		close(fs->root_fd);
	free(fs->filesystem);
	*fs = (struct repair_fs){ .root_fd = -1, .store_fd = -1, .bdev_fd = -1 };
}

static int open_block_device(dev_t dev)
{
	_cleanup_(freep) char *link = NULL;
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n;
	int fd;

	/* /dev/block/M:m is udev's; sysfs names the device in any case. */
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (asprintf(&link, "/dev/%s", strrchr(target, '/') ? strrchr(target, '/') + 1 : target) <
	    0)
		return -ENOMEM;
	fd = open(link, O_RDONLY | O_DIRECT | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int repair_fs_prepare_remap(struct repair_fs *fs, uint64_t phys_start)
{
	int r;

	if (fs->read_only)
		return -EROFS;
	if (fs->store_fd < 0) {
		r = store_open(fs->root_fd, true);
		if (r < 0)
			return r;
		fs->store_fd = r;
	}

	if (mce_history_of(phys_start) != MCE_NEVER) {
		if (fs->bdev_fd >= 0)
			close(TAKE_FD(fs->bdev_fd));
		return 0;
	}
	if (fs->bdev_fd < 0) {
		r = open_block_device(fs->dev);
		if (r < 0)
			return r;
		fs->bdev_fd = r;
	}
	return 0;
}
