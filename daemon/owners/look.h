/* SPDX-License-Identifier: GPL-2.0-or-later */
/* look: does this inode have any of the bytes that are looked for? */
#pragma once

#include "owners/handle.h"
#include "owners/unowned.h"

struct look {
	int fs_fd; /* the caller's, as the next */
	const char *filesystem; /* "xfs" or "ext4" */
	struct unowned *unowned;
	uint32_t cluster_bytes; /* what is allocated at once, where that is more than a block; or 0
				 */
	bool always_shared; /* files can have blocks together, and the kernel does not say which */
	bool has_realtime; /* XFS: data of some files may be elsewhere, see realtime.h */
	bool saw_shared;
	unsigned n_lease_waits; /* for files that somebody else had a lease on */
	uint64_t seen_bytes; /* of the inode that was looked at last: all its runs together */
	/* Told of every run that is a file's data, where set; see layout_function. */
	int (*on_run)(uint64_t inode, struct range bytes, void *userdata);
	void *userdata;
};

enum {
	LOOK_DATA = 1 << 0,
	LOOK_XATTR = 1 << 1,
};

/*
 * Ask the kernel where these parts (LOOK_*) of a live regular file or directory lie, and note
 * what meets the ranges. Positive: something new was found. 0: not; -ENOENT: no such inode any
 * more; or another negative errno: it could not be looked at.
 */
int look_at_inode(struct look *look, const struct inode_facts *facts, unsigned parts);

/* The same by number only: asks for the facts first. -EISNAM: neither a file nor a directory. */
int look_at_number(struct look *look, uint64_t inode);
