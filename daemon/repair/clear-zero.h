/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clear-zero: clear the errors of a device-dax page by command of the bus, and write zeros there.
 *
 * A device-dax has no block device through which the driver would clear: so the command first, and
 * then the zeros through the mapping of the device. Who could store to it stands meanwhile. A page
 * that a machine check may have hit is not touched: see clear.h.
 */
#pragma once

#include "repair/repair.h"
#include "repair/result.h"

/* Same contract as remap_page(). */
int clear_zero_page(const struct repair_job *job, struct incident *in, uint64_t phys_start,
		    struct page_result *ret);
