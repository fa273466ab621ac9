// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plan: see plan.h.
 *
 *   repair -> [plan] -> remap, clear
 *
 * A page whose owners are not all known, or are of more than one kind, has no method: what is not
 * understood is not written to.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "range.h"
#include "repair/plan.h"

#define KIND(k) (1u << (k))

static const char *const remap_steps[] = {
	"ask the rule's hook, if it has one, for the bytes that are lost",
	"stop the processes that could touch the page",
	"pin: share the bad block with a quarantine file",
	"salvage its good sectors and put them in the ledger",
	"write them, with what the hook gave and zeros for the rest, to a spare block",
	"swap: share the spare block with every owner",
	"read back, continue the processes",
	"clear: write the quarantined block whole, check badblocks, let it go",
	NULL,
};

static const char *const clear_steps[] = {
	"ask again who owns the media",
	"clear the error by command of the bus",
	"ask again, check badblocks",
	NULL,
};

static const struct repair_method methods[] = {
	{ METHOD_REMAP, "remap", REPAIR_ZERO, KIND(OWNER_FILE_DATA), remap_steps },
	{ METHOD_CLEAR, "clear", REPAIR_CLEAR,
	  KIND(OWNER_FREE) | KIND(OWNER_UNWRITTEN) | KIND(OWNER_RAW), clear_steps },
};

/* Why there is no method for a kind, the most telling first. */
static const struct {
	uint32_t kinds;
	const char *reason, *detail;
} refusals[] = {
	{ KIND(OWNER_METADATA) | KIND(OWNER_LOG) | KIND(OWNER_DIRECTORY) | KIND(OWNER_XATTR) |
		  KIND(OWNER_EXTENT_MAP) | KIND(OWNER_SYMLINK),
	  "metadata",
	  "filesystem metadata is never written: unmount and run the filesystem's own repair "
	  "tool" },
	{ KIND(OWNER_UNKNOWN), "owner-unknown", "nobody can say who owns the page" },
	{ KIND(OWNER_RAM_FILE) | KIND(OWNER_RAM_ANON) | KIND(OWNER_RAM_KERNEL), "ram",
	  "the kernel takes bad RAM out of use by itself" },
	{ KIND(OWNER_DEVDAX), "devdax",
	  "a device-dax page is repaired by the program that uses it" },
};

static bool meets_page(const struct owner *owner, uint64_t phys_start)
{
	struct range page = { phys_start, PAGE_BYTES };

	return range_overlaps((struct range){ owner->phys_start, owner->length_bytes }, page);
}

static uint32_t kinds_of_page(const struct incident *in, uint64_t phys_start, struct page_plan *ret)
{
	uint32_t kinds = 0;

	for (size_t i = 0; i < in->n_owners; i++) {
		const struct owner *owner = &in->owners[i];

		if (!meets_page(owner, phys_start))
			continue;
		kinds |= KIND(owner->kind);
		ret->dev = owner->dev;
	}
	return kinds;
}

static void refuse(struct page_plan *page, const char *reason, const char *detail)
{
	page->method = NULL;
	page->reason = reason;
	page->detail = detail;
}

/* Each step asks the filesystem again, and one without a reverse map has no answer. */
static bool found_by_search(const struct incident *in, uint64_t phys_start)
{
	for (size_t i = 0; i < in->n_owners; i++) {
		const char *method = in->owners[i].method;

		if (meets_page(&in->owners[i], phys_start) && method && !strcmp(method, "scan"))
			return true;
	}
	return false;
}

static void choose(const struct incident *in, enum repair_wish wish, uint32_t kinds,
		   struct page_plan *page)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (kinds & refusals[i].kinds) {
			refuse(page, refusals[i].reason, refusals[i].detail);
			return;
		}
	if (found_by_search(in, page->phys_start)) {
		refuse(page, "no-reverse-map",
		       "the filesystem cannot be asked who owns the page, so nobody can check it "
		       "right before each step");
		return;
	}
	if (!kinds || !in->owners_complete) {
		refuse(page, "owner-unknown", "not every owner of the page is known");
		return;
	}
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (kinds & ~methods[i].kinds)
			continue;
		page->method = &methods[i];
		if (wish < methods[i].least_wish)
			refuse(page, "rule", "the rule does not ask for it");
		return;
	}
	refuse(page, "mixed", "the page has owners of different kinds");
}

int plan_make(const struct incident *in, enum repair_wish wish, struct plan *ret)
{
	struct range pages = range_align_out(in->phys, PAGE_BYTES);

	*ret = (struct plan){ .n_pages = pages.length_bytes / PAGE_BYTES };
	ret->pages = calloc(ret->n_pages, sizeof(*ret->pages));
	if (!ret->pages)
		return -ENOMEM;

	for (size_t i = 0; i < ret->n_pages; i++) {
		struct page_plan *page = &ret->pages[i];

		page->phys_start = pages.start_bytes + i * PAGE_BYTES;
		choose(in, wish, kinds_of_page(in, page->phys_start, page), page);
	}
	return 0;
}

void plan_done(struct plan *plan)
{
	free(plan->pages);
	*plan = (struct plan){ 0 };
}
