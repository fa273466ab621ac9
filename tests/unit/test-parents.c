// SPDX-License-Identifier: GPL-2.0-or-later
/* parents: records are made by hand, and cut and bent as no kernel should. */
#include <errno.h>
#include <stdint.h>

#include "kernel-abi.h"
#include "owners/parents.h"
#include "test.h"

/* Room for a record with a name of `room` bytes, at `at` of the buffer. Returns its end. */
static size_t put(unsigned char *buffer, size_t at, uint64_t inode, const char *name, size_t room)
{
	struct xfs_abi_parent record = {
		.handle = { .fid_length = XFS_ABI_FID_LENGTH, .generation = 7, .inode = inode },
		.record_bytes = (uint32_t)(sizeof(record) + room),
	};

	memcpy(buffer + at, &record, sizeof(record));
	memcpy(buffer + at + sizeof(record), name, strnlen(name, room));
	return at + sizeof(record) + room;
}

static int first_of(const unsigned char *buffer, size_t n_bytes)
{
	struct parent_record record;
	size_t at = 0;

	return parent_record_next(buffer, n_bytes, &at, &record);
}

TEST(the_numbers_are_the_kernels)
{
	CHECK(XFS_ABI_GETPARENTS_BY_HANDLE == 0xc040583f);
}

TEST(all_records_are_read_and_the_last_reaches_to_the_end)
{
	unsigned char buffer[256] = { 0 };
	struct parent_record record;
	size_t at = 0, end;

	end = put(buffer, 0, 131, "f", 8);
	put(buffer, end, 128, "another name", sizeof(buffer) - end - 32);
	CHECK(parent_record_next(buffer, sizeof(buffer), &at, &record) == 1);
	CHECK(record.inode == 131 && record.generation == 7);
	CHECK_STREQ(record.name, "f");
	CHECK(parent_record_next(buffer, sizeof(buffer), &at, &record) == 1);
	CHECK(record.inode == 128);
	CHECK_STREQ(record.name, "another name");
	CHECK(parent_record_next(buffer, sizeof(buffer), &at, &record) == 0);
}

TEST(any_byte_can_be_in_a_name)
{
	unsigned char buffer[64] = { 0 };
	struct parent_record record;
	size_t at = 0;

	put(buffer, 0, 131, "new\nline \xff\\", 32);
	CHECK(parent_record_next(buffer, sizeof(buffer), &at, &record) == 1);
	CHECK_STREQ(record.name, "new\nline \xff\\");
}

TEST(zeros_are_the_end)
{
	unsigned char buffer[64] = { 0 };

	CHECK(first_of(buffer, sizeof(buffer)) == 0);
	CHECK(first_of(buffer, 0) == 0);
}

TEST(a_record_that_leaves_the_buffer_is_refused)
{
	unsigned char buffer[64] = { 0 };

	put(buffer, 0, 131, "f", 8);
	CHECK(first_of(buffer, 40) == 1);
	CHECK(first_of(buffer, 39) == -EBADMSG);
	CHECK(first_of(buffer, 31) == -EBADMSG);
	put(buffer, 0, 131, "f", UINT32_MAX - sizeof(struct xfs_abi_parent));
	CHECK(first_of(buffer, sizeof(buffer)) == -EBADMSG);
}

TEST(a_record_without_room_for_a_name_is_refused)
{
	unsigned char buffer[64] = { 0 };
	struct xfs_abi_parent record = { .record_bytes = sizeof(record) };

	memcpy(buffer, &record, sizeof(record));
	CHECK(first_of(buffer, sizeof(buffer)) == -EBADMSG);
	record.record_bytes = 1;
	memcpy(buffer, &record, sizeof(record));
	CHECK(first_of(buffer, sizeof(buffer)) == -EBADMSG);
}

TEST(what_is_no_name_is_refused)
{
	static const char *const no_names[] = { "", ".", "..", "a/b", "/", "no end!!" };

	for (size_t i = 0; i < sizeof(no_names) / sizeof(*no_names); i++) {
		unsigned char buffer[64];

		memset(buffer, 'x', sizeof(buffer));
		put(buffer, 0, 131, no_names[i], 8);
		if (strlen(no_names[i]) < 8)
			buffer[32 + strlen(no_names[i])] = '\0';
		CHECK(first_of(buffer, sizeof(buffer)) == -EBADMSG);
	}
}

TEST_MAIN()
