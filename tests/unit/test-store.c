// SPDX-License-Identifier: GPL-2.0-or-later
/* What lies in the store is named after its pages, and goes page by page where it has several. */
#include <errno.h>
#include <fcntl.h>

#include "repair/store.h"
#include "scratch.h"
#include "test.h"

TEST(a_quarantine_is_named_after_its_first_page_and_their_number)
{
	struct range page = { 0x8021a000, PAGE_BYTES }, pages = { 0x8021a000, 16 * PAGE_BYTES };

	CHECK_STREQ(store_quarantine_name(7, page).text, "7-0x8021a000.quarantine");
	CHECK_STREQ(store_quarantine_name(7, pages).text, "7-0x8021a000+16.quarantine");
}

static bool is_there(int dir_fd, const char *name)
{
	return faccessat(dir_fd, name, F_OK, 0) == 0;
}

TEST(a_file_of_several_pages_goes_with_the_last_of_them)
{
	static const uint8_t pages[2 * PAGE_BYTES] = { 1 };
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(closep) int dir_fd = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;

	fd = store_create_file(dir_fd, "two");
	REQUIRE(fd >= 0);
	REQUIRE(pwrite(fd, pages, sizeof(pages), 0) == sizeof(pages));
	REQUIRE(fsync(fd) == 0);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1) < 0)
		SKIP("no holes here");
	CHECK(store_remove_page(dir_fd, "two", PAGE_BYTES) == 0);
	CHECK(is_there(dir_fd, "two"));
	CHECK(store_remove_page(dir_fd, "two", PAGE_BYTES) == 0);
	CHECK(is_there(dir_fd, "two"));
	CHECK(store_remove_page(dir_fd, "two", 0) == 0);
	CHECK(!is_there(dir_fd, "two"));
	CHECK(store_remove_page(dir_fd, "two", 0) == 0);
}

TEST_MAIN()
