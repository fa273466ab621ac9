/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * itable: the inode tables of a mounted ext4, read from its block device.
 *
 * Many times faster than to open every file, and it knows what no ioctl tells: blocks of extent
 * trees, of symbolic links, of the journal. A hint all the same: nothing is locked meanwhile.
 */
#pragma once

#include <stdbool.h>

#include "cleanup.h"
#include "owners/around_poison.h"
#include "owners/handle.h"

struct itable;

enum itable_part {
	ITABLE_DATA,
	ITABLE_MAP, /* a block that says where other blocks are */
	ITABLE_XATTR,
	ITABLE_BROKEN, /* a part of this inode's map could not be read; no bytes */
};

struct itable_inode {
	struct inode_facts facts;
	bool own; /* the filesystem's own: journal, quota, group descriptors to grow */
	bool journal; /* and that one of them */
	bool attribute; /* it holds the value of an attribute of another inode */
};

struct itable_run {
	enum itable_part part;
	struct range bytes; /* of the device */
	uint64_t file_offset_bytes;
	bool unwritten;
};

/* Returns 0 to go on; anything else ends the walk and is its result. */
typedef int (*itable_function)(const struct itable_inode *inode, const struct itable_run *run,
			       void *userdata);

/* `device` must outlive it. 0; -EIO: superblock or group descriptors can't be read; -EOPNOTSUPP:
 * made with a feature that is not known here; -ENOMEM. */
int itable_open(const struct around_poison *device, struct itable **ret);
struct itable *itable_close(struct itable *t); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct itable *, itable_close);

uint32_t itable_cluster_bytes(const struct itable *t); /* 0 without bigalloc */
bool itable_shares_blocks(const struct itable *t); /* files can, and nothing tells which */

/* In front of the first block, for a boot loader; and the mount protection block. Or length 0. */
struct range itable_in_front(const struct itable *t);
struct range itable_mmp(const struct itable *t);
uint32_t itable_n_groups(const struct itable *t);

/* All runs of all inodes in use of one group of blocks. */
int itable_walk_group(struct itable *t, uint32_t group, itable_function f, void *userdata);

/* Numbers of the inodes in use of one group, without looking into them. */
int itable_list_group(struct itable *t, uint32_t group, int (*f)(uint64_t inode, void *userdata),
		      void *userdata);

/* How much of the tables could not be read so far: what is not found may be there. */
uint64_t itable_n_unreadable(const struct itable *t);

/*
 * Where allocation begins to differ from that of its first byte, up to `end`, and what it is
 * there: 1: in use, 0: free, by the bitmap of blocks; -EIO: that can't be read.
 */
int itable_in_use(struct itable *t, struct range bytes, uint64_t *ret_end);
