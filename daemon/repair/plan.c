// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plan: see plan.h.
 *
 *   repair -> [plan] -> remap, rewrite, clear-zero, clear
 *
 * A page whose owners are not all known, or are of more than one kind, has no method: what is not
 * understood is not written to.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json-fields.h"
#include "ledger/ledger.h"
#include "range.h"
#include "repair/plan.h"

#define KIND(k) (1u << (k))
#define NEED(n) (1u << (n))

static const char *const remap_steps[] = {
	"ask the rule's hook, if it has one, for the bytes that are lost",
	"stop the processes that could touch the page",
	"pin: share the bad block with a quarantine file",
	"salvage its good sectors and put them in the ledger",
	"write them, with what the hook gave and zeros for the rest, to a spare block",
	"swap: share the spare block with every owner",
	"read back, continue the processes",
	"clear: write the quarantined block whole, check badblocks, let it go",
	"where the kernel can't reach that block since a machine check: map it, take it out of use "
	"(hard_offline_page), list it as bad, and clear it again",
	NULL,
};

static const char *const rewrite_steps[] = {
	"ask the rule's hook, if it has one, for the bytes that are lost",
	"keep out who would open the file, or stop the processes that could touch the page",
	"salvage the good sectors and put them in the ledger",
	"ask the file again where the page lies and whether it is its own",
	"write the page whole, in place: them, what the hook gave, and zeros for the rest",
	"where the kernel can't reach it since a machine check: map it, take it out of use "
	"(hard_offline_page), list it as bad, and write it again",
	"read back, check badblocks, continue the processes",
	NULL,
};

static const char *const clear_zero_steps[] = {
	"stop the processes that have the device open or mapped for writing",
	"clear the error by command of the bus",
	"write zeros there through the mapping of the device",
	"read back, check badblocks, continue the processes",
	NULL,
};

static const char *const clear_steps[] = {
	"ask again who owns the media",
	"clear the error by command of the bus",
	"ask again, check badblocks",
	NULL,
};

/* The first that fits is taken. */
static const struct repair_method methods[] = {
	{ METHOD_REMAP, "remap", REPAIR_ZERO, KIND(OWNER_FILE_DATA),
	  NEED(NEED_SHARED_EXTENTS) | NEED(NEED_REVERSE_MAP), true, PLAN_MAX_TOGETHER,
	  remap_steps },
	{ METHOD_REWRITE, "rewrite", REPAIR_ZERO, KIND(OWNER_FILE_DATA), NEED(NEED_SOLE_OWNER),
	  true, 1, rewrite_steps },
	{ METHOD_CLEAR_ZERO, "clear-zero", REPAIR_ZERO, KIND(OWNER_DEVDAX), 0, false, 1,
	  clear_zero_steps },
	{ METHOD_CLEAR, "clear", REPAIR_CLEAR, KIND(OWNER_RAW), 0, false, 1, clear_steps },
	{ METHOD_CLEAR, "clear", REPAIR_CLEAR,
	  KIND(OWNER_FREE) | KIND(OWNER_UNWRITTEN) | KIND(OWNER_RAW), NEED(NEED_REVERSE_MAP), false,
	  1, clear_steps },
};
#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

/* What to say where the page has not what the best method needs. */
static const struct {
	const char *reason, *detail;
} lacks[N_NEEDS] = {
	[NEED_SHARED_EXTENTS] = { "no-reflink", "the filesystem can't share extents" },
	[NEED_REVERSE_MAP] = { "no-reverse-map",
			       "the filesystem cannot be asked who owns the page, so nobody can "
			       "check it right before each step" },
	[NEED_SOLE_OWNER] = { "shared", "several files may have the block, and the filesystem "
					"does not say which" },
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
};

/* What is known of a page from its owners. */
struct page_case {
	uint32_t kinds;
	uint32_t has; /* bits of enum need */
	uint64_t inode;
	bool realtime;
};

static bool meets_page(const struct owner *owner, uint64_t phys_start)
{
	struct range page = { phys_start, PAGE_BYTES };

	return range_overlaps((struct range){ owner->phys_start, owner->length_bytes }, page);
}

static bool shares_by_name(dev_t dev, const char *filesystem, void *userdata)
{
	return !filesystem || !strcmp(filesystem, "xfs");
}

static void learn_of_owner(const struct owner *owner, plan_can_share can_share, void *userdata,
			   struct page_case *facts)
{
	/* A search found it: the filesystem itself cannot be asked. */
	if (owner->method && !strcmp(owner->method, "scan"))
		facts->has &= ~NEED(NEED_REVERSE_MAP);
	if (owner->dev && !can_share(owner->dev, owner->filesystem, userdata))
		facts->has &= ~NEED(NEED_SHARED_EXTENTS);
	if (owner->shared || (facts->inode && facts->inode != owner->inode))
		facts->has &= ~NEED(NEED_SOLE_OWNER);
	facts->kinds |= KIND(owner->kind);
	facts->inode = owner->inode;
	facts->realtime = facts->realtime || owner->realtime;
}

static struct page_case learn(const struct incident *in, plan_can_share can_share, void *userdata,
			      struct page_plan *page)
{
	struct page_case facts = { .has = NEED(N_NEEDS) - 1 };

	for (size_t i = 0; i < in->n_owners; i++) {
		if (!meets_page(&in->owners[i], page->phys_start))
			continue;
		learn_of_owner(&in->owners[i], can_share, userdata, &facts);
		if (!in->owners[i].realtime)
			page->dev = in->owners[i].dev;
	}
	return facts;
}

static void refuse(struct page_plan *page, const char *reason, const char *detail)
{
	page->method = NULL;
	page->reason = reason;
	page->detail = detail;
}

static void refuse_lacking(struct page_plan *page, uint32_t lacking)
{
	unsigned need = (unsigned)__builtin_ctz(lacking);

	refuse(page, lacks[need].reason, lacks[need].detail);
}

/* Of methods that all lack something, the one that lacks least says what. */
static void choose_method(enum repair_wish wish, const struct page_case *facts,
			  struct page_plan *page)
{
	uint32_t least_lacking = 0;

	for (size_t i = 0; i < N_METHODS; i++) {
		uint32_t lacking = methods[i].needs & ~facts->has;

		if (facts->kinds & ~methods[i].kinds)
			continue;
		if (!lacking) {
			page->method = &methods[i];
			if (wish < methods[i].least_wish)
				refuse(page, "rule", "the rule does not ask for it");
			return;
		}
		if (!least_lacking ||
		    __builtin_popcount(lacking) < __builtin_popcount(least_lacking))
			least_lacking = lacking;
	}
	if (least_lacking)
		refuse_lacking(page, least_lacking);
	else
		refuse(page, "mixed", "the page has owners of different kinds");
}

static void choose(const struct incident *in, enum repair_wish wish, const struct page_case *facts,
		   struct page_plan *page)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (facts->kinds & refusals[i].kinds) {
			refuse(page, refusals[i].reason, refusals[i].detail);
			return;
		}
	/* Every check before a step asks about the filesystem's own device, which it is not on. */
	if (facts->realtime) {
		refuse(page, "realtime",
		       "the page is on the realtime device of an XFS, where its owners cannot be "
		       "checked right before each step");
		return;
	}
	if (!facts->kinds || !in->owners_complete) {
		refuse(page, "owner-unknown", "not every owner of the page is known");
		return;
	}
	choose_method(wish, facts, page);
}

int plan_make(const struct incident *in, enum repair_wish wish, plan_can_share can_share,
	      void *userdata, struct plan *ret)
{
	struct range pages = range_align_out(in->phys, PAGE_BYTES);

	*ret = (struct plan){ .n_pages = pages.length_bytes / PAGE_BYTES };
	ret->pages = calloc(ret->n_pages, sizeof(*ret->pages));
	if (!ret->pages)
		return -ENOMEM;

	for (size_t i = 0; i < ret->n_pages; i++) {
		struct page_plan *page = &ret->pages[i];
		struct page_case facts;

		page->phys_start = pages.start_bytes + i * PAGE_BYTES;
		facts = learn(in, can_share ?: shares_by_name, userdata, page);
		choose(in, wish, &facts, page);
	}
	return 0;
}

/* Does each owner have all of these pages, or none? */
static bool have_all_or_none(const struct incident *in, struct range pages)
{
	for (size_t i = 0; i < in->n_owners; i++) {
		const struct owner *owner = &in->owners[i];
		/* Its first and last page may be bad in parts. */
		struct range bytes = range_align_out(
			(struct range){ owner->phys_start, owner->length_bytes }, PAGE_BYTES);

		if (range_overlaps(bytes, pages) && !range_contains(bytes, pages))
			return false;
	}
	return true;
}

/* A step on record is about pages of one block, see ledger.h. */
static bool in_one_block(struct range pages)
{
	return pages.start_bytes >= STEP_BLOCK_BYTES &&
	       pages.start_bytes / STEP_BLOCK_BYTES == (range_end(pages) - 1) / STEP_BLOCK_BYTES;
}

size_t plan_together(const struct incident *in, const struct page_plan *pages, size_t n_pages)
{
	struct range all = { pages[0].phys_start, PAGE_BYTES };
	size_t n = 1;

	for (; pages[0].method && n < n_pages && n < pages[0].method->max_together; n++) {
		struct range more = { all.start_bytes, all.length_bytes + PAGE_BYTES };

		if (pages[n].method != pages[0].method || pages[n].dev != pages[0].dev ||
		    pages[n].phys_start != range_end(all) || !in_one_block(more) ||
		    !have_all_or_none(in, more))
			break;
		all = more;
	}
	return n;
}

void plan_done(struct plan *plan)
{
	free(plan->pages);
	*plan = (struct plan){ 0 };
}

static bool same_plan(const struct page_plan *a, const struct page_plan *b)
{
	return a->method == b->method && a->reason == b->reason;
}

static struct json_object *run_to_json(const struct page_plan *first, size_t n_pages)
{
	struct json_fields f = json_fields_new();

	field_put_hex(&f, "phys_start", first->phys_start);
	field_put_uint(&f, "length_bytes", n_pages * PAGE_BYTES);
	field_put_string(&f, "method", first->method ? first->method->name : NULL);
	field_put_string(&f, "reason", first->reason);
	return json_fields_done(&f);
}

struct json_object *plan_to_json(const struct plan *plan)
{
	struct json_object *o = json_object_new_object(), *pages = json_object_new_array();
	size_t n;

	if (!o || !pages || json_object_object_add(o, "pages", pages) < 0) {
		json_object_put(o);
		json_object_put(pages);
		return NULL;
	}
	for (size_t i = 0; i < plan->n_pages; i += n) {
		struct json_object *run;

		for (n = 1;
		     i + n < plan->n_pages && same_plan(&plan->pages[i], &plan->pages[i + n]);)
			n++;
		run = run_to_json(&plan->pages[i], n);
		if (!run || json_object_array_add(pages, run) < 0) {
			json_object_put(run);
			json_object_put(o);
			return NULL;
		}
	}
	return o;
}
