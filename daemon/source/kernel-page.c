// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel-page: see kernel-page.h.
 *
 *   bpf/page.bpf.c -> ring -> [kernel-page] -> source/kernel
 *
 * In:   raw records, in which a place counts in pages of one size or another.
 * Out:  bytes, devices as the C library numbers them, a path.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "range.h"
#include "source/kernel-page.h"

/* The kernel's dev_t is not that of the C library. */
static dev_t device_of(uint64_t packed)
{
	return makedev((unsigned)(packed >> 20), (unsigned)(packed & 0xfffff));
}

static bool is_hugetlb(const struct poison_page *raw)
{
	return (raw->flags & POISON_PAGE_FILE) && !strcmp(raw->filesystem, "hugetlbfs") &&
	       raw->block_shift > 12 && raw->block_shift < 48;
}

static int read_offset(const struct poison_page *raw, uint64_t head_bytes, uint64_t *ret)
{
	uint64_t head;

	if (__builtin_mul_overflow(raw->index, head_bytes, &head) ||
	    __builtin_add_overflow(head, raw->tail * (uint64_t)PAGE_BYTES, ret))
		return -EOVERFLOW;
	return 0;
}

static enum page_use use_of(const struct poison_page *raw)
{
	if (raw->flags & POISON_PAGE_FILE)
		return PAGE_FILE;
	return raw->flags & POISON_PAGE_ANONYMOUS ? PAGE_ANONYMOUS : PAGE_OTHER;
}

int page_facts_read(const struct poison_page *raw, bool index_is_huge, struct page_facts *ret)
{
	struct page_facts facts = {
		.use = use_of(raw),
		.dirty = raw->flags & POISON_PAGE_DIRTY,
		.swapbacked = raw->flags & POISON_PAGE_SWAPBACKED,
		.n_mapped = raw->n_mapped,
		.page_bytes = is_hugetlb(raw) ? 1ull << raw->block_shift : PAGE_BYTES,
	};
	int r;

	if (facts.use != PAGE_OTHER && !(raw->flags & POISON_PAGE_MERGED)) {
		r = read_offset(raw, index_is_huge ? facts.page_bytes : PAGE_BYTES,
				&facts.offset_bytes);
		if (r < 0)
			return r;
	}
	if (facts.use == PAGE_FILE) {
		facts.dev = device_of(raw->device);
		facts.inode = raw->inode;
		facts.generation = raw->generation;
		facts.n_links = raw->n_links;
		facts.mode = raw->mode;
		facts.rdev = S_ISBLK(raw->mode) ? device_of(raw->rdev) : 0;
		memcpy(facts.filesystem, raw->filesystem, sizeof(facts.filesystem));
		facts.filesystem[sizeof(facts.filesystem) - 1] = '\0';
	}
	*ret = facts;
	return 0;
}

/* They come with the file's own first, and so does the path: from its end. */
void page_name_read(const struct poison_names *raw, char ret[static PAGE_NAME_BYTES])
{
	char path[PAGE_NAME_BYTES];
	size_t at = sizeof(path) - 1, from = 0;

	ret[0] = path[at] = '\0';
	if (!raw->is_whole)
		return;
	for (uint32_t i = 0; i < raw->n_names; i++) {
		size_t n = strnlen(raw->names + from, sizeof(raw->names) - from);

		if (!n || from + n == sizeof(raw->names) || n + 1 > at)
			return;
		at -= n;
		memcpy(path + at, raw->names + from, n);
		path[--at] = '/';
		from += n + 1;
	}
	strcpy(ret, path + at);
}
