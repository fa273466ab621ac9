// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stack-target: the arithmetic of one device-mapper target, and lists of pieces.
 *
 *   stack -> [stack-target]
 *
 * Chunks go round the legs, row by row: byte x of leg k is in row x / chunk, and so is byte
 * (row * n_legs + k) * chunk + x % chunk of the target. A linear target is one leg with one chunk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "locate/stack-private.h"

/* A gigabyte in chunks of a page has as many; each is an object of its own in an answer. */
#define MAX_PIECES (1u << 18)

int pieces_add(struct stack_pieces *pieces, const char *name, dev_t dev, struct range bytes,
	       uint64_t at_bytes)
{
	struct stack_piece *last = pieces->n ? &pieces->all[pieces->n - 1] : NULL;

	if (last && last->dev == dev && range_end(last->bytes) == bytes.start_bytes &&
	    last->at_bytes + last->bytes.length_bytes == at_bytes) {
		last->bytes.length_bytes += bytes.length_bytes;
		return 0;
	}
	if (pieces->n == MAX_PIECES)
		return -E2BIG;
	if (!(pieces->n & (pieces->n - 1))) {
		size_t n_room = pieces->n ? 2 * pieces->n : 1;
		struct stack_piece *grown = reallocarray(pieces->all, n_room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		pieces->all = grown;
	}
	last = &pieces->all[pieces->n++];
	*last = (struct stack_piece){ .dev = dev, .bytes = bytes, .at_bytes = at_bytes };
	snprintf(last->name, sizeof(last->name), "%s", name);
	return 0;
}

static int compare_pieces(const void *a, const void *b)
{
	const struct stack_piece *l = a, *r = b;

	if (l->at_bytes != r->at_bytes)
		return l->at_bytes < r->at_bytes ? -1 : 1;
	return (l->dev > r->dev) - (l->dev < r->dev);
}

void pieces_sort(struct stack_pieces *pieces)
{
	if (pieces->n)
		qsort(pieces->all, pieces->n, sizeof(*pieces->all), compare_pieces);
}

void stack_pieces_done(struct stack_pieces *pieces)
{
	free(pieces->all);
	*pieces = (struct stack_pieces){};
}

void stack_level_done(struct stack_level *level)
{
	stack_pieces_done(&level->pieces);
}

static uint64_t at_most(uint64_t n, uint64_t most)
{
	return n < most ? n : most;
}

int target_up(const struct dm_device *dm, const struct dm_target *target, size_t k,
	      struct range bytes, struct stack_pieces *ret)
{
	const struct dm_leg *leg = &target->legs[k];
	struct range share = { leg->start_bytes, target->bytes.length_bytes / target->n_legs };
	uint64_t x, end;

	share = range_clip(bytes, share);
	x = share.start_bytes - leg->start_bytes;
	end = x + share.length_bytes;
	while (share.length_bytes && x < end) {
		uint64_t row = x / target->chunk_bytes, in_chunk = x % target->chunk_bytes;
		struct range piece = {
			target->bytes.start_bytes +
				(row * target->n_legs + k) * target->chunk_bytes + in_chunk,
			at_most(target->chunk_bytes - in_chunk, end - x),
		};
		int r = pieces_add(ret, dm->name, dm->dev, piece, leg->start_bytes + x);

		if (r < 0)
			return r;
		x += piece.length_bytes;
	}
	return 0;
}

int target_down(const struct dm_target *target, struct range bytes, struct stack_pieces *ret)
{
	uint64_t x = bytes.start_bytes - target->bytes.start_bytes, end = x + bytes.length_bytes;

	while (x < end) {
		uint64_t chunk = x / target->chunk_bytes, in_chunk = x % target->chunk_bytes;
		const struct dm_leg *leg = &target->legs[chunk % target->n_legs];
		struct range piece = {
			leg->start_bytes + chunk / target->n_legs * target->chunk_bytes + in_chunk,
			at_most(target->chunk_bytes - in_chunk, end - x),
		};
		int r = pieces_add(ret, "", leg->dev, piece, target->bytes.start_bytes + x);

		if (r < 0)
			return r;
		x += piece.length_bytes;
	}
	return 0;
}
