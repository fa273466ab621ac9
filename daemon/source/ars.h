/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ars: what the last address range scrub found, from the platform itself.
 *
 * The kernel's badblocks lists hold 512 ranges and show one page; the platform's records have no
 * such end. But they are as old as that scrub: what was found or healed since, they do not know.
 */
#pragma once

#include "range.h"
#include "source/badblocks.h"

/*
 * Records of bus ("ndbus0") that meet a physical range, clipped to it, whole sectors, sorted; `cut`
 * if the platform could not tell all. Nothing is started. 0, -EBUSY: a scrub runs, -ENODATA: none
 * ever did, -EOPNOTSUPP: this bus has none, -ENODEV: no such bus, or another negative errno.
 */
int ars_records(const char *bus, struct range phys, struct badblocks **ret);
