// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * scan-xfs-symlink: the blocks of a symbolic link, in an XFS without a reverse map.
 *
 *   scan-xfs -> [scan-xfs-symlink] -> unowned
 *
 * In:   a symbolic link that has blocks, as bulkstat tells.
 * Out:  finds. No ioctl tells them, since a symbolic link can't be opened.
 *
 * So its inode is read from the device, where it may not be yet, or be an older one: what was just
 * made is in the log first. But the blocks of a symbolic link never change while it lives. If the
 * inode on the device has the number and the generation of the living one, and as many blocks, then
 * it is that one, and so are its blocks. Else nothing is known, as before.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "owners/scan.h"
#include "owners/scan-xfs.h"
#include "range.h"

#define INODE_MAGIC	   0x494e
#define FORMAT_EXTENTS	   2
#define FLAG_BIG_COUNTS	   (UINT64_C(1) << 4)
#define DATA_FORK_AT_BYTES 176

/* The inode of a filesystem with checksums, as far as it is of use here. Big-endian. */
struct disk_inode {
	uint16_t magic;
	uint16_t mode;
	uint8_t version;
	uint8_t format;
	uint8_t other1[18];
	uint64_t big_n_extents;
	uint8_t other2[32];
	uint64_t n_blocks;
	uint32_t other3;
	uint32_t n_extents;
	uint8_t other4[12];
	uint32_t generation;
	uint8_t other5[24];
	uint64_t flags2;
	uint8_t other6[24];
	uint64_t inode;
	uint8_t other7[16];
	uint64_t extents[][2];
};

_Static_assert(sizeof(struct disk_inode) == DATA_FORK_AT_BYTES, "as on the device");

static uint32_t n_extents_of(const struct disk_inode *d)
{
	if (be64toh(d->flags2) & FLAG_BIG_COUNTS)
		return be64toh(d->big_n_extents) > UINT32_MAX ? UINT32_MAX
							      : (uint32_t)be64toh(d->big_n_extents);
	return be32toh(d->n_extents);
}

static bool is_the_living(const struct disk_inode *d, const struct xfs_bulkstat *b)
{
	return be16toh(d->magic) == INODE_MAGIC && d->version >= 3 &&
	       be64toh(d->inode) == b->bs_ino && be32toh(d->generation) == b->bs_gen &&
	       be16toh(d->mode) == b->bs_mode && d->format == FORMAT_EXTENTS &&
	       n_extents_of(d) == b->bs_extents && be64toh(d->n_blocks) == b->bs_blocks;
}

/* Past the page cache, which does not know what XFS writes. 0 or negative errno. */
static int open_device(struct scan *s)
{
	int r;

	if (s->device.bad)
		return s->device.fd < 0 ? -ENODEV : 0;
	r = around_poison_open(s->dev, &s->device);
	if (r < 0)
		return r;
	for (size_t i = 0; r >= 0 && s->poison && i < s->poison->n_ranges; i++)
		r = badblocks_add(s->device.bad, range_align_out(s->poison->ranges[i], PAGE_BYTES));
	if (r < 0)
		return r;
	around_poison_ready(&s->device);
	if (fcntl(s->device.fd, F_SETFL, O_DIRECT) < 0) {
		closep(&s->device.fd);
		s->device.fd = -1;
		return -ENODEV;
	}
	return 0;
}

static int note_extent(struct scan *s, const struct xfs_bulkstat *b, const struct xfs_place *inode,
		       const uint64_t extent[2])
{
	uint64_t high = be64toh(extent[0]), low = be64toh(extent[1]);
	uint64_t block_bytes = inode->geometry.blocksize;
	struct find find = {
		.kind = OWNER_SYMLINK,
		.inode = b->bs_ino,
		.generation = b->bs_gen,
		.mode = b->bs_mode,
		.n_links = b->bs_nlink,
		.file_offset_bytes = (high >> 9 & ((UINT64_C(1) << 54) - 1)) * block_bytes,
		.bytes = {
			.start_bytes = xfs_block_to_bytes(inode, (high & 0x1ff) << 43 | low >> 21),
			.length_bytes = (low & ((UINT64_C(1) << 21) - 1)) * block_bytes,
		},
	};

	if (!range_valid(find.bytes))
		return -EBADMSG;
	return unowned_found(s->look.unowned, &find) == -ENOMEM ? -ENOMEM : 0;
}

int scan_xfs_symlink(struct scan *s, const struct xfs_bulkstat *b)
{
	_Alignas(PAGE_BYTES) char page[PAGE_BYTES];
	const struct disk_inode *d;
	struct xfs_place place;
	uint64_t at;
	int r;

	/* Attributes of a living link can be others tomorrow. */
	if (b->bs_aextents || open_device(s) < 0 ||
	    xfs_place_of_inode(s->look.fs_fd, b->bs_ino, &place, &at) < 0)
		return 0;
	if (place.geometry.inodesize > PAGE_BYTES - at % PAGE_BYTES ||
	    around_poison_read(&s->device, at - at % PAGE_BYTES, page, PAGE_BYTES) < 0)
		return 0;
	d = (const void *)(page + at % PAGE_BYTES);
	if (!is_the_living(d, b) ||
	    b->bs_extents > (place.geometry.inodesize - sizeof(*d)) / sizeof(d->extents[0]))
		return 0;
	for (uint32_t i = 0; i < b->bs_extents; i++) {
		r = note_extent(s, b, &place, d->extents[i]);
		if (r < 0)
			return r == -ENOMEM ? r : 0;
	}
	return 1;
}
