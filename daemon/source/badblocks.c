// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * badblocks: which sectors does the kernel already call bad?
 *
 *   sysfs -> [badblocks] -> nvdimm-scan -> flow
 *
 * In:   the text of one sysfs badblocks file, "SECTOR COUNT" a line.
 * Out:  sorted and merged ranges of bytes, and how far they can be believed.
 *
 * The kernel prints at most one page and stops wherever that ends, so "12345 8"
 * may be the head of "12345 800": the last line of a full page is dropped, never
 * guessed. A text with one bad line gives nothing at all: half a list would look
 * like media that healed.
 *
 * Where the device lies in memory is the caller's business (nvdimm-scan.c).
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "source/badblocks.h"

/* sysfs shows one page; the largest page of any architecture. */
#define MAX_TEXT_BYTES 65536

struct cursor {
	const char *at;
	const char *end;
};

/* Digits only: strtoull() would take signs and blanks as well. */
static int take_number(struct cursor *c, uint64_t *ret)
{
	const char *first = c->at;
	uint64_t n = 0;

	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*c->at - '0'), &n))
			return -ERANGE;
	if (c->at == first)
		return -EBADMSG;
	*ret = n;
	return 0;
}

static int take_char(struct cursor *c, char expected)
{
	if (c->at == c->end || *c->at != expected)
		return -EBADMSG;
	c->at++;
	return 0;
}

/* "SECTOR COUNT", up to and without its newline. */
static int take_line(struct cursor *c, struct range *ret)
{
	uint64_t sector, n_sectors;
	struct range range;
	int r;

	r = take_number(c, &sector);
	if (r < 0)
		return r;
	r = take_char(c, ' ');
	if (r < 0)
		return r;
	r = take_number(c, &n_sectors);
	if (r < 0)
		return r;
	if (!n_sectors)
		return -EBADMSG;

	if (__builtin_mul_overflow(sector, SECTOR_BYTES, &range.start_bytes) ||
	    __builtin_mul_overflow(n_sectors, SECTOR_BYTES, &range.length_bytes) ||
	    !range_valid(range))
		return -ERANGE;
	*ret = range;
	return 0;
}

/* Everything up to the last newline; the rest is the head of a line. */
static const char *end_of_whole_lines(const char *text, size_t n_bytes)
{
	const char *newline = memrchr(text, '\n', n_bytes);

	return newline ? newline + 1 : text;
}

int badblocks_parse(const char *text, size_t n_bytes, struct badblocks **ret)
{
	_cleanup_(badblocks_freep) struct badblocks *found = NULL;
	bool full_page = n_bytes >= PAGE_BYTES - 1;
	uint64_t highest = 0;
	bool ascending = true;
	struct cursor c = { text, text + n_bytes };
	int r;

	assert(text || !n_bytes);
	assert(ret);

	found = calloc(1, sizeof(*found));
	if (!found)
		return -ENOMEM;

	if (full_page)
		c.end = end_of_whole_lines(text, n_bytes);

	while (c.at < c.end) {
		struct range range;

		r = take_line(&c, &range);
		if (r < 0)
			return r;
		if (c.at < c.end) {
			r = take_char(&c, '\n');
			if (r < 0)
				return r;
		}
		r = badblocks_add(found, range);
		if (r < 0)
			return r;

		ascending = ascending && range.start_bytes >= highest;
		highest = range_end(range);
	}

	found->cut = full_page || found->n_ranges >= BADBLOCKS_TABLE_ENTRIES;
	found->known_bytes = !full_page ? UINT64_MAX : ascending ? highest : 0;
	badblocks_normalize(found);

	*ret = TAKE(found);
	return (*ret)->n_ranges > 0;
}

/* Whole, from offset 0: a sysfs file makes its text anew only there. */
static ssize_t read_whole(int fd, char *buffer, size_t capacity)
{
	size_t n_read = 0;

	while (n_read < capacity) {
		ssize_t n = pread(fd, buffer + n_read, capacity - n_read, (off_t)n_read);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		n_read += (size_t)n;
	}
	return (ssize_t)n_read;
}

int badblocks_read_fd(int fd, struct badblocks **ret)
{
	_cleanup_(freep) char *text = NULL;
	ssize_t n;

	assert(fd >= 0);
	assert(ret);

	text = malloc(MAX_TEXT_BYTES);
	if (!text)
		return -ENOMEM;

	n = read_whole(fd, text, MAX_TEXT_BYTES);
	if (n < 0)
		return (int)n;
	return badblocks_parse(text, (size_t)n, ret);
}

int badblocks_read(int sysfs_dir_fd, struct badblocks **ret)
{
	_cleanup_(closep) int fd = -1;

	assert(sysfs_dir_fd >= 0);

	fd = openat(sysfs_dir_fd, "badblocks", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return badblocks_read_fd(fd, ret);
}

int badblocks_new(struct badblocks **ret)
{
	struct badblocks *bad = calloc(1, sizeof(*bad));

	if (!bad)
		return -ENOMEM;
	bad->known_bytes = UINT64_MAX;
	*ret = bad;
	return 0;
}

int badblocks_add(struct badblocks *bad, struct range range)
{
	assert(bad);

	if (!range_valid(range))
		return -EINVAL;
	if (bad->n_ranges == bad->n_capacity) {
		size_t n_capacity = bad->n_capacity ? 2 * bad->n_capacity : 16;
		struct range *ranges = reallocarray(bad->ranges, n_capacity, sizeof(*bad->ranges));

		if (!ranges)
			return -ENOMEM;
		bad->ranges = ranges;
		bad->n_capacity = n_capacity;
	}
	bad->ranges[bad->n_ranges++] = range;
	return 0;
}

static int compare_starts(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->start_bytes > y->start_bytes) - (x->start_bytes < y->start_bytes);
}

void badblocks_normalize(struct badblocks *bad)
{
	size_t n_kept = 0;

	assert(bad);

	if (!bad->n_ranges)
		return;
	qsort(bad->ranges, bad->n_ranges, sizeof(*bad->ranges), compare_starts);

	for (size_t i = 1; i < bad->n_ranges; i++) {
		struct range *last = &bad->ranges[n_kept], next = bad->ranges[i];

		if (next.start_bytes > range_end(*last))
			bad->ranges[++n_kept] = next;
		else if (range_end(next) > range_end(*last))
			last->length_bytes = range_end(next) - last->start_bytes;
	}
	bad->n_ranges = n_kept + 1;
}

/* Index of the first range that ends behind `offset_bytes`, n_ranges where none does. */
static size_t first_behind(const struct badblocks *bad, uint64_t offset_bytes)
{
	size_t low = 0, high = bad->n_ranges;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (range_end(bad->ranges[middle]) > offset_bytes)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

bool badblocks_overlap(const struct badblocks *bad, struct range range)
{
	size_t i;

	assert(bad);

	i = first_behind(bad, range.start_bytes);
	return i < bad->n_ranges && range_overlaps(bad->ranges[i], range);
}

bool badblocks_contain(const struct badblocks *bad, struct range range)
{
	size_t i;

	assert(bad);

	i = first_behind(bad, range.start_bytes);
	return i < bad->n_ranges && range_contains(bad->ranges[i], range);
}

int badblocks_add_missing(struct badblocks *to, struct range range, const struct badblocks *known)
{
	uint64_t at = range.start_bytes, end = range_end(range);
	int r, n_added = 0;

	assert(to);
	assert(known);
	assert(to != known);

	for (size_t i = first_behind(known, at); at < end; i++) {
		bool meets = i < known->n_ranges && known->ranges[i].start_bytes < end;
		uint64_t hole_end = meets ? known->ranges[i].start_bytes : end;

		if (hole_end > at) {
			r = badblocks_add(to, (struct range){ at, hole_end - at });
			if (r < 0)
				return r;
			n_added++;
		}
		at = meets ? range_end(known->ranges[i]) : end;
	}
	return n_added > 0;
}

struct badblocks *badblocks_free(struct badblocks *bad)
{
	if (!bad)
		return NULL;
	free(bad->ranges);
	free(bad);
	return NULL;
}
