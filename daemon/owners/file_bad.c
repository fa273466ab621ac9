// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * file_bad: which bytes of a file lie on bad blocks?
 *
 *   layout, owners_ask_fsmap -> [file_bad] -> control (files)
 *
 * In:   an open file, and the bad bytes of the device below.
 * Out:  pieces of the file, exact to the byte.
 *
 * Only this file is asked, so it costs the same on a filesystem of any size, with a reverse map or
 * without. Blocks of its extent map are known only to a reverse map. That the inode itself lies on
 * a bad block, no call can tell: then it could not have been opened, or is still in memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "owners/file_bad.h"
#include "owners/layout.h"
#include "owners/owners.h"
#include "owners/realtime.h"

struct finding {
	const struct badblocks *bad;
	enum owner_kind kind;
	bool realtime;
	struct file_bad *found;
};

/* What is bad: of the device that has the file's data, and of the filesystem's own. */
struct bad_of_file {
	const struct badblocks *own;
	const struct badblocks *data; /* NULL: not known */
	bool realtime; /* the two are not the same */
};

void file_bad_done(struct file_bad *f)
{
	free(f->pieces);
	*f = (struct file_bad){};
}

bool bad_piece_is_lost(const struct bad_piece *piece)
{
	return piece->kind != OWNER_UNWRITTEN;
}

static int add_piece(struct file_bad *f, struct bad_piece piece)
{
	if (f->n == FILE_BAD_MAX_PIECES) {
		f->why_incomplete = "There are more pieces than can be listed";
		return 0;
	}
	if (!(f->n & (f->n - 1))) {
		struct bad_piece *grown = reallocarray(f->pieces, f->n ? 2 * f->n : 1,
						       sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		f->pieces = grown;
	}
	f->pieces[f->n++] = piece;
	return 0;
}

/* The first bad range that ends behind this byte. */
static size_t first_behind(const struct badblocks *bad, uint64_t byte)
{
	size_t low = 0, high = bad->n_ranges;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (range_end(bad->ranges[middle]) > byte)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static int take_run(const struct layout_run *run, void *userdata)
{
	const struct finding *f = userdata;
	int r = 0;

	for (size_t i = first_behind(f->bad, run->bytes.start_bytes);
	     r >= 0 && i < f->bad->n_ranges && range_overlaps(f->bad->ranges[i], run->bytes); i++) {
		struct bad_piece piece = {
			.kind = run->unwritten ? OWNER_UNWRITTEN : f->kind,
			.realtime = f->realtime,
			.dev_bytes = range_clip(f->bad->ranges[i], run->bytes),
		};

		piece.file_offset_bytes = run->file_offset_bytes + piece.dev_bytes.start_bytes -
					  run->bytes.start_bytes;
		r = add_piece(f->found, piece);
	}
	return r;
}

/* Of a file on a realtime device the kernel counts these as if they were there, too: they are not.
 */
static int doubt_run(const struct layout_run *run, void *userdata)
{
	const struct finding *f = userdata;

	f->found->why_incomplete =
		"Where a file on a realtime device has its attributes, the kernel does not tell";
	return 1;
}

/* What only a reverse map knows of the inode: -EOPNOTSUPP where there is none. */
static int find_map_blocks(int fd, uint64_t inode, const struct badblocks *bad,
			   struct file_bad *found)
{
	for (size_t i = 0; i < bad->n_ranges; i++) {
		_cleanup_(incident_freep) struct incident *in = incident_new(bad->ranges[i], 0);
		int r;

		if (!in)
			return -ENOMEM;
		r = owners_ask_fsmap(fd, 0, bad->ranges[i], in);
		for (size_t o = 0; r >= 0 && o < in->n_owners; o++) {
			const struct owner *owner = &in->owners[o];

			if (owner->inode == inode && owner->kind == OWNER_EXTENT_MAP)
				r = add_piece(found, (struct bad_piece){
							     .kind = owner->kind,
							     .dev_bytes = { owner->phys_start,
									    owner->length_bytes },
						     });
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int compare_pieces(const void *a, const void *b)
{
	const struct bad_piece *l = a, *r = b;

	if (l->kind != r->kind)
		return l->kind < r->kind ? -1 : 1;
	return (l->file_offset_bytes > r->file_offset_bytes) -
	       (l->file_offset_bytes < r->file_offset_bytes);
}

static const char *filesystem_of(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return "";
	if (fs.f_type == XFS_SUPER_MAGIC)
		return "xfs";
	return fs.f_type == EXT4_SUPER_MAGIC ? "ext4" : "";
}

static int find_data(int fd, const char *filesystem, const struct stat *st,
		     const struct bad_of_file *bad, struct file_bad *ret)
{
	enum owner_kind kind = S_ISDIR(st->st_mode) ? OWNER_DIRECTORY : OWNER_FILE_DATA;
	struct finding f = { bad->data, kind, bad->realtime, ret };
	int r;

	if (!bad->data || !bad->data->n_ranges)
		return 0;
	r = layout_read(fd, filesystem, LAYOUT_DATA, take_run, &f);
	if (r < 0)
		return r;
	/* It can have been empty in between: then it lies where it was not looked for. */
	return bad->realtime == (realtime_has_file(fd) > 0) ? 0 : -EAGAIN;
}

static int find_xattr(int fd, const char *filesystem, const struct bad_of_file *bad,
		      struct file_bad *ret)
{
	struct finding f = { bad->own, OWNER_XATTR, false, ret };
	int r = layout_read(fd, filesystem, LAYOUT_XATTR, bad->realtime ? doubt_run : take_run, &f);

	/* A filesystem that cannot tell: none, as ours can. */
	return r == -EBADR || r == -EOPNOTSUPP || r > 0 ? 0 : r;
}

static int find_all(int fd, const struct stat *st, const struct bad_of_file *bad,
		    struct file_bad *ret)
{
	const char *filesystem = filesystem_of(fd);
	int r;

	r = find_data(fd, filesystem, st, bad, ret);
	if (r < 0 || !bad->own->n_ranges)
		return r;
	r = find_xattr(fd, filesystem, bad, ret);
	if (r >= 0)
		r = find_map_blocks(fd, st->st_ino, bad->own, ret);
	return r == -EOPNOTSUPP ? 0 : r;
}

int file_bad_find(int fd, const struct badblocks *bad, const struct badblocks *realtime_bad,
		  struct file_bad *ret)
{
	struct bad_of_file all = { .own = bad, .data = bad };
	struct file_bad found = {};
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	r = strcmp(filesystem_of(fd), "xfs") ? 0 : realtime_has_file(fd);
	if (r < 0)
		return r;
	all.realtime = r;
	if (all.realtime)
		all.data = realtime_bad;
	if (!all.data)
		found.why_incomplete = "Its data lie on a realtime device that was not found";
	r = find_all(fd, &st, &all, &found);
	if (r < 0) {
		file_bad_done(&found);
		return r;
	}
	if (found.n)
		qsort(found.pieces, found.n, sizeof(*found.pieces), compare_pieces);
	*ret = found;
	return 0;
}
