/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dm_table: how one device-mapper device is put together from others.
 *
 * Only targets that keep their blocks at places that the table tells can be followed: linear and
 * striped, of which volumes of LVM are made. All others are known by name alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "range.h"

enum dm_target_kind {
	DM_TARGET_STRIPED, /* linear too: one leg, one chunk */
	DM_TARGET_EMPTY, /* zero, error: no device below */
	DM_TARGET_OPAQUE, /* snapshot, crypt, thin, raid, ...: moves, shares or encodes blocks */
};

/* Chunks go round the legs: chunk n of the target is chunk n / n_legs of leg n % n_legs. */
struct dm_leg {
	dev_t dev;
	uint64_t start_bytes; /* of the target's share, on that device */
};

struct dm_target {
	struct range bytes; /* of the dm device */
	enum dm_target_kind kind;
	char type[16]; /* "linear", as the kernel calls it */
	uint64_t chunk_bytes; /* DM_TARGET_STRIPED: > 0, and n_legs * chunk_bytes divides bytes */
	struct dm_leg *legs;
	size_t n_legs;
};

struct dm_table {
	struct dm_target *targets;
	size_t n;
};

/*
 * The live table of device-mapper device `dev`. Needs root. A table that may hold keys (crypt,
 * integrity) is not asked for, and its targets are opaque. 0; -ENXIO: no such device, or without a
 * table; or another negative errno. *ret is set only at 0, and the caller's to dm_table_done().
 */
int dm_table_read(dev_t dev, struct dm_table *ret);
void dm_table_done(struct dm_table *table);

/*
 * Append one line of a table. params NULL: not known. 0, -ENOMEM, or -EBADMSG for a line that makes
 * no sense.
 */
int dm_table_add(struct dm_table *table, uint64_t start_sector, uint64_t n_sectors,
		 const char *type, const char *params);
