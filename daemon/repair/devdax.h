/* SPDX-License-Identifier: GPL-2.0-or-later */
/* devdax: one page of a device-dax, mapped, to be zeroed where it was lost. */
#pragma once

#include <stdint.h>

struct devdax_page {
	void *mapping; /* NULL: not mapped */
	uint64_t mapping_bytes;
	uint8_t *page;
};

/*
 * Map the page at this offset of "dax0.0". Nothing is read. 0; -EOPNOTSUPP: this processor can't be
 * told to put a store on the media; or another negative errno. Unmap with devdax_unmap() in any
 * case.
 */
int devdax_map(const char *chardev, uint64_t offset_bytes, struct devdax_page *ret);
void devdax_unmap(struct devdax_page *p);

/* Zeros in these 512-byte sectors of it, on the media when it returns. 0, or -EIO: they do not read
 * as zeros. They must not be poisoned any more. */
int devdax_zero(struct devdax_page *p, uint32_t sectors);
