// SPDX-License-Identifier: GPL-2.0-or-later
/* What is not understood is not written to; what the rule does not ask for is not done. */
#include "repair/plan.h"
#include "test.h"

#define START 0x8021a000ULL

static struct incident *incident_of(uint64_t start, uint64_t length)
{
	struct incident *in = incident_new((struct range){ start, length }, SOURCE_BADBLOCKS);

	in->owners_complete = true;
	return in;
}

static void own(struct incident *in, enum owner_kind kind, uint64_t start, uint64_t length)
{
	struct owner *owner = incident_add_owner(in);

	owner->kind = kind;
	owner->phys_start = start;
	owner->length_bytes = length;
	owner->dev = 7;
}

static struct page_plan first_page(const struct incident *in, enum repair_wish wish)
{
	struct page_plan page = { 0 };
	struct plan plan;

	CHECK(plan_make(in, wish, NULL, NULL, &plan) == 0);
	if (plan.n_pages)
		page = plan.pages[0];
	plan_done(&plan);
	return page;
}

TEST(file_data_is_remapped_if_the_rule_asks_for_zero)
{
	_cleanup_(incident_freep) struct incident *in = incident_of(START + 1024, 512);
	struct page_plan page;

	own(in, OWNER_FILE_DATA, START + 1024, 512);
	own(in, OWNER_FILE_DATA, START + 1024, 512);
	page = first_page(in, REPAIR_ZERO);
	CHECK(page.phys_start == START);
	CHECK(page.dev == 7);
	REQUIRE(page.method);
	CHECK(page.method->id == METHOD_REMAP);
}

static struct incident *found_by_search(enum owner_kind kind, const char *filesystem)
{
	struct incident *in = incident_of(START, 512);

	own(in, kind, START, 512);
	CHECK(string_set(&in->owners[0].method, "scan") == 0);
	CHECK(string_set(&in->owners[0].filesystem, filesystem) == 0);
	return in;
}

TEST(what_only_a_search_found_is_not_cleared)
{
	static const enum owner_kind kinds[] = { OWNER_UNWRITTEN, OWNER_FREE };

	for (size_t i = 0; i < 2; i++) {
		_cleanup_(incident_freep) struct incident *in = found_by_search(kinds[i], "ext4");
		struct page_plan page = first_page(in, REPAIR_ZERO);

		CHECK(!page.method);
		CHECK_STREQ(page.reason, "no-reverse-map");
	}
}

TEST(a_file_that_a_search_found_is_rewritten_if_its_block_is_its_own)
{
	static const char *const filesystems[] = { "ext4", "xfs" };

	for (size_t i = 0; i < 2; i++) {
		_cleanup_(incident_freep) struct incident *in = found_by_search(OWNER_FILE_DATA,
										filesystems[i]);
		struct page_plan page = first_page(in, REPAIR_ZERO);

		REQUIRE(page.method);
		CHECK(page.method->id == METHOD_REWRITE);
		CHECK_STREQ(first_page(in, REPAIR_CLEAR).reason, "rule");

		in->owners[0].shared = true;
		page = first_page(in, REPAIR_ZERO);
		CHECK(!page.method);
		CHECK_STREQ(page.reason, i ? "no-reverse-map" : "shared");
	}
}

TEST(on_a_realtime_device_nothing_is_touched)
{
	static const enum owner_kind kinds[] = { OWNER_FILE_DATA, OWNER_FREE, OWNER_UNWRITTEN };

	for (size_t i = 0; i < 3; i++) {
		_cleanup_(incident_freep) struct incident *in = incident_of(START, 512);
		struct page_plan page;

		own(in, kinds[i], START, 512);
		in->owners[0].realtime = true;
		page = first_page(in, REPAIR_ZERO);
		CHECK(!page.method && !page.dev);
		CHECK_STREQ(page.reason, "realtime");
	}
}

TEST(two_files_with_a_block_are_shared_whatever_they_say)
{
	_cleanup_(incident_freep) struct incident *in = found_by_search(OWNER_FILE_DATA, "ext4");

	in->owners[0].inode = 12;
	own(in, OWNER_FILE_DATA, START, 512);
	in->owners[1].inode = 13;
	CHECK(string_set(&in->owners[1].filesystem, "ext4") == 0);
	CHECK_STREQ(first_page(in, REPAIR_ZERO).reason, "shared");
}

static bool never(dev_t dev, const char *filesystem, void *userdata)
{
	*(dev_t *)userdata = dev;
	return false;
}

TEST(an_xfs_that_cannot_share_is_rewritten)
{
	_cleanup_(incident_freep) struct incident *in = incident_of(START, 512);
	struct plan plan;
	dev_t asked = 0;

	own(in, OWNER_FILE_DATA, START, 512);
	CHECK(string_set(&in->owners[0].filesystem, "xfs") == 0);
	REQUIRE(plan_make(in, REPAIR_ZERO, never, &asked, &plan) == 0);
	CHECK(asked == 7);
	CHECK(plan.pages[0].method && plan.pages[0].method->id == METHOD_REWRITE);
	plan_done(&plan);
}

TEST(a_page_of_a_dax_device_is_zeroed_if_the_rule_asks_for_zero)
{
	_cleanup_(incident_freep) struct incident *in = incident_of(START, 512);
	struct page_plan page;

	own(in, OWNER_DEVDAX, START, 512);
	in->owners[0].dev = 0;
	page = first_page(in, REPAIR_ZERO);
	REQUIRE(page.method);
	CHECK(page.method->id == METHOD_CLEAR_ZERO);
	CHECK_STREQ(first_page(in, REPAIR_CLEAR).reason, "rule");
}

TEST(the_record_of_a_plan_has_one_element_for_neighbours_alike)
{
	_cleanup_(incident_freep) struct incident *in = incident_of(START, 4 * PAGE_BYTES);
	_cleanup_(json_object_putp) struct json_object *record = NULL;
	struct json_object *pages;
	struct plan plan;

	own(in, OWNER_FILE_DATA, START, 3 * PAGE_BYTES);
	own(in, OWNER_METADATA, START + 3 * PAGE_BYTES, PAGE_BYTES);
	REQUIRE(plan_make(in, REPAIR_ZERO, NULL, NULL, &plan) == 0);
	record = plan_to_json(&plan);
	plan_done(&plan);
	REQUIRE(record && json_object_object_get_ex(record, "pages", &pages));
	CHECK_STREQ(
		json_object_to_json_string_ext(pages, JSON_C_TO_STRING_PLAIN),
		"[{\"phys_start\":\"0x8021a000\",\"length_bytes\":12288,\"method\":\"remap\"},"
		"{\"phys_start\":\"0x8021d000\",\"length_bytes\":4096,\"reason\":\"metadata\"}]");
}

TEST(file_data_is_left_alone_by_a_rule_that_only_clears)
{
	_cleanup_(incident_freep) struct incident *in = incident_of(START, 512);
	struct page_plan page;

	own(in, OWNER_FILE_DATA, START, 512);
	page = first_page(in, REPAIR_CLEAR);
	CHECK(!page.method);
	CHECK_STREQ(page.reason, "rule");
	CHECK(!first_page(in, REPAIR_NONE).method);
}

TEST(media_that_holds_nothing_is_cleared)
{
	static const enum owner_kind kinds[] = { OWNER_FREE, OWNER_UNWRITTEN, OWNER_RAW };

	for (size_t i = 0; i < 3; i++) {
		_cleanup_(incident_freep) struct incident *in = incident_of(START, 512);
		struct page_plan page;

		own(in, kinds[i], START, 512);
		page = first_page(in, REPAIR_CLEAR);
		REQUIRE(page.method);
		CHECK(page.method->id == METHOD_CLEAR);
		CHECK(!first_page(in, REPAIR_NONE).method);
	}
}

TEST(metadata_is_never_written_whatever_else_is_in_the_page)
{
	static const enum owner_kind kinds[] = { OWNER_METADATA, OWNER_LOG,	   OWNER_DIRECTORY,
						 OWNER_XATTR,	 OWNER_EXTENT_MAP, OWNER_SYMLINK };

	for (size_t i = 0; i < 6; i++) {
		_cleanup_(incident_freep) struct incident *in = incident_of(START, 1024);
		struct page_plan page;

		own(in, OWNER_FILE_DATA, START, 512);
		own(in, kinds[i], START + 512, 512);
		page = first_page(in, REPAIR_ZERO);
		CHECK(!page.method);
		CHECK_STREQ(page.reason, "metadata");
	}
}

TEST(an_owner_that_is_not_known_forbids_everything)
{
	_cleanup_(incident_freep) struct incident *unknown = incident_of(START, 512);
	_cleanup_(incident_freep) struct incident *nobody = incident_of(START, 512);
	_cleanup_(incident_freep) struct incident *incomplete = incident_of(START, 512);

	own(unknown, OWNER_FILE_DATA, START, 512);
	own(unknown, OWNER_UNKNOWN, START, 512);
	CHECK(!first_page(unknown, REPAIR_ZERO).method);

	CHECK(!first_page(nobody, REPAIR_ZERO).method);

	own(incomplete, OWNER_FILE_DATA, START, 512);
	incomplete->owners_complete = false;
	CHECK(!first_page(incomplete, REPAIR_ZERO).method);
	CHECK_STREQ(first_page(incomplete, REPAIR_ZERO).reason, "owner-unknown");
}

TEST(a_page_that_is_half_free_and_half_a_file_has_no_method)
{
	_cleanup_(incident_freep) struct incident *in = incident_of(START, 1024);

	own(in, OWNER_FILE_DATA, START, 512);
	own(in, OWNER_FREE, START + 512, 512);
	CHECK_STREQ(first_page(in, REPAIR_ZERO).reason, "mixed");
}

TEST(each_page_of_a_range_is_judged_by_its_own_owners)
{
	_cleanup_(incident_freep) struct incident *in = incident_of(START + 3584, 4096);
	struct plan plan;

	own(in, OWNER_FILE_DATA, START + 3584, 512);
	own(in, OWNER_FREE, START + 4096, 3584);
	REQUIRE(plan_make(in, REPAIR_ZERO, NULL, NULL, &plan) == 0);
	CHECK(plan.n_pages == 2);
	CHECK(plan.pages[0].phys_start == START && plan.pages[0].method &&
	      plan.pages[0].method->id == METHOD_REMAP);
	CHECK(plan.pages[1].phys_start == START + 4096 && plan.pages[1].method &&
	      plan.pages[1].method->id == METHOD_CLEAR);
	plan_done(&plan);
}

/* How many pages from the first on go together. */
static size_t together(const struct incident *in)
{
	struct plan plan;
	size_t n;

	CHECK(plan_make(in, REPAIR_ZERO, NULL, NULL, &plan) == 0);
	n = plan_together(in, plan.pages, plan.n_pages);
	plan_done(&plan);
	return n;
}

TEST(pages_in_a_row_go_together_as_far_as_all_their_owners_go)
{
	_cleanup_(incident_freep) struct incident *in = incident_of(START + 512, 5 * 4096);

	own(in, OWNER_FILE_DATA, START + 512, 5 * 4096);
	CHECK(together(in) == 6); /* the first and the last are bad in parts */
	own(in, OWNER_FILE_DATA, START + 512, 3 * 4096 - 512);
	CHECK(together(in) == 3);
	own(in, OWNER_FILE_DATA, START + 4096, 2 * 4096);
	CHECK(together(in) == 1);
}

TEST(what_is_planned_otherwise_does_not_go_with_the_others)
{
	_cleanup_(incident_freep) struct incident *in = incident_of(START, 4 * 4096);

	own(in, OWNER_FILE_DATA, START, 2 * 4096);
	own(in, OWNER_METADATA, START + 2 * 4096, 2 * 4096);
	CHECK(together(in) == 2);
}

TEST(methods_that_do_one_page_at_a_time_do_so)
{
	_cleanup_(incident_freep) struct incident *in = incident_of(START, 4 * 4096);

	own(in, OWNER_FREE, START, 4 * 4096);
	CHECK(together(in) == 1);
}

TEST(no_step_is_about_pages_of_two_blocks_of_the_ledger)
{
	_cleanup_(incident_freep) struct incident *in = incident_of(0x802fe000, 4 * 4096),
						  *low = incident_of(0x1000, 4 * 4096),
						  *all = incident_of(0x80300000, 300 * 4096);

	own(in, OWNER_FILE_DATA, 0x802fe000, 4 * 4096);
	CHECK(together(in) == 2);
	own(low, OWNER_FILE_DATA, 0x1000, 4 * 4096);
	CHECK(together(low) == 1);
	own(all, OWNER_FILE_DATA, 0x80300000, 300 * 4096);
	CHECK(together(all) == PLAN_MAX_TOGETHER);
}

TEST_MAIN()
