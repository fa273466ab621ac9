// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims about pages of plain memory: daemon/source/kernel-page.c and daemon/owners/ram.c. */
#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "holders/pagemap.h"
#include "owners/mountinfo.h"
#include "owners/ram.h"
#include "source/kernel-page.h"
#include "test.h"

#define KERNEL_DEV(major, minor) ((uint64_t)(major) << 20 | (minor))

static struct poison_page file_page(const char *filesystem)
{
	struct poison_page raw = {
		.inode = 131,
		.index = 7,
		.device = KERNEL_DEV(259, 70000),
		.flags = POISON_PAGE_FILE,
		.block_shift = 12,
		.generation = 99,
		.n_links = 1,
		.mode = S_IFREG | 0600,
	};

	snprintf(raw.filesystem, sizeof(raw.filesystem), "%s", filesystem);
	return raw;
}

static struct page_facts facts_of(struct poison_page raw, bool index_is_huge)
{
	struct page_facts facts = { 0 };

	CHECK(page_facts_read(&raw, index_is_huge, &facts) == 0);
	return facts;
}

static struct incident *lost(const char *page_type, const struct page_facts *page)
{
	struct incident *in = incident_new((struct range){ 0x8021a000, PAGE_BYTES }, 0);

	if (!in || ram_add_owner(in, page_type, page) < 0 || in->n_owners != 1)
		abort();
	return in;
}

#define LOST(in, type, page) _cleanup_(incident_freep) struct incident *in = lost(type, page)

/* ---- records ---- */

TEST(a_cached_page_has_its_place_in_bytes)
{
	struct page_facts page = facts_of(file_page("ext4"), true);

	CHECK(page.use == PAGE_FILE && page.inode == 131 && page.generation == 99);
	CHECK(page.offset_bytes == 7 * PAGE_BYTES && page.page_bytes == PAGE_BYTES);
	CHECK(page.dev == makedev(259, 70000));
	CHECK(!page.rdev && !page.dirty && !page.swapbacked);
	CHECK_STREQ(page.filesystem, "ext4");
}

TEST(a_tail_page_comes_after_its_head)
{
	struct poison_page raw = file_page("tmpfs");

	raw.index = 512;
	raw.tail = 100;
	CHECK(facts_of(raw, true).offset_bytes == 612 * PAGE_BYTES);
	CHECK(facts_of(raw, false).offset_bytes == 612 * PAGE_BYTES);
}

TEST(the_index_of_a_huge_page_counts_huge_pages_before_6_7)
{
	struct poison_page raw = file_page("hugetlbfs");

	raw.block_shift = 21;
	raw.index = 3;
	raw.tail = 5;
	CHECK(facts_of(raw, true).offset_bytes == 3 * (2ull << 20) + 5 * PAGE_BYTES);
	CHECK(facts_of(raw, true).page_bytes == 2ull << 20);
	raw.index = 3 * 512;
	CHECK(facts_of(raw, false).offset_bytes == 3 * (2ull << 20) + 5 * PAGE_BYTES);
	CHECK(facts_of(raw, false).page_bytes == 2ull << 20);
}

TEST(a_huge_page_of_1_gib_is_one_page)
{
	struct poison_page raw = file_page("hugetlbfs");

	raw.block_shift = 30;
	raw.index = 2;
	raw.tail = 262143;
	CHECK(facts_of(raw, true).offset_bytes == (3ull << 30) - PAGE_BYTES);
}

TEST(a_block_size_makes_no_huge_page_elsewhere)
{
	struct poison_page raw = file_page("xfs");

	raw.block_shift = 16;
	CHECK(facts_of(raw, true).page_bytes == PAGE_BYTES);
	CHECK(facts_of(raw, true).offset_bytes == 7 * PAGE_BYTES);
}

TEST(a_place_that_cannot_be_is_refused)
{
	struct poison_page raw = file_page("ext4");
	struct page_facts page;

	raw.index = UINT64_MAX / PAGE_BYTES;
	raw.tail = 1;
	CHECK(page_facts_read(&raw, false, &page) == -EOVERFLOW);
	raw.index = UINT64_MAX;
	CHECK(page_facts_read(&raw, false, &page) == -EOVERFLOW);
}

TEST(what_is_merged_was_mapped_anywhere)
{
	struct poison_page raw = { .index = 0x7f0000001, .flags = POISON_PAGE_ANONYMOUS };

	CHECK(facts_of(raw, true).use == PAGE_ANONYMOUS);
	CHECK(facts_of(raw, true).offset_bytes == 0x7f0000001000);
	raw.flags |= POISON_PAGE_MERGED;
	CHECK(facts_of(raw, true).use == PAGE_ANONYMOUS);
	CHECK(facts_of(raw, true).offset_bytes == 0);
}

TEST(a_type_without_an_end_is_cut)
{
	struct poison_page raw = file_page("ext4");

	memset(raw.filesystem, 'x', sizeof(raw.filesystem));
	CHECK(strlen(facts_of(raw, true).filesystem) == sizeof(raw.filesystem) - 1);
}

static void read_names(const char *names, size_t n_bytes, uint32_t n_names, char *ret)
{
	struct poison_names raw = { .n_names = n_names, .is_whole = true };

	memcpy(raw.names, names, n_bytes);
	page_name_read(&raw, ret);
}

TEST(names_come_with_the_files_own_first)
{
	char name[PAGE_NAME_BYTES];

	read_names("data\0dir\0top\0", 13, 3, name);
	CHECK_STREQ(name, "/top/dir/data");
	read_names("data\0", 5, 1, name);
	CHECK_STREQ(name, "/data");
}

TEST(names_that_do_not_reach_the_root_are_none)
{
	struct poison_names raw = { .n_names = 1, .names = "data" };
	char name[PAGE_NAME_BYTES] = "before";

	page_name_read(&raw, name);
	CHECK_STREQ(name, "");
}

TEST(names_without_an_end_are_none)
{
	char all[POISON_NAMES_BYTES], name[PAGE_NAME_BYTES];

	memset(all, 'x', sizeof(all));
	read_names(all, sizeof(all), 1, name);
	CHECK_STREQ(name, "");
	read_names("a\0b\0", 4, UINT32_MAX, name); /* more than there are */
	CHECK_STREQ(name, "");
}

/* ---- owners ---- */

TEST(a_clean_page_of_a_file_can_be_read_again)
{
	struct page_facts page = facts_of(file_page("ext4"), true);

	LOST(in, "clean-lru", &page);
	CHECK(in->owners_complete && in->owners[0].kind == OWNER_RAM_FILE);
	CHECK(in->owners[0].rereadable && !in->owners[0].dirty);
	CHECK(in->owners[0].inode == 131 && in->owners[0].file_offset_bytes == 7 * PAGE_BYTES);
	CHECK(in->owners[0].length_bytes == PAGE_BYTES && !in->owners[0].unlinked);
}

/* The kernel looks into the page tables, too, which the page itself does not know of. */
TEST(the_kernels_own_word_on_dirty_counts)
{
	struct page_facts page = facts_of(file_page("xfs"), true);

	LOST(dirty, "dirty-lru", &page);
	CHECK(dirty->owners[0].dirty && !dirty->owners[0].rereadable);
	page.dirty = true;
	LOST(clean, "clean-unevictable-lru", &page);
	CHECK(!clean->owners[0].dirty && clean->owners[0].rereadable);
	LOST(unsaid, "unmapping-failed", &page);
	CHECK(unsaid->owners[0].dirty && !unsaid->owners[0].rereadable);
}

TEST(what_no_disk_has_is_lost_clean_or_not)
{
	static const char *const filesystems[] = { "tmpfs", "ramfs", "hugetlbfs" };

	for (size_t i = 0; i < 3; i++) {
		struct page_facts page = facts_of(file_page(filesystems[i]), true);

		LOST(in, "clean-lru", &page);
		CHECK(in->owners[0].kind == OWNER_RAM_FILE && !in->owners[0].rereadable);
	}
}

TEST(the_twin_in_the_swap_area_can_be_read_again)
{
	struct page_facts page = { .use = PAGE_ANONYMOUS, .swapbacked = true };

	LOST(clean, "clean-swapcache", &page);
	CHECK(clean->owners[0].kind == OWNER_RAM_ANON && clean->owners[0].rereadable);
	LOST(dirty, "dirty-swapcache", &page);
	CHECK(dirty->owners[0].kind == OWNER_RAM_ANON && !dirty->owners[0].rereadable);
}

TEST(anonymous_memory_is_lost)
{
	struct page_facts page = { .use = PAGE_ANONYMOUS, .offset_bytes = 0x7f0000001000 };

	LOST(in, "clean-lru", &page);
	CHECK(in->owners[0].kind == OWNER_RAM_ANON && !in->owners[0].rereadable);
	CHECK(!in->owners[0].inode && !in->owners[0].file_offset_bytes);
}

TEST(what_nobody_uses_is_free)
{
	struct page_facts page = { .use = PAGE_OTHER };

	LOST(buddy, "buddy", &page);
	CHECK(buddy->owners[0].kind == OWNER_FREE && buddy->owners_complete);
	page = facts_of(file_page("ext4"), true);
	LOST(truncated, "truncated-lru", &page);
	CHECK(truncated->owners[0].kind == OWNER_FREE);
}

TEST(what_is_neither_is_the_kernels)
{
	struct page_facts page = { .use = PAGE_OTHER };

	LOST(in, "unknown", &page);
	CHECK(in->owners[0].kind == OWNER_RAM_KERNEL && in->owners_complete);
}

TEST(without_a_look_at_the_page_its_type_has_to_do)
{
	struct page_facts unseen = { .use = PAGE_UNSEEN };

	LOST(kernel, "kernel-high-order", &unseen);
	CHECK(kernel->owners[0].kind == OWNER_RAM_KERNEL && kernel->owners_complete);
	LOST(swap, "dirty-swapcache", &unseen);
	CHECK(swap->owners[0].kind == OWNER_RAM_ANON);
	LOST(lru, "dirty-lru", &unseen);
	CHECK(lru->owners[0].kind == OWNER_UNKNOWN && !lru->owners_complete);
	CHECK(lru->owners_reason && strstr(lru->owners_reason, "dirty-lru"));
}

TEST(an_unlinked_file_has_no_name)
{
	struct poison_page raw = file_page("ext4");
	struct page_facts page;

	raw.n_links = 0;
	page = facts_of(raw, true);
	LOST(in, "dirty-lru", &page);
	CHECK(in->owners[0].unlinked);
}

TEST(what_a_block_device_caches_is_found_by_its_node)
{
	struct poison_page raw = file_page("bdev");
	struct page_facts page;

	raw.mode = S_IFBLK | 0600;
	raw.rdev = KERNEL_DEV(7, 3);
	raw.n_links = 0;
	page = facts_of(raw, true);
	LOST(in, "dirty-lru", &page);
	CHECK(in->owners[0].kind == OWNER_RAM_FILE && in->owners[0].dev == makedev(7, 3));
	CHECK(!in->owners[0].inode && !in->owners[0].unlinked && !in->owners[0].rereadable);
	CHECK(in->owners[0].file_offset_bytes == 7 * PAGE_BYTES);
}

TEST(where_no_mark_is_left_the_answer_is_not_complete)
{
	struct page_facts page = { .use = PAGE_ANONYMOUS };

	LOST(huge, "huge", &page);
	CHECK(huge->owners[0].kind == OWNER_RAM_ANON && !huge->owners_complete);
	LOST(swap, "dirty-swapcache", &page);
	CHECK(!swap->owners_complete);
	LOST(small, "dirty-lru", &page);
	CHECK(small->owners_complete);
}

/* ---- page tables ---- */

TEST(an_entry_names_its_frame_present_or_marked)
{
	uint64_t pfn = 0;

	CHECK(pagemap_frame(1ull << 63 | 1ull << 55 | 0x8021a, &pfn) == 1 && pfn == 0x8021a);
	/* area 23 of 6.1 is the mark of a poisoned page */
	CHECK(pagemap_frame(1ull << 62 | 0x8021aull << 5 | 23, &pfn) == 1 && pfn == 0x8021a);
}

TEST(a_page_in_a_swap_area_has_no_frame)
{
	uint64_t pfn;

	CHECK(pagemap_frame(1ull << 62 | 0x8021aull << 5 | 0, &pfn) == 0);
	CHECK(pagemap_frame(1ull << 62 | 0x8021aull << 5 | 3, &pfn) == 0);
}

TEST(nothing_there_and_nothing_shown_is_no_frame)
{
	uint64_t pfn;

	CHECK(pagemap_frame(0, &pfn) == 0);
	CHECK(pagemap_frame(1ull << 63, &pfn) == 0); /* who may not see frames sees 0 */
	CHECK(pagemap_frame(1ull << 62 | 23, &pfn) == 0);
	CHECK(pagemap_frame(1ull << 61 | 0x8021a, &pfn) == 0);
}

/* ---- options of an overlay ---- */

TEST(options_are_cut_before_they_are_unescaped)
{
	const char *at = "rw,lowerdir=/a\\054b:/c,upperdir=/u\\040p";
	const char *wanted[] = { "rw", "lowerdir=/a,b:/c", "upperdir=/u p" };

	for (size_t i = 0; i < 3; i++) {
		_cleanup_(freep) char *option = NULL;

		REQUIRE(mountinfo_next_option(&at, &option) == 1);
		CHECK_STREQ(option, wanted[i]);
	}
	CHECK(mountinfo_next_option(&at, NULL) == 0);
}

TEST_MAIN()
