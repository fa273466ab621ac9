// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ram: see ram.h.
 *
 *   correlate -> [ram] -> ram-names, holders
 *
 * In:   the kernel's name for the page ("dirty-lru"), which is its own decision and made last; and
 *       what the page was seen to be when its handling began.
 * Out:  one owner: a file, processes, the kernel, or nobody; and whether what was lost can be read
 *       again.
 *
 * A page that no disk has is lost: changed since it was written, or of tmpfs, hugetlbfs or
 * anonymous memory. A clean page of a file is only dropped.
 */
#include <string.h>
#include <sys/stat.h>

#include "owners/ask.h"
#include "owners/ram.h"

static bool starts_with(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static bool is_one_of(const char *text, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(text, *names))
			return true;
	return false;
}

/* In nobody's use: what was in it is of no worth. */
static bool is_free(const char *page_type)
{
	static const char *const names[] = { "buddy", "free-huge", "truncated-lru", NULL };

	return is_one_of(page_type, names);
}

static bool is_of_kernel(const char *page_type)
{
	static const char *const names[] = { "kernel", "kernel-high-order", "slab", NULL };

	return is_one_of(page_type, names);
}

/* The names of pages that are looked at when they are unmapped say how they were then. */
static bool was_dirty(const char *page_type, const struct page_facts *page)
{
	if (starts_with(page_type, "dirty-"))
		return true;
	return page->dirty && !starts_with(page_type, "clean-");
}

static bool has_no_disk(const struct page_facts *page)
{
	static const char *const names[] = { "tmpfs",  "devtmpfs",  "ramfs",
					     "rootfs", "hugetlbfs", NULL };

	return page->use == PAGE_ANONYMOUS || page->swapbacked ||
	       is_one_of(page->filesystem, names);
}

static bool can_be_read_again(const char *page_type, const struct page_facts *page)
{
	/* Its twin is in the swap area. */
	if (!strcmp(page_type, "clean-swapcache"))
		return true;
	return !was_dirty(page_type, page) && !has_no_disk(page);
}

/* Where the kernel leaves something in page tables by which the page can be found afterwards. */
static bool leaves_marks(const char *page_type)
{
	return strcmp(page_type, "huge") && !strstr(page_type, "swapcache");
}

static enum owner_kind kind_of(const char *page_type, const struct page_facts *page)
{
	if (is_free(page_type))
		return OWNER_FREE;
	switch (page->use) {
	case PAGE_FILE:
		return OWNER_RAM_FILE;
	case PAGE_ANONYMOUS:
		return OWNER_RAM_ANON;
	case PAGE_OTHER:
		return OWNER_RAM_KERNEL;
	case PAGE_UNSEEN:
		break;
	}
	if (is_of_kernel(page_type))
		return OWNER_RAM_KERNEL;
	/* Only what can be swapped goes through the swap cache: anonymous, or tmpfs, mostly the
	 * former. */
	return strstr(page_type, "swapcache") ? OWNER_RAM_ANON : OWNER_UNKNOWN;
}

static int fill_file(struct owner *o, const struct page_facts *page)
{
	int r;

	o->file_offset_bytes = page->offset_bytes;
	r = string_set(&o->filesystem, page->filesystem);
	if (r < 0)
		return r;
	o->dev = page->dev;
	/* What a block device caches of itself has no file, but a node in /dev. */
	if (page->rdev) {
		o->dev = page->rdev;
		return 0;
	}
	o->inode = page->inode;
	o->generation = page->generation;
	o->unlinked = page->n_links == 0;
	return *page->name ? string_set(&o->hint, page->name) : 0;
}

int ram_add_owner(struct incident *in, const char *page_type, const struct page_facts *page)
{
	struct owner *o;
	int r;

	r = add_plain_owner(in, kind_of(page_type, page), in->phys, NULL,
			    page->use == PAGE_UNSEEN ? "page-type" : "page");
	if (r < 0)
		return r;
	o = &in->owners[in->n_owners - 1];
	if (o->kind == OWNER_UNKNOWN)
		return owners_incomplete(in,
					 "Whose page this was could not be seen; the kernel "
					 "calls it %s",
					 page_type);
	in->owners_complete = true;
	if (o->kind == OWNER_RAM_ANON && !leaves_marks(page_type)) {
		r = owners_incomplete(
			in,
			"Whose memory a page of the kind %s was can't be seen once the "
			"kernel has unmapped it; those that it signalled are known",
			page_type);
		if (r < 0)
			return r;
	}
	if (o->kind == OWNER_FREE || o->kind == OWNER_RAM_KERNEL)
		return 0;
	o->dirty = was_dirty(page_type, page);
	o->rereadable = can_be_read_again(page_type, page);
	o->page_bytes = page->page_bytes;
	return o->kind == OWNER_RAM_FILE ? fill_file(o, page) : 0;
}
