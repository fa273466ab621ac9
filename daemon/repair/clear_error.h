/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clear_error: the CLEAR_ERROR command of an NVDIMM bus, through libndctl. */
#pragma once

#include <stdint.h>

#include "range.h"

/* The unit in which this bus clears around this address. 0; -ENODEV: no such bus; -EOPNOTSUPP: it
 * can't clear. */
int clear_error_unit(const char *bus, struct range phys, uint32_t *ret_unit_bytes);

/*
 * Clear. phys is aligned to the unit. *ret_cleared_bytes may be less than asked. 0; -EIO: the
 * platform refused; other negative errno: the command could not be sent.
 */
int clear_error_submit(const char *bus, struct range phys, uint64_t *ret_cleared_bytes);
