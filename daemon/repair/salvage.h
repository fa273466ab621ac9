/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * salvage: save the good 512-byte sectors of a bad page.
 *
 * Two ways. From the page cache of a file that is not DAX, where the whole page may still be good.
 * From the block device, sector by sector with O_DIRECT, read-only; never for a page that a machine
 * check has hit since boot or may have (mce_history.h): the kernel oopses there, and the page is
 * lost whole.
 */
#pragma once

#include <stdint.h>

#include "ledger/ledger.h"
#include "source/badblocks.h"

/* Bit n is set where sector n of the page is bad, by the lists alone. */
uint32_t salvage_bad_sectors(const struct badblocks *bad, uint64_t phys_start);

/*
 * Fill *ret from the device: sectors that are listed, or that give an error, are zeros and marked.
 * bdev_fd was opened with O_DIRECT; dev_offset is that of the page on it. bdev_fd < 0: nothing may
 * be read, all is lost. 0, -ENOMEM.
 */
int salvage_from_device(int bdev_fd, uint64_t dev_offset_bytes, uint64_t phys_start,
			uint32_t bad_sectors, struct salvaged_page *ret);

/* Fill *ret from what the page cache holds; the device is not touched. The offset is that of a page,
 * length_bytes may be short at the end of the file; the rest is zeros. 1: saved whole; 0: not in the
 * cache. */
int salvage_from_cache(int file_fd, uint64_t file_offset_bytes, uint32_t length_bytes,
		       uint64_t phys_start, struct salvaged_page *ret);

/* How many of the first length_bytes are lost; and were, but a hook gave them back. */
uint64_t salvage_lost_bytes(const struct salvaged_page *page, uint32_t length_bytes);
uint64_t salvage_restored_bytes(const struct salvaged_page *page, uint32_t length_bytes);
