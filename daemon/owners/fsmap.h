/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fsmap: what a filesystem keeps in a range of its block device (FS_IOC_GETFSMAP).
 *
 * The kernel's answer is made of whole records that only overlap the question. Ours is made of
 * pieces: clipped to the question, one for each owner of each byte, cut where sharing begins or
 * ends, and together they account for every byte.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/fsmap.h>

#include "incident.h"
#include "range.h"

/* More pieces than this for one question are counted as "not complete" and left out. */
#define FSMAP_MAX_PIECES 4096u

/* One mounted filesystem, and how far its answers can be trusted. */
struct fsmap_view {
	int fs_fd;			/* the caller's */
	dev_t dev;			/* of the filesystem: st_dev of its files */
	dev_t device;			/* whose bytes these are: the same, or its realtime device */
	uint64_t device_start;		/* how its byte 0 is called: 0, or REALTIME_START */
	char filesystem[16];		/* "xfs", "ext4" or "" */
	bool learned;			/* what follows is known; else it is hoped for */
	bool names_owners;		/* there is a reverse map, and we may see it */
	bool finds_starts_only;		/* an old kernel leaves out what began earlier */
	bool wants_whole_groups;	/* it may not answer a question about a part of one */
	uint64_t size_bytes;		/* up to where its bytes go; 0: not known */
	uint64_t group_bytes;		/* records never cross a multiple of this; 0: not known */
	bool has_realtime;		/* XFS: data can be on another device as well, once learned */
};

struct fsmap_piece {
	enum owner_kind kind;
	struct range bytes;		/* of the block device */
	uint64_t inode;			/* 0 without one */
	uint64_t file_offset_bytes;
	bool unwritten;
	bool shared;			/* with another piece of the same answer */
	bool staging;			/* copied for a write, and no file's yet */
	bool beyond;			/* past the end of the filesystem */
};

struct fsmap_answer {
	struct fsmap_piece *pieces;	/* by start, then inode and file offset */
	size_t n;
	bool truncated;			/* there were more than FSMAP_MAX_PIECES */
};

/*
 * fs_fd stays the caller's and must outlive the view. 0; -EOPNOTSUPP: a filesystem that keeps no
 * such map.
 */
int fsmap_open(int fs_fd, struct fsmap_view *ret);

/* The same where st_dev of fs_fd is known already. */
int fsmap_open_on(int fs_fd, dev_t dev, struct fsmap_view *ret);

/*
 * Find out how far the map can be trusted, which asking does by itself as soon as an answer does
 * not show it. 0 or negative errno.
 */
int fsmap_learn(struct fsmap_view *view);

/*
 * Is `dev` a device that this XFS has beside its own? 1, and *ret_log tells whether it has its log
 * there, else realtime data; 0: it is not, or this is no XFS; or negative errno.
 */
int fsmap_beside(int fs_fd, dev_t dev, bool *ret_log);

/*
 * The map of the realtime device of a filesystem, whose own map is `own`, which learns. Its bytes
 * are called as realtime.h says. It tells what is free; what is not is mostly unknown. 0 or
 * negative errno; fs_fd as in `own`.
 */
int fsmap_open_realtime(struct fsmap_view *own, dev_t device, struct fsmap_view *ret);

/* One of many questions, and its answer. */
struct fsmap_question {
	struct range dev_bytes;
	int r; /* 0 or negative errno; then the answer is empty */
	struct fsmap_answer answer;
};

/*
 * Answer n questions, sorted by where they begin. Those that lie close together, or all where that
 * is cheaper, are one question to the kernel. 0 or -ENOMEM.
 */
int fsmap_ask_all(struct fsmap_view *view, struct fsmap_question *questions, size_t n);

/* 0 or negative errno; *ret is empty after a failure. */
int fsmap_ask(struct fsmap_view *view, struct range dev_bytes, struct fsmap_answer *ret);
void fsmap_answer_done(struct fsmap_answer *answer);

/*
 * The parts that need no kernel, for fsmap_ask and for tests. _add clips one record and appends
 * what is left of it: 0, -ENOMEM. _finish accounts for the bytes that no record covers, finds out
 * what is shared, and sorts.
 */
int fsmap_answer_add(struct fsmap_answer *answer, const struct fsmap_view *view,
		     const struct fsmap *record, struct range dev_bytes);
int fsmap_answer_finish(struct fsmap_answer *answer, const struct fsmap_view *view,
			struct range dev_bytes);
