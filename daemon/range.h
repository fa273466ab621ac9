/* SPDX-License-Identifier: GPL-2.0-or-later */
/* range: a half-open run of bytes, and the arithmetic that everybody needs on it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SECTOR_BYTES 512u	/* the unit of badblocks and of sysfs block device sizes, always */
#define PAGE_BYTES   4096u	/* x86-64, and the block size that DAX needs there */

struct range {
	uint64_t start_bytes;	/* a physical address, or an offset into a device or file: the user says */
	uint64_t length_bytes;
};

static inline uint64_t range_end(struct range a)
{
	return a.start_bytes + a.length_bytes;
}

static inline bool range_valid(struct range a)
{
	return a.length_bytes && a.start_bytes + a.length_bytes > a.start_bytes;
}

static inline bool range_overlaps(struct range a, struct range b)
{
	return a.start_bytes < range_end(b) && b.start_bytes < range_end(a);
}

static inline bool range_contains(struct range outer, struct range inner)
{
	return inner.start_bytes >= outer.start_bytes && range_end(inner) <= range_end(outer);
}

/* The part of a that lies in b; length 0 where they do not meet. */
static inline struct range range_clip(struct range a, struct range b)
{
	uint64_t start = a.start_bytes > b.start_bytes ? a.start_bytes : b.start_bytes;
	uint64_t end = range_end(a) < range_end(b) ? range_end(a) : range_end(b);

	return (struct range){ start, end > start ? end - start : 0 };
}

/* The smallest aligned range that holds a; alignment is a power of two. */
static inline struct range range_align_out(struct range a, uint64_t alignment)
{
	uint64_t start = a.start_bytes & ~(alignment - 1);
	uint64_t end = (range_end(a) + alignment - 1) & ~(alignment - 1);

	return (struct range){ start, end - start };
}
