// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * btt: what the block translation table of a sector namespace keeps in bytes of its media.
 *
 *   sysfs, debugfs -> [btt] -> owners
 *
 * In:   the name of the block device that a BTT makes; bytes of its namespace.
 * Out:  pieces: the BTT's own records, entries of its map, blocks of data.
 *
 * An arena is an info block, data, map, log and a copy of the info block. Only the kernel's own
 * view of it is taken, from debugfs: what is on the media may be what was lost.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "locate/btt.h"
#include "locate/sysfs.h"

#define INFO_BYTES	4096u
#define MAP_ENTRY_BYTES 4u

/* An arena has up to 512 GiB: half a petabyte. */
#define MAX_ARENAS 1024u

void btt_done(struct btt *btt)
{
	free(btt->arenas);
	*btt = (struct btt){};
}

/* "btt0.0", behind /sys/class/block/pmem0s/device. */
static int btt_name(int sysfs_block_fd, const char *blockdev, char *ret, size_t n_bytes)
{
	char path[128], target[PATH_MAX];
	const char *name;
	ssize_t n;

	if (strchr(blockdev, '/') || *blockdev == '.')
		return -ENOENT;
	snprintf(path, sizeof(path), "%.64s/device", blockdev);
	n = readlinkat(sysfs_block_fd, path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	name = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
	if (strncmp(name, "btt", 3) || strlen(name) >= n_bytes)
		return -ENOENT;
	strcpy(ret, name);
	return 0;
}

static int read_fields(int arena_fd, struct btt_arena *arena, uint64_t *ret_version)
{
	const struct {
		const char *name;
		uint64_t *value;
	} fields[] = {
		{ "infooff", &arena->bytes.start_bytes },
		{ "size", &arena->bytes.length_bytes },
		{ "dataoff", &arena->data_start },
		{ "mapoff", &arena->map_start },
		{ "logoff", &arena->log_start },
		{ "internal_lbasize", &arena->block_bytes },
		{ "internal_nlba", &arena->n_blocks },
		{ "external_nlba", &arena->n_sectors },
		{ "version_major", ret_version },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		int r = sysfs_read_u64(arena_fd, fields[i].name, fields[i].value);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Parts in order, each within the arena: what follows computes with them unchecked. */
static int check(const struct btt_arena *a)
{
	uint64_t data_bytes, map_bytes;

	if (!range_valid(a->bytes) || !a->block_bytes || !a->n_blocks || !a->n_sectors ||
	    a->n_sectors > a->n_blocks ||
	    __builtin_mul_overflow(a->n_blocks, a->block_bytes, &data_bytes) ||
	    __builtin_mul_overflow(a->n_sectors, MAP_ENTRY_BYTES, &map_bytes))
		return -EBADMSG;
	if (a->data_start < a->bytes.start_bytes + INFO_BYTES || a->data_start > a->map_start ||
	    data_bytes > a->map_start - a->data_start || a->map_start > a->log_start ||
	    map_bytes > a->log_start - a->map_start || a->log_start > range_end(a->bytes))
		return -EBADMSG;
	return 0;
}

/* Version 1 leaves the first page of the namespace alone; the kernel's offsets begin behind it. */
static int read_arena(int arena_fd, struct btt_arena *ret)
{
	struct btt_arena arena = {};
	uint64_t version, before;
	int r;

	r = read_fields(arena_fd, &arena, &version);
	if (r < 0)
		return r;
	if (version != 1 && version != 2)
		return -EBADMSG;
	r = check(&arena);
	if (r < 0)
		return r;
	before = version == 1 ? INFO_BYTES : 0;
	if (range_end(arena.bytes) + before < before)
		return -EBADMSG;
	arena.bytes.start_bytes += before;
	arena.data_start += before;
	arena.map_start += before;
	arena.log_start += before;
	*ret = arena;
	return 0;
}

static int add_arena(struct btt *btt, const struct btt_arena *arena)
{
	const struct btt_arena *last = btt->n_arenas ? &btt->arenas[btt->n_arenas - 1] : NULL;
	struct btt_arena *grown;

	if ((last && arena->bytes.start_bytes < range_end(last->bytes)) ||
	    btt->n_arenas == MAX_ARENAS)
		return -EBADMSG;
	grown = reallocarray(btt->arenas, btt->n_arenas + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	btt->arenas = grown;
	grown[btt->n_arenas++] = *arena;
	return 0;
}

static int read_arenas(int btt_fd, struct btt *btt)
{
	for (unsigned n = 0;; n++) {
		_cleanup_(closep) int arena_fd = -1;
		struct btt_arena arena;
		char name[32];
		int r;

		snprintf(name, sizeof(name), "arena%u", n);
		arena_fd = sysfs_open_dir(btt_fd, name);
		if (arena_fd == -ENOENT && n)
			return 0;
		if (arena_fd < 0)
			return arena_fd;
		r = read_arena(arena_fd, &arena);
		if (r >= 0)
			r = add_arena(btt, &arena);
		if (r < 0)
			return r;
	}
}

static int read_sector_bytes(int sysfs_block_fd, const char *blockdev, uint64_t *ret)
{
	char path[128];
	int r;

	snprintf(path, sizeof(path), "%.64s/queue/logical_block_size", blockdev);
	r = sysfs_read_u64(sysfs_block_fd, path, ret);
	if (r < 0)
		return r;
	return *ret < SECTOR_BYTES || *ret > PAGE_BYTES || *ret % SECTOR_BYTES ? -EBADMSG : 0;
}

int btt_read(int sysfs_block_fd, int debugfs_fd, const char *blockdev, struct btt *ret)
{
	_cleanup_(btt_done) struct btt btt = {};
	_cleanup_(closep) int btt_fd = -1;
	char name[64], path[80];
	int r;

	assert(blockdev);
	assert(ret);

	r = btt_name(sysfs_block_fd, blockdev, name, sizeof(name));
	if (r < 0)
		return r;
	r = read_sector_bytes(sysfs_block_fd, blockdev, &btt.sector_bytes);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "btt/%s", name);
	btt_fd = sysfs_open_dir(debugfs_fd, path);
	if (btt_fd < 0)
		return btt_fd;
	r = read_arenas(btt_fd, &btt);
	if (r < 0)
		return r;
	*ret = btt;
	btt = (struct btt){};
	return 0;
}

/* ---- looking ---- */

struct answer {
	struct btt_piece *pieces;
	size_t n;
};

static int add_piece(struct answer *answer, const struct btt_piece *piece)
{
	struct btt_piece *grown;

	if (!(answer->n & (answer->n - 1))) {
		grown = reallocarray(answer->pieces, answer->n ? 2 * answer->n : 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		answer->pieces = grown;
	}
	answer->pieces[answer->n++] = *piece;
	return 0;
}

static int add_records(struct answer *answer, unsigned arena, uint64_t start, uint64_t end)
{
	struct btt_piece piece = { BTT_RECORDS, { start, end - start }, {}, arena, 0 };

	return end > start ? add_piece(answer, &piece) : 0;
}

static int add_data(struct answer *answer, const struct btt_arena *a, unsigned arena,
		    struct range data)
{
	while (data.length_bytes) {
		uint64_t block = (data.start_bytes - a->data_start) / a->block_bytes;
		struct range whole = { a->data_start + block * a->block_bytes, a->block_bytes };
		struct btt_piece piece = { BTT_DATA, range_clip(data, whole), {}, arena, block };
		int r = add_piece(answer, &piece);

		if (r < 0)
			return r;
		data.start_bytes += piece.bytes.length_bytes;
		data.length_bytes -= piece.bytes.length_bytes;
	}
	return 0;
}

/* An entry of which one byte is lost is lost. */
static int add_map(struct answer *answer, const struct btt *btt, unsigned arena, uint64_t first,
		   struct range map)
{
	struct range in_map = { map.start_bytes - btt->arenas[arena].map_start, map.length_bytes };
	struct btt_piece piece = { BTT_MAP, map, {}, arena, 0 };

	in_map = range_align_out(in_map, MAP_ENTRY_BYTES);
	piece.sector_bytes = (struct range){
		(first + in_map.start_bytes / MAP_ENTRY_BYTES) * btt->sector_bytes,
		in_map.length_bytes / MAP_ENTRY_BYTES * btt->sector_bytes,
	};
	return map.length_bytes ? add_piece(answer, &piece) : 0;
}

/* first: number of the arena's first sector. */
static int look_at_arena(const struct btt *btt, unsigned arena, uint64_t first, struct range bytes,
			 struct answer *answer)
{
	const struct btt_arena *a = &btt->arenas[arena];
	struct range data =
		range_clip(bytes, (struct range){ a->data_start, a->n_blocks * a->block_bytes });
	struct range map =
		range_clip(bytes, (struct range){ a->map_start, a->n_sectors * MAP_ENTRY_BYTES });
	uint64_t at = bytes.start_bytes;
	int r = 0;

	if (data.length_bytes) {
		r = add_records(answer, arena, at, data.start_bytes);
		if (r >= 0)
			r = add_data(answer, a, arena, data);
		at = range_end(data);
	}
	if (r >= 0 && map.length_bytes) {
		r = add_records(answer, arena, at, map.start_bytes);
		if (r >= 0)
			r = add_map(answer, btt, arena, first, map);
		at = range_end(map);
	}
	return r < 0 ? r : add_records(answer, arena, at, range_end(bytes));
}

int btt_look(const struct btt *btt, struct range bytes, struct btt_piece **ret, size_t *ret_n)
{
	struct answer answer = {};
	uint64_t at = bytes.start_bytes, first = 0;
	int r = 0;

	assert(btt);
	assert(range_valid(bytes));

	for (unsigned i = 0; r >= 0 && i < btt->n_arenas; i++) {
		struct range part = range_clip(bytes, btt->arenas[i].bytes);

		if (part.length_bytes) {
			r = add_records(&answer, i, at, part.start_bytes);
			if (r >= 0)
				r = look_at_arena(btt, i, first, part, &answer);
			at = range_end(part);
		}
		first += btt->arenas[i].n_sectors;
	}
	if (r >= 0)
		r = add_records(&answer, 0, at, range_end(bytes));
	if (r < 0) {
		free(answer.pieces);
		return r;
	}
	*ret = answer.pieces;
	*ret_n = answer.n;
	return 0;
}
