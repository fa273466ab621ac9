/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * badblocks: the ranges of one device or region that the kernel already calls bad.
 *
 * The kernel's text is cut at 4 KiB, possibly inside a line, its table ends at 512 entries, and it can be
 * unsorted or overlapping (block/badblocks.c of 6.1, ranges over 512 sectors): what comes out here is
 * sorted and merged, and says whether it may be incomplete.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "range.h"

struct badblocks {
	struct range *ranges;	/* bytes from the start of the device or region; sorted, disjoint */
	size_t n_ranges;
	size_t n_capacity;
	bool cut;		/* the list may be longer than what the kernel showed us */
};

/*
 * Read `badblocks` in an open sysfs directory, which stays the caller's. 1: something is bad, 0: nothing,
 * -ENOENT: this kind of device keeps no list, or another negative errno: *ret is set only when >= 0.
 */
int badblocks_read(int sysfs_dir_fd, struct badblocks **ret);

/* The same from text, as sysfs gave it. */
int badblocks_parse(const char *text, size_t n_bytes, struct badblocks **ret);

int badblocks_add(struct badblocks *bad, struct range range);	/* unsorted until badblocks_normalize() */
void badblocks_normalize(struct badblocks *bad);		/* sort, merge what touches */
bool badblocks_overlap(const struct badblocks *bad, struct range range);
struct badblocks *badblocks_free(struct badblocks *bad);	/* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct badblocks *, badblocks_free);
