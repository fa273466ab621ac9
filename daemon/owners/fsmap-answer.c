// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fsmap-answer: from the kernel's records to pieces that account for every byte.
 *
 *   fsmap -> [fsmap-answer] -> ask
 *
 * In:   records of FS_IOC_GETFSMAP that meet a range, one by one.
 * Out:  pieces clipped to that range: one for each owner of each byte, gaps included, cut where
 *       sharing begins or ends.
 *
 * No ioctl is made here, so that every layout a filesystem can have is tested by hand-made records.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "owners/fsmap.h"

/* Special owners of XFS and, where it has the same, of ext4. */
#define OWNER_CODE(code)   FMR_OWNER('X', code)
#define OWNER_CODE_FS	   OWNER_CODE(1)
#define OWNER_CODE_LOG	   OWNER_CODE(2)
#define OWNER_CODE_AG	   OWNER_CODE(3)
#define OWNER_CODE_INOBT   OWNER_CODE(4)
#define OWNER_CODE_INODES  OWNER_CODE(5)
#define OWNER_CODE_REFC	   OWNER_CODE(6)
#define OWNER_CODE_STAGING OWNER_CODE(7)

/* And ext4's own: group descriptors, those for growth, block bitmaps, inode bitmaps. */
#define EXT4_FIRST FMR_OWNER('f', 1)
#define EXT4_LAST  FMR_OWNER('f', 4)

static enum owner_kind special_kind(uint64_t owner)
{
	switch (owner) {
	case FMR_OWN_FREE:
		return OWNER_FREE;
	case OWNER_CODE_LOG:
		return OWNER_LOG;
	case FMR_OWN_METADATA:
	case OWNER_CODE_FS:
	case OWNER_CODE_AG:
	case OWNER_CODE_INOBT:
	case OWNER_CODE_INODES:
	case OWNER_CODE_REFC:
	case EXT4_FIRST ... EXT4_LAST:
		return OWNER_METADATA;
	default:
		return OWNER_UNKNOWN;
	}
}

static enum owner_kind kind_of(const struct fsmap *record)
{
	if (record->fmr_flags & FMR_OF_SPECIAL_OWNER)
		return special_kind(record->fmr_owner);
	if (record->fmr_flags & FMR_OF_EXTENT_MAP)
		return OWNER_EXTENT_MAP;
	if (record->fmr_flags & FMR_OF_ATTR_FORK)
		return OWNER_XATTR;
	if (record->fmr_flags & FMR_OF_PREALLOC)
		return OWNER_UNWRITTEN;
	return OWNER_FILE_DATA;
}

static int append_piece(struct fsmap_answer *answer, struct fsmap_piece piece)
{
	if (answer->n == FSMAP_MAX_PIECES) {
		answer->truncated = true;
		return 0;
	}
	if (!(answer->n & (answer->n - 1))) {
		struct fsmap_piece *grown =
			reallocarray(answer->pieces, answer->n ? 2 * answer->n : 1, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		answer->pieces = grown;
	}
	answer->pieces[answer->n++] = piece;
	return 0;
}

int fsmap_answer_add(struct fsmap_answer *answer, const struct fsmap_view *view,
		     const struct fsmap *record, struct range dev_bytes)
{
	struct range whole = { record->fmr_physical, record->fmr_length };
	struct fsmap_piece piece = { .kind = kind_of(record) };

	if (record->fmr_length > UINT64_MAX - record->fmr_physical)
		whole.length_bytes = UINT64_MAX - record->fmr_physical;
	piece.bytes = range_clip(whole, dev_bytes);
	if (!piece.bytes.length_bytes)
		return 0;

	piece.unwritten = piece.kind == OWNER_UNWRITTEN;
	if (record->fmr_flags & FMR_OF_SPECIAL_OWNER) {
		piece.staging = !strcmp(view->filesystem, "xfs") &&
				record->fmr_owner == OWNER_CODE_STAGING;
	} else {
		piece.inode = record->fmr_owner;
		if (piece.kind != OWNER_EXTENT_MAP)
			piece.file_offset_bytes = record->fmr_offset + piece.bytes.start_bytes -
						  whole.start_bytes;
	}
	return append_piece(answer, piece);
}

static int compare_pieces(const void *a, const void *b)
{
	const struct fsmap_piece *l = a, *r = b;

	if (l->bytes.start_bytes != r->bytes.start_bytes)
		return l->bytes.start_bytes < r->bytes.start_bytes ? -1 : 1;
	if (l->inode != r->inode)
		return l->inode < r->inode ? -1 : 1;
	if (l->file_offset_bytes != r->file_offset_bytes)
		return l->file_offset_bytes < r->file_offset_bytes ? -1 : 1;
	return 0;
}

static void sort_pieces(struct fsmap_answer *answer)
{
	if (answer->n)
		qsort(answer->pieces, answer->n, sizeof(*answer->pieces), compare_pieces);
}

/*
 * Bytes that no record covers. Some kernels leave the free space out where a question lies wholly
 * inside it; only where there is a reverse map is that what silence means.
 */
static int account_for(struct fsmap_answer *answer, const struct fsmap_view *view, uint64_t start,
		       uint64_t end)
{
	enum owner_kind silence = view->names_owners ? OWNER_FREE : OWNER_UNKNOWN;
	uint64_t fs_end = view->size_bytes ? view->size_bytes : UINT64_MAX;
	int r;

	if (start < end && start < fs_end) {
		uint64_t inside_end = end < fs_end ? end : fs_end;

		r = append_piece(answer, (struct fsmap_piece){
						 .kind = silence,
						 .bytes = { start, inside_end - start },
					 });
		if (r < 0)
			return r;
		start = inside_end;
	}
	if (start < end)
		return append_piece(answer, (struct fsmap_piece){
						    .kind = OWNER_RAW,
						    .bytes = { start, end - start },
						    .beyond = true,
					    });
	return 0;
}

static int fill_gaps(struct fsmap_answer *answer, const struct fsmap_view *view,
		     struct range dev_bytes)
{
	uint64_t covered_to = dev_bytes.start_bytes;
	size_t n = answer->n;
	int r;

	/* What was left out may be in any gap. */
	if (answer->truncated)
		return 0;
	for (size_t i = 0; i < n; i++) {
		struct range bytes = answer->pieces[i].bytes;

		r = account_for(answer, view, covered_to, bytes.start_bytes);
		if (r < 0)
			return r;
		if (range_end(bytes) > covered_to)
			covered_to = range_end(bytes);
	}
	return account_for(answer, view, covered_to, range_end(dev_bytes));
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t l = *(const uint64_t *)a, r = *(const uint64_t *)b;

	return (l > r) - (l < r);
}

/* Where any piece begins or ends, sorted, each once. *ret is the caller's. */
static int find_cuts(const struct fsmap_answer *answer, uint64_t **ret, size_t *ret_n)
{
	uint64_t *cuts = reallocarray(NULL, 2 * answer->n + 1, sizeof(*cuts));
	size_t n = 0;

	if (!cuts)
		return -ENOMEM;
	for (size_t i = 0; i < answer->n; i++) {
		cuts[2 * i] = answer->pieces[i].bytes.start_bytes;
		cuts[2 * i + 1] = range_end(answer->pieces[i].bytes);
	}
	qsort(cuts, 2 * answer->n, sizeof(*cuts), compare_u64);
	for (size_t i = 0; i < 2 * answer->n; i++)
		if (!n || cuts[n - 1] != cuts[i])
			cuts[n++] = cuts[i];
	*ret = cuts;
	*ret_n = n;
	return 0;
}

static size_t cut_index(const uint64_t *cuts, size_t n_cuts, uint64_t at)
{
	const uint64_t *found = bsearch(&at, cuts, n_cuts, sizeof(*cuts), compare_u64);

	return (size_t)(found - cuts);
}

/* n_owners[i]: how many pieces cover the bytes from cuts[i] to cuts[i + 1]. */
static void count_owners(const struct fsmap_answer *answer, const uint64_t *cuts, size_t n_cuts,
			 unsigned *n_owners)
{
	for (size_t i = 0; i < answer->n; i++) {
		struct range bytes = answer->pieces[i].bytes;

		for (size_t c = cut_index(cuts, n_cuts, bytes.start_bytes);
		     cuts[c] < range_end(bytes); c++)
			n_owners[c]++;
	}
}

/* Append one piece to `to` as runs that are shared throughout, or not at all. */
static int append_runs(struct fsmap_answer *to, struct fsmap_piece piece, const uint64_t *cuts,
		       size_t n_cuts, const unsigned *n_owners)
{
	uint64_t end = range_end(piece.bytes);
	size_t c = cut_index(cuts, n_cuts, piece.bytes.start_bytes);
	int r;

	while (cuts[c] < end) {
		struct fsmap_piece run = piece;
		size_t first = c;

		run.shared = n_owners[c] > 1;
		while (cuts[c] < end && (n_owners[c] > 1) == run.shared)
			c++;
		run.bytes = (struct range){ cuts[first], cuts[c] - cuts[first] };
		if (run.inode && run.kind != OWNER_EXTENT_MAP)
			run.file_offset_bytes += cuts[first] - piece.bytes.start_bytes;
		r = append_piece(to, run);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * FMR_OF_SHARED is set for a whole record when one block of it is shared, so what is shared is
 * counted here instead. Quadratic at worst, in a number that is bounded.
 */
static int split_by_sharing(struct fsmap_answer *answer)
{
	_cleanup_(freep) uint64_t *cuts = NULL;
	_cleanup_(freep) unsigned *n_owners = NULL;
	_cleanup_(fsmap_answer_done) struct fsmap_answer split = { .truncated = answer->truncated };
	struct fsmap_answer old = *answer;
	size_t n_cuts;
	int r;

	r = find_cuts(answer, &cuts, &n_cuts);
	if (r < 0)
		return r;
	n_owners = calloc(n_cuts + 1, sizeof(*n_owners));
	if (!n_owners)
		return -ENOMEM;
	count_owners(answer, cuts, n_cuts, n_owners);
	for (size_t i = 0; i < answer->n; i++) {
		r = append_runs(&split, answer->pieces[i], cuts, n_cuts, n_owners);
		if (r < 0)
			return r;
	}
	*answer = split;
	split = old;
	return 0;
}

int fsmap_answer_finish(struct fsmap_answer *answer, const struct fsmap_view *view,
			struct range dev_bytes)
{
	int r;

	sort_pieces(answer);
	r = fill_gaps(answer, view, dev_bytes);
	if (r < 0)
		return r;
	r = split_by_sharing(answer);
	if (r < 0)
		return r;
	sort_pieces(answer);
	return 0;
}

void fsmap_answer_done(struct fsmap_answer *answer)
{
	free(answer->pieces);
	*answer = (struct fsmap_answer){};
}
