// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * scan-xfs: who has these bytes, in an XFS without a reverse map?
 *
 *   bulkstat -> [scan-xfs] -> look -> unowned
 *
 * In:   ranges that are not free.
 * Out:  finds; and for what no file has, whether it is in a place of metadata.
 *
 * All inodes in their order on the device, each asked for both of its forks, and none is opened
 * that can have nothing of what is looked for: on a realtime device, most. What can't be asked is
 * where device nodes and some symbolic links have their blocks, and where a file has the blocks of
 * its map: as long as there are such, bytes that nobody has could be theirs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <xfs/xfs.h>

#include "cleanup.h"
#include "owners/realtime.h"
#include "owners/scan-xfs.h"

#define BATCH 256u

/* Inodes that share a cluster buffer: if it can't be read, none of them can. */
#define CLUSTER_INODES 64u

/* So many pieces of the inode tables that can't be read, and we give up. */
#define MAX_UNREADABLE 10000u

struct batch {
	struct xfs_bulkstat_req req;
	struct xfs_bulkstat inodes[BATCH];
};

/* All else that an inode has is on the filesystem's own device. */
static bool is_elsewhere(const struct xfs_bulkstat *b)
{
	return !(b->bs_xflags & FS_XFLAG_REALTIME);
}

static int look_at(struct scan *s, const struct xfs_bulkstat *b, bool realtime_only)
{
	struct inode_facts facts = {
		.inode = b->bs_ino,
		.generation = b->bs_gen,
		.mode = b->bs_mode,
		.n_links = b->bs_nlink,
	};
	unsigned parts = (b->bs_extents ? LOOK_DATA : 0) | (b->bs_aextents ? LOOK_XATTR : 0);
	int r;

	if (!parts || (realtime_only && is_elsewhere(b)))
		return 0;
	if (!S_ISREG(facts.mode) && !S_ISDIR(facts.mode)) {
		r = S_ISLNK(facts.mode) ? scan_xfs_symlink(s, b) : 0;
		s->n_hidden += r == 0;
		return r < 0 ? r : 0;
	}
	r = look_at_inode(&s->look, &facts, parts);
	if (r >= 0 && s->look.seen_bytes / b->bs_blksize < b->bs_blocks)
		s->n_hidden++;
	return scan_looked(s, r);
}

/* 1: settled, 0: go on, or -ENOMEM. */
static int look_at_batch(struct scan *s, const struct batch *batch, bool realtime_only)
{
	for (uint32_t i = 0; i < batch->req.hdr.ocount; i++) {
		int r = look_at(s, &batch->inodes[i], realtime_only);

		if (r < 0)
			return r;
		if (scan_count(s, 1))
			return 1;
	}
	return 0;
}

/* Is nothing looked for but bytes of the realtime device? */
static bool is_realtime_only(const struct scan *s)
{
	return s->look.has_realtime && unowned_after(s->look.unowned, REALTIME_START) == 0;
}

int scan_xfs(struct scan *s)
{
	_cleanup_(freep) struct batch *batch = calloc(1, sizeof(*batch));
	bool realtime_only = is_realtime_only(s);
	unsigned n_unreadable = 0;
	int r;

	if (!batch)
		return -ENOMEM;
	for (uint64_t next = 0;; next = batch->req.hdr.ino) {
		batch->req.hdr = (struct xfs_bulk_ireq){ .ino = next, .icount = BATCH };
		if (ioctl(s->look.fs_fd, XFS_IOC_BULKSTAT, batch) < 0) {
			if (errno == ENOMEM)
				return -ENOMEM;
			s->unsure = true;
			if (errno == EINVAL || errno == ENOTTY || errno == EPERM ||
			    ++n_unreadable > MAX_UNREADABLE)
				return 0;
			batch->req.hdr.ino = (next / CLUSTER_INODES + 1) * CLUSTER_INODES;
			continue;
		}
		if (!batch->req.hdr.ocount) {
			s->all_seen = !realtime_only;
			return 0;
		}
		r = look_at_batch(s, batch, realtime_only);
		if (r)
			return r < 0 ? r : 0;
	}
}

/* ---- what no file has ---- */

static unsigned bits_for(uint64_t n)
{
	unsigned bits = 0;

	while ((UINT64_C(1) << bits) < n)
		bits++;
	return bits;
}

static int learn_geometry(int fs_fd, struct xfs_place *ret)
{
	struct xfs_fsop_geom *g = &ret->geometry;

	if (ioctl(fs_fd, XFS_IOC_FSGEOMETRY, g) < 0)
		return -errno;
	if (!g->blocksize || !g->agblocks || !g->inodesize || g->inodesize > g->blocksize)
		return -EOPNOTSUPP;
	ret->block_bits = bits_for(g->agblocks);
	ret->inode_bits = bits_for(g->blocksize / g->inodesize);
	return 0;
}

static int place_of(int fs_fd, uint64_t byte, struct xfs_place *ret)
{
	int r = learn_geometry(fs_fd, ret);

	if (r < 0)
		return r;
	ret->group = byte / ret->geometry.blocksize / ret->geometry.agblocks;
	ret->block = byte / ret->geometry.blocksize % ret->geometry.agblocks;
	return 0;
}

uint64_t xfs_block_to_bytes(const struct xfs_place *place, uint64_t fsblock)
{
	uint64_t group = fsblock >> place->block_bits;
	uint64_t block = fsblock & ((UINT64_C(1) << place->block_bits) - 1);

	return (group * place->geometry.agblocks + block) * place->geometry.blocksize;
}

int xfs_place_of_inode(int fs_fd, uint64_t inode, struct xfs_place *ret, uint64_t *ret_bytes)
{
	int r = learn_geometry(fs_fd, ret);
	uint64_t in_block;

	if (r < 0)
		return r;
	in_block = inode & ((UINT64_C(1) << ret->inode_bits) - 1);
	ret->group = inode >> ret->inode_bits >> ret->block_bits;
	ret->block = inode >> ret->inode_bits & ((UINT64_C(1) << ret->block_bits) - 1);
	*ret_bytes = xfs_block_to_bytes(ret, inode >> ret->inode_bits) +
		     in_block * ret->geometry.inodesize;
	return 0;
}

/* Superblock, and the heads of free space and inodes: four sectors in front of each group. */
static bool in_group_heads(const struct xfs_place *p)
{
	uint32_t heads = 4 * p->geometry.sectsize;

	return p->block < (heads + p->geometry.blocksize - 1) / p->geometry.blocksize;
}

static bool in_log(const struct xfs_place *p)
{
	uint64_t number = p->group << p->block_bits | p->block;

	return p->geometry.logstart && number >= p->geometry.logstart &&
	       number < p->geometry.logstart + p->geometry.logblocks;
}

/* Does the filesystem have inodes in this block? */
static bool in_inodes(int fs_fd, const struct xfs_place *p)
{
	struct {
		struct xfs_inumbers_req req;
		struct xfs_inumbers groups[2];
	} n = {};
	uint64_t first = (p->group << p->block_bits | p->block) << p->inode_bits;
	uint64_t n_here = UINT64_C(1) << p->inode_bits;

	/* The kernel begins with the group of inodes that this one is in. */
	n.req.hdr.ino = first;
	n.req.hdr.icount = 2;
	if (ioctl(fs_fd, XFS_IOC_INUMBERS, &n) < 0)
		return false;
	for (uint32_t i = 0; i < n.req.hdr.ocount; i++) {
		uint64_t start = n.groups[i].xi_startino;

		for (uint64_t k = first; k < first + n_here; k++)
			if (k >= start && k - start < 64 &&
			    n.groups[i].xi_allocmask >> (k - start) & 1)
				return true;
	}
	return false;
}

enum owner_kind scan_xfs_leftover(struct scan *s, struct range bytes, uint64_t *ret_end)
{
	struct xfs_place p;
	uint64_t block_bytes;

	*ret_end = range_end(bytes);
	if (is_realtime_byte(bytes.start_bytes))
		return OWNER_UNKNOWN; /* it is not free, and a realtime device has only data */
	if (place_of(s->look.fs_fd, bytes.start_bytes, &p) < 0)
		return OWNER_UNKNOWN;
	block_bytes = p.geometry.blocksize;
	if (bytes.start_bytes - bytes.start_bytes % block_bytes + block_bytes < *ret_end)
		*ret_end = bytes.start_bytes - bytes.start_bytes % block_bytes + block_bytes;
	if (in_log(&p))
		return OWNER_LOG;
	if (in_group_heads(&p) || in_inodes(s->look.fs_fd, &p))
		return OWNER_METADATA;
	/* A copy on write that is under way has blocks that no map shows. */
	return s->n_hidden || s->unsure || s->look.saw_shared ? OWNER_UNKNOWN : OWNER_METADATA;
}
