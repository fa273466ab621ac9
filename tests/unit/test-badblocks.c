// SPDX-License-Identifier: GPL-2.0-or-later
/* badblocks: what the kernel's text says, and how far it can be believed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "source/badblocks.h"
#include "test.h"

static int parse(const char *text, struct badblocks **ret)
{
	return badblocks_parse(text, strlen(text), ret);
}

static bool is(const struct badblocks *bad, size_t i, uint64_t sector, uint64_t n_sectors)
{
	return i < bad->n_ranges && bad->ranges[i].start_bytes == sector * SECTOR_BYTES &&
	       bad->ranges[i].length_bytes == n_sectors * SECTOR_BYTES;
}

/* Lines "SECTOR 1" from 1000000 on, 10 bytes each, and then `tail`. */
static size_t fill_page(char *text, size_t n_bytes, const char *tail)
{
	size_t n = 0, n_tail = strlen(tail);

	for (unsigned sector = 1000000; n + 10 + n_tail <= n_bytes; sector += 2)
		n += (size_t)sprintf(text + n, "%u 1\n", sector);
	memcpy(text + n, tail, n_tail);
	return n + n_tail;
}

TEST(an_empty_list_is_complete)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	REQUIRE(parse("", &bad) == 0);
	CHECK(bad->n_ranges == 0 && !bad->cut && bad->known_bytes == UINT64_MAX);
	CHECK(!badblocks_overlap(bad, (struct range){ 0, UINT64_MAX }));
}

TEST(a_short_list_is_read_whole)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	REQUIRE(parse("208 8\n1024 1\n", &bad) == 1);
	CHECK(bad->n_ranges == 2 && is(bad, 0, 208, 8) && is(bad, 1, 1024, 1));
	CHECK(!bad->cut && bad->known_bytes == UINT64_MAX);
}

TEST(a_list_that_is_not_cut_may_lack_its_last_newline)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	REQUIRE(parse("208 8\n1024 1", &bad) == 1);
	CHECK(bad->n_ranges == 2 && is(bad, 1, 1024, 1) && !bad->cut);
}

TEST(an_unsorted_overlapping_list_comes_out_sorted_and_merged)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	REQUIRE(parse("7872 320\n7360 512\n16 4\n0 8\n18 1\n8 8\n", &bad) == 1);
	CHECK(bad->n_ranges == 2 && is(bad, 0, 0, 20) && is(bad, 1, 7360, 832));
}

TEST(the_tail_of_a_full_page_is_never_trusted)
{
	char text[4095];
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	REQUIRE(fill_page(text, 4095, "123 1") == 4095);
	REQUIRE(badblocks_parse(text, 4095, &bad) == 1);
	CHECK(bad->cut && bad->n_ranges == 409);
	CHECK(!badblocks_overlap(bad, (struct range){ 123 * SECTOR_BYTES, SECTOR_BYTES }));
	CHECK(bad->known_bytes == range_end(bad->ranges[bad->n_ranges - 1]));
}

TEST(a_page_that_ends_with_a_whole_line_is_still_cut)
{
	char text[4096];
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	REQUIRE(fill_page(text, 4096, "9999999 1000000\n") == 4096);
	REQUIRE(badblocks_parse(text, 4096, &bad) == 1);
	CHECK(bad->cut && is(bad, bad->n_ranges - 1, 9999999, 1000000));
}

TEST(one_byte_less_than_a_page_holds_is_complete)
{
	char text[4095];
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	size_t n = fill_page(text, 4094, "");

	REQUIRE(n < 4095 && badblocks_parse(text, n, &bad) == 1);
	CHECK(!bad->cut && bad->known_bytes == UINT64_MAX);
}

TEST(a_cut_unsorted_text_is_believed_nowhere)
{
	char text[4095];
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	REQUIRE(fill_page(text, 4095, "123 1") == 4095);
	text[0] = '9';
	REQUIRE(badblocks_parse(text, 4095, &bad) == 1);
	CHECK(bad->cut && bad->known_bytes == 0);
}

TEST(a_full_page_without_any_whole_line_says_nothing)
{
	char text[4096];
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	memset(text, '1', sizeof(text));
	REQUIRE(badblocks_parse(text, sizeof(text), &bad) == 0);
	CHECK(bad->cut && bad->known_bytes == 0);
}

TEST(a_full_table_is_cut_though_its_text_is_whole)
{
	char text[4096];
	size_t n = 0;
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	for (unsigned i = 0; i < 512; i++)
		n += (size_t)sprintf(text + n, "%u 1\n", 2 * i);
	REQUIRE(n < 4095 && badblocks_parse(text, n, &bad) == 1);
	CHECK(bad->n_ranges == 512 && bad->cut && bad->known_bytes == UINT64_MAX);
}

TEST(a_range_too_long_for_bytes_is_refused_whole)
{
	static const char *const texts[] = {
		"8 1\n16 36028797018963968\n", /* 2^55 sectors are 2^64 bytes */
		"36028797018963968 1\n",	  "36028797018963967 1\n", /* ends at 2^64 */
		"8 1\n18446744073709551616 1\n", /* 2^64 */
		"99999999999999999999999999 1\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

		CHECK(parse(texts[i], &bad) == -ERANGE);
		CHECK(!bad); /* not even the good first line */
	}
}

TEST(garbage_is_refused_whole)
{
	static const char *const texts[] = {
		"\n",	  "8\n",    "8 \n",    " 8 1\n",   "8 1 1\n", "8 1\n\n",
		"8  1\n", "-8 1\n", "8 -1\n",  "+8 1\n",   "0x8 1\n", "8 1\r\n",
		"8 0\n",  "8 1\nx", "8 1\n16", "8 1\n16 ", "hello\n", "8\t1\n",
	};
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		CHECK(parse(texts[i], &bad) == -EBADMSG);
		CHECK(!bad);
	}
	CHECK(badblocks_parse("8 1\n\0", 5, &bad) == -EBADMSG);
	CHECK(!bad);
}

TEST(overlap_is_by_byte_and_half_open)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	REQUIRE(parse("2 2\n8 1\n", &bad) == 1);
	CHECK(!badblocks_overlap(bad, (struct range){ 0, 1024 }));
	CHECK(badblocks_overlap(bad, (struct range){ 0, 1025 }));
	CHECK(badblocks_overlap(bad, (struct range){ 2047, 1 }));
	CHECK(!badblocks_overlap(bad, (struct range){ 2048, 2048 }));
	CHECK(badblocks_overlap(bad, (struct range){ 2048, 2049 }));
	CHECK(!badblocks_overlap(bad, (struct range){ 4608, 4096 }));
}

TEST(what_is_contained_is_so_to_the_last_byte)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	REQUIRE(badblocks_new(&bad) == 0);
	REQUIRE(badblocks_add(bad, (struct range){ 4096, 4096 }) == 0);
	REQUIRE(badblocks_add(bad, (struct range){ 8192, 512 }) == 0);
	badblocks_normalize(bad);
	CHECK(badblocks_contain(bad, (struct range){ 4096, 4608 }));
	CHECK(badblocks_contain(bad, (struct range){ 8191, 1 }));
	CHECK(!badblocks_contain(bad, (struct range){ 4096, 4609 }));
	CHECK(!badblocks_contain(bad, (struct range){ 4095, 2 }));
	CHECK(!badblocks_contain(bad, (struct range){ 8704, 1 }));
}

TEST(only_what_is_missing_is_added)
{
	_cleanup_(badblocks_freep) struct badblocks *known = NULL, *missing = NULL;

	REQUIRE(parse("2 2\n8 1\n", &known) == 1);
	REQUIRE(badblocks_new(&missing) == 0);
	CHECK(badblocks_add_missing(missing, (struct range){ 1024, 1024 }, known) == 0);
	CHECK(missing->n_ranges == 0);
	CHECK(badblocks_add_missing(missing, (struct range){ 0, 16 * SECTOR_BYTES }, known) == 1);
	CHECK(missing->n_ranges == 3 && is(missing, 0, 0, 2) && is(missing, 1, 4, 4) &&
	      is(missing, 2, 9, 7));
}

TEST(an_empty_or_wrapping_range_cannot_be_added)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;

	REQUIRE(badblocks_new(&bad) == 0);
	CHECK(badblocks_add(bad, (struct range){ 512, 0 }) == -EINVAL);
	CHECK(badblocks_add(bad, (struct range){ UINT64_MAX, 2 }) == -EINVAL);
	CHECK(bad->n_ranges == 0);
	badblocks_normalize(bad);
	CHECK(bad->n_ranges == 0);
}

TEST(a_file_is_read_from_its_start_each_time)
{
	char path[] = "/tmp/test-badblocks-XXXXXX", file[64];
	_cleanup_(closep) int dir_fd = -1, fd = -1;
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL, *again = NULL;

	REQUIRE(mkdtemp(path));
	snprintf(file, sizeof(file), "%s/badblocks", path);
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(badblocks_read(dir_fd, &bad) == -ENOENT && !bad);

	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(write(fd, "8 1\n", 4) == 4);
	CHECK(badblocks_read(dir_fd, &bad) == 1);
	CHECK(badblocks_read_fd(fd, &again) == 1);
	CHECK(bad && again && is(bad, 0, 8, 1) && is(again, 0, 8, 1));
	unlink(file);
	rmdir(path);
}

TEST_MAIN()
