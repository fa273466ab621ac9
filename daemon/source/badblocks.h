/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * badblocks: the ranges of one device or region that the kernel already calls bad.
 *
 * The kernel's text is cut at 4 KiB, possibly inside a line, its table ends at 512 entries, and it
 * can be unsorted or overlapping (block/badblocks.c of 6.1, ranges over 512 sectors): what comes
 * out here is sorted and merged, and says whether it may be incomplete.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "range.h"

/* The kernel's own table, MAX_BADBLOCKS in its include/linux/badblocks.h. */
#define BADBLOCKS_TABLE_ENTRIES 512

struct badblocks {
	struct range *ranges;	/* bytes from the start of the device or region; sorted, disjoint */
	size_t n_ranges;
	size_t n_capacity;
	bool cut;		/* the list may be longer than what the kernel showed us */
	uint64_t known_bytes;	/* below this offset we saw all of the kernel's own table: everywhere
				 * (UINT64_MAX) unless its text was cut */
};

/*
 * Read `badblocks` in an open sysfs directory, which stays the caller's. 1: something is bad,
 * 0: nothing, -ENOENT: this kind of device keeps no list, -EBADMSG or -ERANGE: the text makes no
 * sense, or another negative errno. *ret is set only when the result is >= 0.
 */
int badblocks_read(int sysfs_dir_fd, struct badblocks **ret);

/* The same from the open file itself, which also tells poll() that we saw its change. */
int badblocks_read_fd(int fd, struct badblocks **ret);

/* The same from text, as sysfs gave it. */
int badblocks_parse(const char *text, size_t n_bytes, struct badblocks **ret);

int badblocks_new(struct badblocks **ret);	/* an empty, complete list; 0 or -ENOMEM */

/* Unsorted until badblocks_normalize(). 0, -ENOMEM, or -EINVAL: an empty range, or past the end. */
int badblocks_add(struct badblocks *bad, struct range range);
void badblocks_normalize(struct badblocks *bad);	/* sort, merge what touches */

/* These look things up in a normalized list. */
bool badblocks_overlap(const struct badblocks *bad, struct range range);
bool badblocks_contain(const struct badblocks *bad, struct range range);

/* Add to `to` the parts of range that `known` lacks. 1: there were some, 0: none, or negative. */
int badblocks_add_missing(struct badblocks *to, struct range range, const struct badblocks *known);

struct badblocks *badblocks_free(struct badblocks *bad);	/* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct badblocks *, badblocks_free);
