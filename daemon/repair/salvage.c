// SPDX-License-Identifier: GPL-2.0-or-later
/* salvage: see salvage.h. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "range.h"
#include "repair/salvage.h"

#define PAGE_SECTORS (PAGE_BYTES / SECTOR_BYTES)
#define ALL_SECTORS  ((1u << PAGE_SECTORS) - 1)

uint32_t salvage_bad_sectors(const struct badblocks *bad, uint64_t phys_start)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < PAGE_SECTORS; i++)
		if (badblocks_overlap(
			    bad, (struct range){ phys_start + i * SECTOR_BYTES, SECTOR_BYTES }))
			mask |= 1u << i;
	return mask;
}

static void start(struct salvaged_page *page, uint64_t phys_start, uint32_t bad_sectors)
{
	memset(page, 0, sizeof(*page));
	page->phys_start = phys_start;
	page->length_bytes = PAGE_BYTES;
	page->bad_sectors = bad_sectors;
}

int salvage_from_device(int bdev_fd, uint64_t dev_offset_bytes, uint64_t phys_start,
			uint32_t bad_sectors, struct salvaged_page *ret)
{
	_cleanup_(freep) void *sector = NULL;

	if (posix_memalign(&sector, PAGE_BYTES, SECTOR_BYTES) != 0)
		return -ENOMEM;
	start(ret, phys_start, bdev_fd < 0 ? ALL_SECTORS : bad_sectors);

	for (unsigned i = 0; i < PAGE_SECTORS; i++) {
		if (ret->bad_sectors & 1u << i)
			continue;
		if (pread(bdev_fd, sector, SECTOR_BYTES, dev_offset_bytes + i * SECTOR_BYTES) !=
		    SECTOR_BYTES) {
			ret->bad_sectors |= 1u << i;
			continue;
		}
		memcpy(ret->data + i * SECTOR_BYTES, sector, SECTOR_BYTES);
	}
	return 0;
}

/* Is the page that begins there in the cache, and read whole? Mapped, it is not loaded for that. */
static bool is_cached(int fd, uint64_t page_offset_bytes)
{
	void *mapped = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, (off_t)page_offset_bytes);
	unsigned char resident = 0;

	if (mapped == MAP_FAILED)
		return false;
	if (mincore(mapped, PAGE_BYTES, &resident) < 0)
		resident = 0;
	munmap(mapped, PAGE_BYTES);
	return resident & 1;
}

/*
 * RWF_NOWAIT alone does not keep from the device: 6.12 reads ahead for it and waits for a pmem disk
 * (measured), 6.1 does not. It is for a page that leaves the cache between the two.
 */
int salvage_from_cache(int file_fd, uint64_t file_offset_bytes, uint32_t length_bytes,
		       uint64_t phys_start, struct salvaged_page *ret)
{
	struct iovec into = { ret->data, length_bytes };

	start(ret, phys_start, 0);
	if (!is_cached(file_fd, file_offset_bytes) ||
	    preadv2(file_fd, &into, 1, file_offset_bytes, RWF_NOWAIT) != (ssize_t)length_bytes)
		return 0;
	return 1;
}

static uint64_t count_bytes(uint32_t sectors, uint32_t length_bytes)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < PAGE_SECTORS; i++) {
		uint32_t start_bytes = i * SECTOR_BYTES;

		if (!(sectors & 1u << i) || start_bytes >= length_bytes)
			continue;
		n += length_bytes - start_bytes < SECTOR_BYTES ? length_bytes - start_bytes
							       : SECTOR_BYTES;
	}
	return n;
}

uint64_t salvage_lost_bytes(const struct salvaged_page *page, uint32_t length_bytes)
{
	return count_bytes(page->bad_sectors, length_bytes);
}

uint64_t salvage_restored_bytes(const struct salvaged_page *page, uint32_t length_bytes)
{
	return count_bytes(page->restored_sectors, length_bytes);
}
