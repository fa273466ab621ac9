// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * unowned: bytes whose owner is looked for, and who was found.
 *
 *   ask -> [unowned] <- look, scan -> filesystem
 *
 * In:   ranges that a filesystem could not account for; runs of blocks of inodes that were looked
 *       at, millions of them.
 * Out:  for each range, who has it.
 *
 * Nearly every run meets nothing, and must cost next to nothing: a binary search, no allocation.
 */
#include <errno.h>
#include <stdlib.h>

#include "owners/fsmap.h"
#include "owners/unowned.h"

int unowned_add(struct unowned *u, struct range bytes)
{
	if (!(u->n & (u->n - 1))) {
		struct unowned_range *grown = reallocarray(u->ranges, u->n ? 2 * u->n : 1,
							   sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		u->ranges = grown;
	}
	u->ranges[u->n++] = (struct unowned_range){ .bytes = bytes };
	return 0;
}

static int compare_starts(const void *a, const void *b)
{
	uint64_t l = ((const struct unowned_range *)a)->bytes.start_bytes;
	uint64_t r = ((const struct unowned_range *)b)->bytes.start_bytes;

	return (l > r) - (l < r);
}

void unowned_sort(struct unowned *u)
{
	size_t n = 0;

	if (u->n)
		qsort(u->ranges, u->n, sizeof(*u->ranges), compare_starts);
	for (size_t i = 0; i < u->n; i++) {
		struct range bytes = u->ranges[i].bytes;
		struct range *last = n ? &u->ranges[n - 1].bytes : NULL;

		if (!last || bytes.start_bytes >= range_end(*last))
			u->ranges[n++].bytes = bytes;
		else if (range_end(bytes) > range_end(*last))
			last->length_bytes = range_end(bytes) - last->start_bytes;
	}
	u->n = n;
}

void unowned_done(struct unowned *u)
{
	free(u->ranges);
	free(u->finds);
	*u = (struct unowned){};
}

size_t unowned_after(const struct unowned *u, uint64_t byte)
{
	size_t low = 0, high = u->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (range_end(u->ranges[middle].bytes) > byte)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

bool unowned_meets(const struct unowned *u, struct range bytes)
{
	size_t i = unowned_after(u, bytes.start_bytes);

	return i < u->n && u->ranges[i].bytes.start_bytes < range_end(bytes);
}

static bool is_known(const struct unowned *u, const struct unowned_range *range,
		     const struct find *find)
{
	for (size_t i = range->first_find; i; i = u->finds[i - 1].next) {
		const struct find *known = &u->finds[i - 1].find;

		if (known->inode == find->inode && known->kind == find->kind &&
		    known->slack == find->slack &&
		    known->file_offset_bytes == find->file_offset_bytes &&
		    known->bytes.start_bytes == find->bytes.start_bytes &&
		    known->bytes.length_bytes == find->bytes.length_bytes)
			return true;
	}
	return false;
}

/* Never too many: a byte that two inodes claim for themselves alone is counted once, or not. */
static uint64_t newly_settled(const struct unowned *u, const struct unowned_range *range,
			      const struct find *find)
{
	uint64_t n_bytes = find->bytes.length_bytes;

	if (find->shared)
		return 0;
	for (size_t i = range->first_find; i; i = u->finds[i - 1].next) {
		const struct find *known = &u->finds[i - 1].find;
		uint64_t both = range_clip(known->bytes, find->bytes).length_bytes;

		if (!known->shared)
			n_bytes -= both < n_bytes ? both : n_bytes;
	}
	return n_bytes;
}

static int keep(struct unowned *u, struct unowned_range *range, const struct find *find)
{
	uint64_t settled = newly_settled(u, range, find);

	if (range->n_finds == FSMAP_MAX_PIECES) {
		range->truncated = true;
		return 0;
	}
	if (!(u->n_finds & (u->n_finds - 1))) {
		struct unowned_find *grown = reallocarray(u->finds, u->n_finds ? 2 * u->n_finds : 1,
							  sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		u->finds = grown;
	}
	u->finds[u->n_finds++] = (struct unowned_find){ *find, range->first_find };
	range->first_find = u->n_finds;
	range->n_finds++;

	range->settled_bytes += settled;
	if (settled && range->settled_bytes == range->bytes.length_bytes)
		u->n_settled++;
	return 1;
}

int unowned_found(struct unowned *u, const struct find *find)
{
	int result = 0;

	for (size_t i = unowned_after(u, find->bytes.start_bytes);
	     i < u->n && u->ranges[i].bytes.start_bytes < range_end(find->bytes); i++) {
		struct find clipped = *find;
		int r;

		clipped.bytes = range_clip(find->bytes, u->ranges[i].bytes);
		clipped.file_offset_bytes += clipped.bytes.start_bytes - find->bytes.start_bytes;
		if (find->kind == OWNER_EXTENT_MAP)
			clipped.file_offset_bytes = 0;
		if (is_known(u, &u->ranges[i], &clipped))
			continue;
		r = keep(u, &u->ranges[i], &clipped);
		if (r < 0)
			return r;
		result |= r;
	}
	return result;
}

bool unowned_settled(const struct unowned *u)
{
	return u->n_settled == u->n;
}
