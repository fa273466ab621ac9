/* SPDX-License-Identifier: GPL-2.0-or-later */
/* device_bad: which bytes of a block device are known to be bad, now. */
#pragma once

#include "cleanup.h"
#include "locate/address_map.h"
#include "source/badblocks.h"

struct device_bad;

/*
 * Read all lists of the machine. The map must outlive *ret. 0 or negative errno. Needs root, as
 * physical addresses are hidden from others.
 */
int device_bad_read(const struct address_map *map, struct device_bad **ret);
struct device_bad *device_bad_free(struct device_bad *d);	/* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct device_bad *, device_bad_free);

/*
 * Of one block device, a disk or a partition: bytes from its start, normalized. *ret_why: why there
 * may be more, a sentence that lasts as long as d; NULL where these are all. 1; 0: the device
 * keeps no list, and *ret is empty; or negative errno.
 */
int device_bad_of(const struct device_bad *d, const char *name, struct badblocks **ret,
		  const char **ret_why);
