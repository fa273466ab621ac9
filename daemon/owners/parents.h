/* SPDX-License-Identifier: GPL-2.0-or-later */
/* parents: names from the inodes themselves, where XFS keeps parent pointers in them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "owners/inside.h"
#include "owners/wanted.h"

/*
 * Name every wanted inode that lacks a name. 0: all were asked; -EOPNOTSUPP: this kernel or
 * filesystem has no parent pointers; or another negative errno, after which some may have got
 * theirs. Needs CAP_SYS_ADMIN.
 */
int parents_find(const struct inside *in, struct wanted *wanted);

/* One name of an inode: which directory it is in, and what it is called there. */
struct parent_record {
	uint64_t inode;
	uint32_t generation;
	const char *name;	/* in the buffer */
};

/*
 * The record at *at of a buffer that the kernel filled, which was zeros before. 1, and *at moves
 * on; 0: no more; -EBADMSG: not as the kernel writes them. Needs no kernel, for tests.
 */
int parent_record_next(const void *buffer, size_t n_bytes, size_t *at, struct parent_record *ret);
