// SPDX-License-Identifier: GPL-2.0-or-later
/* Every good sector is saved, every bad one is zeros and counted, to the last byte of the file. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "repair/salvage.h"
#include "scratch.h"
#include "test.h"

#define START 0x80000000ULL

static uint32_t mask_of(uint64_t start, uint64_t length)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = calloc(1, sizeof(*bad));

	CHECK(badblocks_add(bad, (struct range){ start, length }) == 0);
	return salvage_bad_sectors(bad, START);
}

TEST(a_range_marks_every_sector_that_it_touches)
{
	CHECK(mask_of(START, 512) == 0x01);
	CHECK(mask_of(START + 1000, 100) == 0x06);
	CHECK(mask_of(START, 4096) == 0xff);
	CHECK(mask_of(START - 4096, 4096) == 0);
	CHECK(mask_of(START - 512, 513) == 0x01);
	CHECK(mask_of(START + 4095, 4096) == 0x80);
}

static int device_of_two_pages(void)
{
	int fd = memfd_create("device", MFD_CLOEXEC);
	uint8_t page[PAGE_BYTES];

	memset(page, 'a', sizeof(page));
	CHECK(pwrite(fd, page, sizeof(page), 0) == sizeof(page));
	memset(page, 'b', sizeof(page));
	CHECK(pwrite(fd, page, sizeof(page), sizeof(page)) == sizeof(page));
	return fd;
}

TEST(good_sectors_are_saved_and_bad_ones_are_zeros)
{
	_cleanup_(closep) int fd = device_of_two_pages();
	struct salvaged_page page;

	REQUIRE(salvage_from_device(fd, PAGE_BYTES, START, 0x04, &page) == 0);
	CHECK(page.phys_start == START);
	CHECK(page.bad_sectors == 0x04);
	for (unsigned i = 0; i < PAGE_BYTES; i++)
		if (page.data[i] != (i / 512 == 2 ? 0 : 'b')) {
			CHECK(!"every byte is the original or a zero");
			break;
		}
}

TEST(a_sector_that_cannot_be_read_is_lost_too)
{
	_cleanup_(closep) int fd = device_of_two_pages();
	struct salvaged_page page;

	/* The device ends in the middle of the page. */
	REQUIRE(ftruncate(fd, PAGE_BYTES + 1024) == 0);
	REQUIRE(salvage_from_device(fd, PAGE_BYTES, START, 0, &page) == 0);
	CHECK(page.bad_sectors == 0xfc);
	CHECK(page.data[1023] == 'b' && page.data[1024] == 0);
}

TEST(without_leave_to_read_the_page_is_lost_whole)
{
	struct salvaged_page page;

	REQUIRE(salvage_from_device(-1, 0, START, 0x01, &page) == 0);
	CHECK(page.bad_sectors == 0xff);
	CHECK(salvage_lost_bytes(&page, PAGE_BYTES) == PAGE_BYTES);
}

TEST(lost_bytes_end_where_the_file_ends)
{
	struct salvaged_page page = { .bad_sectors = 0x0c };

	CHECK(salvage_lost_bytes(&page, PAGE_BYTES) == 1024);
	CHECK(salvage_lost_bytes(&page, 1808) == 1808 - 1024);
	CHECK(salvage_lost_bytes(&page, 1024) == 0);
	CHECK(salvage_lost_bytes(&page, 1025) == 1);
}

static bool is_in_cache(int fd)
{
	void *mapped = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	unsigned char resident = 0;

	CHECK(mapped != MAP_FAILED && mincore(mapped, PAGE_BYTES, &resident) == 0);
	munmap(mapped, PAGE_BYTES);
	return resident & 1;
}

TEST(what_is_in_the_cache_is_saved_and_nothing_is_read_into_it)
{
	_cleanup_(scratch_done) struct scratch s = scratch_new();
	_cleanup_(closep) int fd = open(scratch_file(&s, "file"), O_RDWR | O_CREAT | O_CLOEXEC,
					0600);
	struct salvaged_page page;
	uint8_t bytes[1000];

	memset(bytes, 'c', sizeof(bytes));
	REQUIRE(fd >= 0 && pwrite(fd, bytes, sizeof(bytes), 0) == sizeof(bytes));
	CHECK(salvage_from_cache(fd, 0, sizeof(bytes), START, &page) == 1);
	CHECK(page.bad_sectors == 0 && page.phys_start == START);
	CHECK(!memcmp(page.data, bytes, sizeof(bytes)) && page.data[sizeof(bytes)] == 0);

	CHECK(fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
	if (is_in_cache(fd))
		return; /* where it is in memory alone, it can't leave that */
	CHECK(salvage_from_cache(fd, 0, sizeof(bytes), START, &page) == 0);
	usleep(200000); /* what was read ahead would be there by now */
	CHECK(!is_in_cache(fd));
}

TEST_MAIN()
