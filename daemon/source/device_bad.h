/* SPDX-License-Identifier: GPL-2.0-or-later */
/* device_bad: which bytes of a block device are known to be bad, now. */
#pragma once

#include "cleanup.h"
#include "locate/address_map.h"
#include "locate/stack.h"
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
 * Of one block device, a disk, a partition or a volume: bytes from its start, normalized. *ret_why:
 * why there may be more, a sentence that lasts until the next question; NULL where these are all.
 * 1; 0: a disk of it keeps no list; or negative errno.
 */
int device_bad_of(struct device_bad *d, const char *name, struct badblocks **ret,
		  const char **ret_why);

/* stack_below(), for the devices as they were when the lists were read. */
int device_bad_place(const struct device_bad *d, const char *name, struct range bytes,
		     struct stack_pieces *ret);
