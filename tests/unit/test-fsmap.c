// SPDX-License-Identifier: GPL-2.0-or-later
/* fsmap: from the kernel's records to pieces that account for every byte. */
#include <errno.h>

#include "owners/fsmap.h"
#include "owners/realtime.h"
#include "test.h"

#define KIB UINT64_C(1024)

static const struct fsmap_view xfs = {
	.filesystem = "xfs",
	.size_bytes = 1024 * KIB * KIB,
	.names_owners = true,
};

static struct fsmap data(uint64_t physical, uint64_t length, uint64_t inode, uint64_t offset)
{
	return (struct fsmap){
		.fmr_physical = physical,
		.fmr_length = length,
		.fmr_owner = inode,
		.fmr_offset = offset,
	};
}

static struct fsmap special(uint64_t physical, uint64_t length, uint64_t owner)
{
	return (struct fsmap){
		.fmr_physical = physical,
		.fmr_length = length,
		.fmr_owner = owner,
		.fmr_flags = FMR_OF_SPECIAL_OWNER,
	};
}

static struct fsmap_answer answer_of(const struct fsmap_view *view, struct range asked,
				     const struct fsmap *records, size_t n)
{
	struct fsmap_answer answer = {};

	for (size_t i = 0; i < n; i++)
		if (fsmap_answer_add(&answer, view, &records[i], asked) < 0)
			exit(99);
	if (fsmap_answer_finish(&answer, view, asked) < 0)
		exit(99);
	return answer;
}

#define ANSWER(view, asked, ...)                                                                   \
	answer_of(view, asked, (const struct fsmap[]){ __VA_ARGS__ },                              \
		  sizeof((const struct fsmap[]){ __VA_ARGS__ }) / sizeof(struct fsmap))

static bool piece_is(const struct fsmap_piece *p, enum owner_kind kind, uint64_t inode,
		     uint64_t start, uint64_t length, uint64_t file_offset, bool shared)
{
	if (p->kind == kind && p->inode == inode && p->bytes.start_bytes == start &&
	    p->bytes.length_bytes == length && p->file_offset_bytes == file_offset &&
	    p->shared == shared)
		return true;
	printf("# is: %s inode %llu, %llu+%llu, file offset %llu%s\n", owner_kind_name(p->kind),
	       (unsigned long long)p->inode, (unsigned long long)p->bytes.start_bytes,
	       (unsigned long long)p->bytes.length_bytes, (unsigned long long)p->file_offset_bytes,
	       p->shared ? ", shared" : "");
	return false;
}

TEST(one_sector_of_a_long_extent_is_clipped_out)
{
	_cleanup_(fsmap_answer_done) struct fsmap_answer a =
		ANSWER(&xfs, ((struct range){ 96 * KIB + 512, 512 }),
		       data(64 * KIB, 64 * KIB, 131, 8 * KIB));

	REQUIRE(a.n == 1);
	CHECK(piece_is(&a.pieces[0], OWNER_FILE_DATA, 131, 96 * KIB + 512, 512, 40 * KIB + 512,
		       false));
}

TEST(every_owner_of_a_shared_block_is_named)
{
	_cleanup_(fsmap_answer_done) struct fsmap_answer a = ANSWER(
		&xfs, ((struct range){ 64 * KIB, 4 * KIB }), data(64 * KIB, 64 * KIB, 131, 0),
		data(64 * KIB, 64 * KIB, 132, 4096 * KIB), data(64 * KIB, 8 * KIB, 133, 16 * KIB));

	REQUIRE(a.n == 3);
	CHECK(piece_is(&a.pieces[0], OWNER_FILE_DATA, 131, 64 * KIB, 4 * KIB, 0, true));
	CHECK(piece_is(&a.pieces[1], OWNER_FILE_DATA, 132, 64 * KIB, 4 * KIB, 4096 * KIB, true));
	CHECK(piece_is(&a.pieces[2], OWNER_FILE_DATA, 133, 64 * KIB, 4 * KIB, 16 * KIB, true));
}

/* The kernel sets FMR_OF_SHARED for all of a record when one of its blocks is shared. */
TEST(sharing_holds_for_the_blocks_that_are_shared_and_no_others)
{
	struct fsmap whole = data(0, 32 * KIB, 131, 0);
	_cleanup_(fsmap_answer_done) struct fsmap_answer a = {};

	whole.fmr_flags = FMR_OF_SHARED;
	a = ANSWER(&xfs, ((struct range){ 0, 32 * KIB }), whole, data(8 * KIB, 4 * KIB, 132, 0));
	REQUIRE(a.n == 4);
	CHECK(piece_is(&a.pieces[0], OWNER_FILE_DATA, 131, 0, 8 * KIB, 0, false));
	CHECK(piece_is(&a.pieces[1], OWNER_FILE_DATA, 131, 8 * KIB, 4 * KIB, 8 * KIB, true));
	CHECK(piece_is(&a.pieces[2], OWNER_FILE_DATA, 132, 8 * KIB, 4 * KIB, 0, true));
	CHECK(piece_is(&a.pieces[3], OWNER_FILE_DATA, 131, 12 * KIB, 20 * KIB, 12 * KIB, false));
}

TEST(a_flag_alone_does_not_make_a_block_shared)
{
	struct fsmap whole = data(0, 32 * KIB, 131, 0);
	_cleanup_(fsmap_answer_done) struct fsmap_answer a = {};

	whole.fmr_flags = FMR_OF_SHARED;
	a = ANSWER(&xfs, ((struct range){ 4 * KIB, 4 * KIB }), whole);
	REQUIRE(a.n == 1);
	CHECK(!a.pieces[0].shared);
}

TEST(a_file_that_uses_a_block_twice_shares_it_with_itself)
{
	_cleanup_(fsmap_answer_done) struct fsmap_answer a =
		ANSWER(&xfs, ((struct range){ 0, 4 * KIB }), data(0, 4 * KIB, 131, 64 * KIB),
		       data(0, 4 * KIB, 131, 0));

	REQUIRE(a.n == 2);
	CHECK(piece_is(&a.pieces[0], OWNER_FILE_DATA, 131, 0, 4 * KIB, 0, true));
	CHECK(piece_is(&a.pieces[1], OWNER_FILE_DATA, 131, 0, 4 * KIB, 64 * KIB, true));
}

TEST(records_that_only_touch_the_range_are_left_out)
{
	_cleanup_(fsmap_answer_done) struct fsmap_answer a =
		ANSWER(&xfs, ((struct range){ 8 * KIB, 4 * KIB }), data(0, 8 * KIB, 131, 0),
		       data(8 * KIB, 4 * KIB, 132, 0), data(12 * KIB, 4 * KIB, 133, 0));

	REQUIRE(a.n == 1);
	CHECK(a.pieces[0].inode == 132);
}

TEST(what_is_not_data_is_told_from_data)
{
	struct fsmap r[4] = { data(0, 4 * KIB, 131, 0), data(4 * KIB, 4 * KIB, 131, 0),
			      data(8 * KIB, 4 * KIB, 131, 999 * KIB),
			      data(12 * KIB, 4 * KIB, 131, 0) };
	_cleanup_(fsmap_answer_done) struct fsmap_answer a = {};

	r[0].fmr_flags = FMR_OF_PREALLOC;
	r[1].fmr_flags = FMR_OF_ATTR_FORK;
	r[2].fmr_flags = FMR_OF_EXTENT_MAP;
	r[3].fmr_flags = FMR_OF_ATTR_FORK | FMR_OF_EXTENT_MAP;
	a = answer_of(&xfs, (struct range){ 0, 16 * KIB }, r, 4);
	REQUIRE(a.n == 4);
	CHECK(piece_is(&a.pieces[0], OWNER_UNWRITTEN, 131, 0, 4 * KIB, 0, false));
	CHECK(a.pieces[0].unwritten);
	CHECK(piece_is(&a.pieces[1], OWNER_XATTR, 131, 4 * KIB, 4 * KIB, 0, false));
	CHECK(piece_is(&a.pieces[2], OWNER_EXTENT_MAP, 131, 8 * KIB, 4 * KIB, 0, false));
	CHECK(piece_is(&a.pieces[3], OWNER_EXTENT_MAP, 131, 12 * KIB, 4 * KIB, 0, false));
}

TEST(special_owners_have_their_kinds)
{
	static const struct {
		uint64_t owner;
		enum owner_kind kind;
	} known[] = {
		{ FMR_OWN_FREE, OWNER_FREE },
		{ FMR_OWN_UNKNOWN, OWNER_UNKNOWN },
		{ FMR_OWN_METADATA, OWNER_METADATA },
		{ FMR_OWNER('X', 1), OWNER_METADATA }, /* static */
		{ FMR_OWNER('X', 2), OWNER_LOG },
		{ FMR_OWNER('X', 3), OWNER_METADATA }, /* per group */
		{ FMR_OWNER('X', 4), OWNER_METADATA }, /* inode btree */
		{ FMR_OWNER('X', 5), OWNER_METADATA }, /* inodes */
		{ FMR_OWNER('X', 6), OWNER_METADATA }, /* refcount btree */
		{ FMR_OWNER('X', 7), OWNER_UNKNOWN }, /* copy on write staging */
		{ FMR_OWNER('X', 8), OWNER_UNKNOWN }, /* defective */
		{ FMR_OWNER('X', 99), OWNER_UNKNOWN }, /* of a kernel to come */
		{ FMR_OWNER('f', 1), OWNER_METADATA },
		{ FMR_OWNER('f', 4), OWNER_METADATA },
		{ FMR_OWNER('f', 5), OWNER_UNKNOWN },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		_cleanup_(fsmap_answer_done) struct fsmap_answer a = ANSWER(
			&xfs, ((struct range){ 0, 512 }), special(0, 4 * KIB, known[i].owner));

		REQUIRE(a.n == 1);
		CHECK(a.pieces[0].kind == known[i].kind);
		CHECK(a.pieces[0].inode == 0);
		CHECK(a.pieces[0].staging == (known[i].owner == FMR_OWNER('X', 7)));
	}
}

TEST(silence_of_a_reverse_map_means_free)
{
	_cleanup_(fsmap_answer_done) struct fsmap_answer a =
		answer_of(&xfs, (struct range){ 4 * KIB, 4 * KIB }, NULL, 0);

	REQUIRE(a.n == 1);
	CHECK(piece_is(&a.pieces[0], OWNER_FREE, 0, 4 * KIB, 4 * KIB, 0, false));
}

TEST(silence_without_a_reverse_map_means_nothing)
{
	struct fsmap_view no_map = xfs;
	_cleanup_(fsmap_answer_done) struct fsmap_answer a = {};

	no_map.names_owners = false;
	a = answer_of(&no_map, (struct range){ 4 * KIB, 4 * KIB }, NULL, 0);
	REQUIRE(a.n == 1);
	CHECK(a.pieces[0].kind == OWNER_UNKNOWN);
}

TEST(gaps_before_between_and_after_are_accounted_for)
{
	_cleanup_(fsmap_answer_done) struct fsmap_answer a =
		ANSWER(&xfs, ((struct range){ 0, 20 * KIB }), data(4 * KIB, 4 * KIB, 131, 0),
		       data(12 * KIB, 4 * KIB, 132, 0));
	uint64_t at = 0;

	REQUIRE(a.n == 5);
	for (size_t i = 0; i < a.n; i++) {
		CHECK(a.pieces[i].bytes.start_bytes == at);
		CHECK((a.pieces[i].kind == OWNER_FREE) == !(i % 2));
		at = range_end(a.pieces[i].bytes);
	}
	CHECK(at == 20 * KIB);
}

TEST(bytes_past_the_end_of_the_filesystem_are_not_its_free_space)
{
	_cleanup_(fsmap_answer_done) struct fsmap_answer a =
		answer_of(&xfs, (struct range){ xfs.size_bytes - 4 * KIB, 8 * KIB }, NULL, 0);

	REQUIRE(a.n == 2);
	CHECK(piece_is(&a.pieces[0], OWNER_FREE, 0, xfs.size_bytes - 4 * KIB, 4 * KIB, 0, false));
	CHECK(piece_is(&a.pieces[1], OWNER_RAW, 0, xfs.size_bytes, 4 * KIB, 0, false));
	CHECK(a.pieces[1].beyond);
}

TEST(a_record_that_runs_past_the_largest_address_still_owns_its_bytes)
{
	_cleanup_(fsmap_answer_done) struct fsmap_answer a =
		ANSWER(&xfs, ((struct range){ 0, 8 * KIB }), data(4 * KIB, UINT64_MAX, 131, 0));

	REQUIRE(a.n == 2);
	CHECK(piece_is(&a.pieces[0], OWNER_FREE, 0, 0, 4 * KIB, 0, false));
	CHECK(piece_is(&a.pieces[1], OWNER_FILE_DATA, 131, 4 * KIB, 4 * KIB, 0, false));
}

TEST(an_empty_record_owns_nothing)
{
	_cleanup_(fsmap_answer_done) struct fsmap_answer a =
		ANSWER(&xfs, ((struct range){ 0, 4 * KIB }), data(0, 0, 132, 0));

	REQUIRE(a.n == 1);
	CHECK(a.pieces[0].kind == OWNER_FREE);
}

TEST(a_flood_of_records_is_cut_and_says_so)
{
	struct range asked = { 0, 64 * KIB * KIB };
	_cleanup_(fsmap_answer_done) struct fsmap_answer a = {};

	for (uint64_t i = 0; i < FSMAP_MAX_PIECES + 100; i++) {
		struct fsmap r = data(i * 8 * KIB, 4 * KIB, 131 + i, 0);

		REQUIRE(fsmap_answer_add(&a, &xfs, &r, asked) == 0);
	}
	REQUIRE(fsmap_answer_finish(&a, &xfs, asked) == 0);
	CHECK(a.truncated);
	CHECK(a.n == FSMAP_MAX_PIECES);
	for (size_t i = 0; i < a.n; i++) /* no gap is called free, what was cut may be in it */
		CHECK(a.pieces[i].kind == OWNER_FILE_DATA);
}

TEST(on_a_realtime_device_only_what_is_said_to_be_free_is)
{
	const struct fsmap_view realtime = {
		.filesystem = "xfs",
		.size_bytes = REALTIME_START + 1024 * KIB,
		.device_start = REALTIME_START,
	};
	_cleanup_(fsmap_answer_done) struct fsmap_answer a =
		ANSWER(&realtime, ((struct range){ REALTIME_START + 960 * KIB, 128 * KIB }),
		       special(REALTIME_START, 976 * KIB, FMR_OWN_FREE),
		       special(REALTIME_START + 976 * KIB, 16 * KIB, FMR_OWN_UNKNOWN));

	REQUIRE(a.n == 4);
	CHECK(piece_is(&a.pieces[0], OWNER_FREE, 0, REALTIME_START + 960 * KIB, 16 * KIB, 0,
		       false));
	CHECK(piece_is(&a.pieces[1], OWNER_UNKNOWN, 0, REALTIME_START + 976 * KIB, 16 * KIB, 0,
		       false));
	CHECK(piece_is(&a.pieces[2], OWNER_UNKNOWN, 0, REALTIME_START + 992 * KIB, 32 * KIB, 0,
		       false));
	CHECK(piece_is(&a.pieces[3], OWNER_RAW, 0, REALTIME_START + 1024 * KIB, 64 * KIB, 0,
		       false));
	CHECK(a.pieces[3].beyond);
}

/* Layouts of pool files as persistent memory libraries make them: large preallocated files, written
 * in places. */
TEST(a_pool_file_that_is_written_in_places)
{
	struct fsmap r[3] = { data(2048 * KIB, 2048 * KIB, 131, 0),
			      data(4096 * KIB, 6144 * KIB, 131, 2048 * KIB),
			      data(10240 * KIB, 4 * KIB, 131, 8192 * KIB) };
	_cleanup_(fsmap_answer_done) struct fsmap_answer a = {};

	r[1].fmr_flags = FMR_OF_PREALLOC;
	a = answer_of(&xfs, (struct range){ 4092 * KIB, 6152 * KIB }, r, 3);
	REQUIRE(a.n == 3);
	CHECK(piece_is(&a.pieces[0], OWNER_FILE_DATA, 131, 4092 * KIB, 4 * KIB, 2044 * KIB, false));
	CHECK(piece_is(&a.pieces[1], OWNER_UNWRITTEN, 131, 4096 * KIB, 6144 * KIB, 2048 * KIB,
		       false));
	CHECK(piece_is(&a.pieces[2], OWNER_FILE_DATA, 131, 10240 * KIB, 4 * KIB, 8192 * KIB,
		       false));
}

TEST_MAIN()
