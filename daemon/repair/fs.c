// SPDX-License-Identifier: GPL-2.0-or-later
/* fs: see fs.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <xfs/xfs.h>

#include "locate/stack.h"
#include "owners/handle.h"
#include "owners/mounts.h"
#include "range.h"
#include "repair/fs.h"
#include "repair/store.h"
#include "source/mce_history.h"

/* Frozen for a snapshot is frozen for longer; and a busy machine needs its time to start a process.
 */
#define THAWED_TIMEOUT_MSEC 10000

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

int repair_fs_open(int proc_fd, dev_t dev, struct repair_fs *ret)
{
	int r;

	*ret = (struct repair_fs){ .root_fd = -1, .store_fd = -1, .bdev_fd = -1, .dev = dev };
	r = open_root(proc_fd, ret);
	if (r < 0)
		return r;
	return check_block_size(ret->root_fd);
}

/* Byte x of the disk is byte x + shift of device `dev`, in all of `bytes` and nowhere else. */
static int find_piece(const char *disk, struct range bytes, dev_t dev, uint64_t *ret_shift)
{
	_cleanup_(stack_pieces_done) struct stack_pieces pieces = {};
	_cleanup_(stack_freep) struct stack *stack = NULL;
	_cleanup_(closep) int block_fd = -1;
	bool found = false;
	int r;

	block_fd = open("/sys/class/block", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (block_fd < 0)
		return -errno;
	r = stack_new(block_fd, &stack);
	if (r >= 0)
		r = stack_reach(stack, disk, bytes, &pieces);
	for (size_t i = 0; r >= 0 && i < pieces.n; i++) {
		const struct stack_piece *piece = &pieces.all[i];

		if (piece->dev != dev)
			continue;
		if (found || piece->bytes.length_bytes != bytes.length_bytes)
			return -EXDEV;
		found = true;
		*ret_shift = piece->bytes.start_bytes - piece->at_bytes;
	}
	return r < 0 ? r : found ? 0 : -ENODEV;
}

/* The last part of a device's path in sysfs: "pmem0". The caller's to free. */
static int device_name(dev_t dev, char **ret)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	*ret = strdup(strrchr(target, '/') ? strrchr(target, '/') + 1 : target);
	return *ret ? 0 : -ENOMEM;
}

/* Of a filesystem on the disk itself nothing else need be asked: its bytes are the disk's. */
static int find_shift(const char *disk, struct range bytes, dev_t dev, uint64_t *ret_shift)
{
	_cleanup_(freep) char *name = NULL;
	int r = device_name(dev, &name);

	if (r == -ENOMEM)
		return r;
	*ret_shift = 0;
	return r == 0 && !strcmp(name, disk) ? 0 : find_piece(disk, bytes, dev, ret_shift);
}

int repair_fs_find(struct repair_fs *fs, const struct address_map *map, struct range phys)
{
	struct range on_disk = phys, clipped;
	const struct place *place = address_map_find(map, phys, &clipped);
	uint64_t shift;
	int r;

	if (!place || !place->device.blockdev || !place->data_start)
		return -ENODEV;
	if (clipped.length_bytes != phys.length_bytes)
		return -EXDEV;
	on_disk.start_bytes -= place->data_start;
	r = find_shift(place->device.blockdev, on_disk, fs->dev, &shift);
	if (r < 0)
		return r;
	fs->phys_of_fs = place->data_start - shift;
	return (phys.start_bytes - fs->phys_of_fs) % PAGE_BYTES ? -EXDEV : 0;
}

void repair_fs_leave_store(struct repair_fs *fs)
{
	if (fs->store_fd < 0)
		return;
	close(TAKE_FD(fs->store_fd));
	store_remove_if_empty(fs->root_fd);
}

void repair_fs_close(struct repair_fs *fs)
{
	if (fs->bdev_fd >= 0)
		close(fs->bdev_fd);
	repair_fs_leave_store(fs);
	if (fs->root_fd >= 0)
		close(fs->root_fd);
	free(fs->filesystem);
	*fs = (struct repair_fs){ .root_fd = -1, .store_fd = -1, .bdev_fd = -1 };
}

static int open_block_device(dev_t dev, int flags)
{
	_cleanup_(freep) char *name = NULL, *link = NULL;
	int fd, r;

	/* /dev/block/M:m is udev's; sysfs names the device in any case. */
	r = device_name(dev, &name);
	if (r < 0)
		return r;
	if (asprintf(&link, "/dev/%s", name) < 0) {
		link = NULL;
		return -ENOMEM;
	}
	fd = open(link, flags);
	return fd < 0 ? -errno : fd;
}

int repair_fs_prepare_salvage(struct repair_fs *fs, struct range phys)
{
	int r;

	if (fs->read_only)
		return -EROFS;
	if (mce_history_of(phys) != MCE_NEVER) {
		if (fs->bdev_fd >= 0)
			close(TAKE_FD(fs->bdev_fd));
		return 0;
	}
	if (fs->bdev_fd < 0) {
		r = open_block_device(fs->dev, O_RDONLY | O_DIRECT | O_CLOEXEC);
		if (r < 0)
			return r;
		fs->bdev_fd = r;
	}
	return 0;
}

int repair_fs_prepare_remap(struct repair_fs *fs, struct range phys)
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
	return repair_fs_prepare_salvage(fs, phys);
}

int repair_fs_open_device(const struct repair_fs *fs)
{
	return open_block_device(fs->dev, O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC);
}

int repair_fs_can_share(const struct repair_fs *fs)
{
	struct xfs_fsop_geom geometry;

	if (strcmp(fs->filesystem, "xfs"))
		return 0;
	if (ioctl(fs->root_fd, XFS_IOC_FSGEOMETRY, &geometry) < 0)
		return -errno;
	return !!(geometry.flags & XFS_FSOP_GEOM_FLAGS_REFLINK);
}

/*
 * Wants to write, and changes nothing: there is no such attribute. Of the worker's descriptors, one
 * has the lock of all repairs, which must not be kept for as long as we may have to wait.
 */
static _Noreturn void want_to_write(int fd)
{
	if (dup2(fd, 3) < 0 || close_range(4, ~0U, 0) < 0)
		_exit(1);
	fremovexattr(3, "trusted.hwpoisond.none");
	_exit(0);
}

/*
 * The kernel does not tell whether a filesystem is frozen: who writes waits, and can't even be
 * killed. So another process tries; one that waits ends when the filesystem is thawed.
 */
int repair_fs_check_thawed(const struct repair_fs *fs)
{
	struct pollfd ended = { .events = POLLIN };
	_cleanup_(closep) int pid_fd = -1;
	pid_t pid;
	int r;

	if (fs->read_only)
		return 0;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		want_to_write(fs->root_fd);
	pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pid_fd < 0)
		return -errno;
	ended.fd = pid_fd;
	do
		r = poll(&ended, 1, THAWED_TIMEOUT_MSEC);
	while (r < 0 && errno == EINTR);
	if (r > 0)
		waitpid(pid, NULL, 0);
	return r < 0 ? -errno : r == 0 ? -EBUSY : 0;
}
