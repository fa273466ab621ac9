/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * btt: what the block translation table of a sector namespace keeps in bytes of its media.
 *
 *   sysfs, debugfs -> [btt] -> owners
 *
 * A BTT writes each sector to a free block and then changes its map, so an address has no sector
 * of its own. The layout is known while the BTT is enabled; the map is not: the kernel has the
 * media for itself, and a read of the sector, which would tell, makes it mark the sector as lost
 * for good.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "range.h"

enum btt_part {
	BTT_RECORDS, /* info block, log, padding: no sector's */
	BTT_MAP, /* entries of these sectors: they cannot be reached */
	BTT_DATA, /* a block that one sector has, or none; which one only the map tells */
};

struct btt_piece {
	enum btt_part part;
	struct range bytes; /* of the namespace */
	struct range sector_bytes; /* of the block device: BTT_MAP only */
	unsigned arena;
	uint64_t block; /* in the arena's data: BTT_DATA only */
};

/* One arena; offsets are from the start of the namespace. */
struct btt_arena {
	struct range bytes;
	uint64_t data_start, map_start, log_start;
	uint64_t block_bytes; /* of data on the media */
	uint64_t n_blocks;
	uint64_t n_sectors; /* that it shows, each of sector_bytes */
};

struct btt {
	struct btt_arena *arenas; /* in order; sectors are numbered through */
	size_t n_arenas;
	uint64_t sector_bytes; /* of its block device */
};

/*
 * The layout of the BTT that makes `blockdev` ("pmem0s"). sysfs_block_fd is an open
 * /sys/class/block, debugfs_fd an open debugfs (or copies); both stay the caller's. 0; -ENOENT: no
 * BTT, or no debugfs that shows it; -EBADMSG: it makes no sense; or another negative errno. *ret is
 * the caller's to btt_done().
 */
int btt_read(int sysfs_block_fd, int debugfs_fd, const char *blockdev, struct btt *ret);
void btt_done(struct btt *btt);

/*
 * What these bytes of the namespace are, in order and without a gap. 0 or -ENOMEM; *ret is the
 * caller's to free().
 */
int btt_look(const struct btt *btt, struct range bytes, struct btt_piece **ret, size_t *ret_n);
