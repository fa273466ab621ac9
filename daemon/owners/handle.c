// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * handle: look at and open a file by inode number, without a path.
 *
 *   fsmap -> [handle] -> paths, repair
 *
 * In:   any fd on the filesystem, and an inode number from its reverse map.
 * Out:  facts about the inode, or an fd of it.
 *
 * Handles are built by hand: name_to_handle_at(2) wants the path that we do not have. Their layouts
 * are those of the kernel's export operations, which NFS clients keep on disk and so cannot change.
 * The path that readlink(2) shows for such an fd can be wrong ("/"): nobody here asks for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <xfs/xfs.h>

#include "cleanup.h"
#include "owners/handle.h"

#define EXT4_ROOT_INODE 2

enum handle_type {
	HANDLE_INO32_GEN = 0x01,
	HANDLE_XFS_INO64_GEN = 0x81,
};

union handle {
	struct file_handle head;
	unsigned char bytes[sizeof(struct file_handle) + 12];
};

static int make_handle(const char *filesystem, uint64_t inode, uint32_t generation,
		       union handle *ret)
{
	*ret = (union handle){};
	if (!strcmp(filesystem, "xfs")) {
		ret->head.handle_type = HANDLE_XFS_INO64_GEN;
		ret->head.handle_bytes = 12;
		memcpy(ret->head.f_handle, &inode, 8);
		memcpy(ret->head.f_handle + 8, &generation, 4);
		return 0;
	}
	if (!strcmp(filesystem, "ext4")) {
		uint32_t inode32 = (uint32_t)inode;

		if (inode != inode32)
			return -ESTALE;
		ret->head.handle_type = HANDLE_INO32_GEN;
		ret->head.handle_bytes = 8;
		memcpy(ret->head.f_handle, &inode32, 4);
		memcpy(ret->head.f_handle + 4, &generation, 4);
		return 0;
	}
	return -EOPNOTSUPP;
}

int handle_open(int fs_fd, const char *filesystem, uint64_t inode, uint32_t generation, int flags)
{
	_cleanup_(closep) int fd = -1;
	struct stat fs, st;
	union handle handle;
	int r;

	r = make_handle(filesystem, inode, generation, &handle);
	if (r < 0)
		return r;
	fd = open_by_handle_at(fs_fd, &handle.head, flags | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fs_fd, &fs) < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != fs.st_dev || st.st_ino != inode)
		return -ESTALE;
	return TAKE_FD(fd);
}

/* One inode, or the first after it: bulkstat is made for walking. */
static int bulkstat_one(int fs_fd, uint64_t inode, uint32_t flags, struct inode_facts *ret)
{
	union {
		struct xfs_bulkstat_req req;
		unsigned char bytes[XFS_BULKSTAT_REQ_SIZE(1)];
	} one = { .req.hdr = { .ino = inode, .flags = flags, .icount = 1 } };
	const struct xfs_bulkstat *found = (const void *)(one.bytes + sizeof(one.req));

	if (ioctl(fs_fd, XFS_IOC_BULKSTAT, &one) < 0)
		return -errno;
	if (one.req.hdr.ocount != 1)
		return -ENOENT;
	*ret = (struct inode_facts){
		.inode = found->bs_ino,
		.generation = found->bs_gen,
		.mode = found->bs_mode,
		.n_links = found->bs_nlink,
	};
	return 0;
}

static int xfs_inode(int fs_fd, uint64_t inode, struct inode_facts *ret)
{
	struct inode_facts found;
	int r;

	r = bulkstat_one(fs_fd, inode, 0, &found);
	if (r == -EINVAL) /* no inode can have this number */
		return -ENOENT;
	if (r < 0)
		return r;
	if (found.inode != inode)
		return -ENOENT;
	*ret = found;
	return 0;
}

/* ext4 takes generation 0 for any. It also opens what is freed but still in memory: links say so.
 */
static int ext4_inode(int fs_fd, uint64_t inode, struct inode_facts *ret)
{
	_cleanup_(closep) int fd = handle_open(fs_fd, "ext4", inode, 0, O_PATH);
	struct stat st;

	if (fd < 0)
		return fd == -ESTALE ? -ENOENT : fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = (struct inode_facts){
		.inode = st.st_ino,
		.mode = st.st_mode,
		.n_links = st.st_nlink,
	};
	return 0;
}

int handle_inode(int fs_fd, const char *filesystem, uint64_t inode, struct inode_facts *ret)
{
	if (!strcmp(filesystem, "xfs"))
		return xfs_inode(fs_fd, inode, ret);
	if (!strcmp(filesystem, "ext4"))
		return ext4_inode(fs_fd, inode, ret);
	return -EOPNOTSUPP;
}

int handle_root(int fs_fd, const char *filesystem, struct inode_facts *ret)
{
	if (!strcmp(filesystem, "xfs"))
		return bulkstat_one(fs_fd, XFS_BULK_IREQ_SPECIAL_ROOT, XFS_BULK_IREQ_SPECIAL, ret);
	if (!strcmp(filesystem, "ext4"))
		return ext4_inode(fs_fd, EXT4_ROOT_INODE, ret);
	return -EOPNOTSUPP;
}

int handle_generation(int fs_fd, uint64_t inode, uint32_t *ret_generation)
{
	struct inode_facts found;
	int r;

	r = xfs_inode(fs_fd, inode, &found);
	if (r < 0)
		return r;
	*ret_generation = found.generation;
	return 0;
}
