/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel-abi: what kernels newer than our floor offer, and the floor's headers do not declare.
 *
 * Layouts and numbers are the kernel's documented user interface. Whether the running kernel has
 * one, and the filesystem before us takes part, is found out by calling it.
 */
#pragma once

#include <assert.h>
#include <stdint.h>

#include <linux/ioctl.h>

/* An XFS inode, as its ioctls take and give it. They find the filesystem by the fd, not by fsid. */
struct xfs_abi_handle {
	uint8_t fsid[8];
	uint16_t fid_length;	/* bytes that follow this field */
	uint16_t fid_pad;
	uint32_t generation;
	uint64_t inode;
};
#define XFS_ABI_FID_LENGTH 14
static_assert(sizeof(struct xfs_abi_handle) == 24, "as the kernel has it");

/*
 * XFS parent pointers (Linux 6.10): the names of an inode, from the inode itself. ENOTTY: a kernel
 * without; EOPNOTSUPP: a filesystem made without. The fd is any directory of the filesystem.
 */
struct xfs_abi_parents {
	struct xfs_abi_handle handle;
	uint64_t cursor[2];	/* zero at first; the kernel moves it on */
	uint16_t iflags;	/* 0 */
	uint16_t oflags;	/* XFS_ABI_PARENTS_* */
	uint32_t buffer_bytes;
	uint64_t reserved;
	uint64_t buffer;	/* address of xfs_abi_parent records */
};
#define XFS_ABI_PARENTS_ROOT	     1 /* the inode is the root: it has no parent */
#define XFS_ABI_PARENTS_DONE	     2 /* no more records */
#define XFS_ABI_GETPARENTS_BY_HANDLE _IOWR('X', 63, struct xfs_abi_parents)
static_assert(sizeof(struct xfs_abi_parents) == 64, "as the kernel has it");

struct xfs_abi_parent {
	struct xfs_abi_handle handle;	/* the directory */
	uint32_t record_bytes;	/* to the next record; the last one's are all that is left */
	uint32_t reserved;
	char name[];		/* ends with NUL */
};
static_assert(sizeof(struct xfs_abi_parent) == 32, "as the kernel has it");

/*
 * XFS_IOC_VERIFY_MEDIA (Linux 7.0, fs/xfs/libxfs/xfs_fs.h): have the kernel read a range of a device
 * of the filesystem, and tell all who listen (fsnotify, health monitors) what is bad there.
 */
struct xfs_abi_verify_media {
	uint32_t device;
	uint32_t flags;
	uint64_t start_sector;	/* moved on by the kernel as far as all is good */
	uint64_t end_sector;
	uint32_t io_error;	/* by the kernel: a positive errno */
	uint32_t max_io_bytes;	/* 0: the kernel's choice */
	uint32_t rest_usec;	/* between two reads */
	uint32_t reserved;	/* 0 */
};
#define XFS_ABI_VERIFY_MEDIA	    _IOWR('X', 70, struct xfs_abi_verify_media)
#define XFS_ABI_DEVICE_DATA	    1
#define XFS_ABI_VERIFY_MEDIA_REPORT 1
static_assert(sizeof(struct xfs_abi_verify_media) == 40, "as the kernel has it");
