// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * itable: the inode tables of a mounted ext4, read from its block device.
 *
 *   around_poison -> [itable] -> scan-ext4
 *
 * In:   a block device.
 * Out:  every run of blocks that an inode has, and what kind it is.
 *
 * libext2fs reads superblock and group descriptors, with all the features they can have, and the
 * maps of files that are older than extents. The tables are read here, in large pieces, and extent
 * trees are walked here, since one block that can't be read must cost no more than what is in it.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <ext2fs/ext2fs.h>
#include <ext2fs/ext3_extents.h>

#include "owners/itable.h"

#define CHUNK_BYTES	(256u << 10)
#define MAX_DEPTH	5
#define MAX_WRITTEN_LEN 32768u /* of an extent; more says: unwritten */

struct itable {
	const struct around_poison *device;
	ext2_filsys fs;
	uint32_t block_bytes;
	uint32_t inode_bytes;
	uint64_t n_unreadable;
	unsigned char *chunk;
	unsigned char *bitmap; /* of the inodes of one group */
	unsigned char *node; /* MAX_DEPTH blocks of an extent tree */
	uint64_t block_map_at; /* which block of the block bitmap is in block_map; 0: none */
	unsigned char *block_map;
};

/* What a walk carries along. */
struct visit {
	struct itable *t;
	struct itable_inode inode;
	const struct ext2_inode *raw;
	itable_function f;
	void *userdata;
};

struct itable *itable_close(struct itable *t)
{
	if (!t)
		return NULL;
	if (t->fs)
		ext2fs_close_free(&t->fs);
	free(t->chunk);
	free(t->bitmap);
	free(t->node);
	free(t->block_map);
	free(t);
	return NULL;
}

int itable_open(const struct around_poison *device, struct itable **ret)
{
	_cleanup_(itable_closep) struct itable *t = calloc(1, sizeof(*t));
	char name[AROUND_POISON_NAME_BYTES];
	errcode_t error;

	if (!t)
		return -ENOMEM;
	t->device = device;
	around_poison_name(device, name);
	error = ext2fs_open2(name, NULL,
			     EXT2_FLAG_64BITS | EXT2_FLAG_IGNORE_CSUM_ERRORS |
				     EXT2_FLAG_SOFTSUPP_FEATURES,
			     0, 0, &around_poison_io, &t->fs);
	if (error == EXT2_ET_UNSUPP_FEATURE || error == EXT2_ET_RO_UNSUPP_FEATURE)
		return -EOPNOTSUPP;
	if (error)
		return error == ENOMEM || error == EXT2_ET_NO_MEMORY ? -ENOMEM : -EIO;
	t->block_bytes = t->fs->blocksize;
	t->inode_bytes = EXT2_INODE_SIZE(t->fs->super);
	t->chunk = malloc(CHUNK_BYTES);
	t->bitmap = malloc(t->block_bytes);
	t->node = malloc((size_t)MAX_DEPTH * t->block_bytes);
	t->block_map = malloc(t->block_bytes);
	if (!t->chunk || !t->bitmap || !t->node || !t->block_map)
		return -ENOMEM;
	*ret = TAKE(t);
	return 0;
}

static uint32_t cluster_bytes_of(const struct itable *t)
{
	return t->block_bytes << t->fs->cluster_ratio_bits;
}

uint32_t itable_cluster_bytes(const struct itable *t)
{
	return t->fs->cluster_ratio_bits ? cluster_bytes_of(t) : 0;
}

bool itable_shares_blocks(const struct itable *t)
{
	return ext2fs_has_feature_shared_blocks(t->fs->super);
}

struct range itable_in_front(const struct itable *t)
{
	return (struct range){ 0, t->fs->super->s_first_data_block * (uint64_t)t->block_bytes };
}

struct range itable_mmp(const struct itable *t)
{
	if (!ext2fs_has_feature_mmp(t->fs->super))
		return (struct range){};
	return (struct range){ t->fs->super->s_mmp_block * t->block_bytes, t->block_bytes };
}

uint32_t itable_n_groups(const struct itable *t)
{
	return t->fs->group_desc_count;
}

uint64_t itable_n_unreadable(const struct itable *t)
{
	return t->n_unreadable;
}

/* ---- the blocks of one inode ---- */

static int tell(const struct visit *v, enum itable_part part, uint64_t block, uint64_t n_blocks,
		uint64_t file_block, bool unwritten)
{
	uint32_t block_bytes = v->t->block_bytes;
	struct itable_run run = {
		.part = part,
		.bytes = { block * block_bytes, n_blocks * block_bytes },
		.file_offset_bytes = file_block * block_bytes,
		.unwritten = unwritten,
	};

	return v->f(&v->inode, &run, v->userdata);
}

static int tell_broken(const struct visit *v)
{
	static const struct itable_run broken = { .part = ITABLE_BROKEN };

	v->t->n_unreadable++;
	return v->f(&v->inode, &broken, v->userdata);
}

static int tell_extent(const struct visit *v, const struct ext3_extent *e)
{
	uint64_t block = (uint64_t)ext2fs_le16_to_cpu(e->ee_start_hi) << 32 |
			 ext2fs_le32_to_cpu(e->ee_start);
	uint32_t n = ext2fs_le16_to_cpu(e->ee_len);
	bool unwritten = n > MAX_WRITTEN_LEN;

	return tell(v, ITABLE_DATA, block, unwritten ? n - MAX_WRITTEN_LEN : n,
		    ext2fs_le32_to_cpu(e->ee_block), unwritten);
}

static int walk_node(const struct visit *v, const void *node, size_t node_bytes, unsigned depth);

static int walk_child(const struct visit *v, const struct ext3_extent_idx *index, unsigned depth)
{
	struct itable *t = v->t;
	uint64_t block = (uint64_t)ext2fs_le16_to_cpu(index->ei_leaf_hi) << 32 |
			 ext2fs_le32_to_cpu(index->ei_leaf);
	unsigned char *node = t->node + (size_t)depth * t->block_bytes;
	int r;

	r = tell(v, ITABLE_MAP, block, 1, 0, false);
	if (r)
		return r;
	if (around_poison_read(t->device, block * t->block_bytes, node, t->block_bytes) < 0)
		return tell_broken(v);
	return walk_node(v, node, t->block_bytes, depth);
}

/* depth: levels below this node. */
static int walk_node(const struct visit *v, const void *node, size_t node_bytes, unsigned depth)
{
	const struct ext3_extent_header *head = node;
	const struct ext3_extent *entries = (const void *)(head + 1);
	unsigned n = ext2fs_le16_to_cpu(head->eh_entries);
	int r = 0;

	if (ext2fs_le16_to_cpu(head->eh_magic) != EXT3_EXT_MAGIC ||
	    ext2fs_le16_to_cpu(head->eh_depth) != depth ||
	    n > (node_bytes - sizeof(*head)) / sizeof(*entries))
		return tell_broken(v);
	for (unsigned i = 0; i < n && !r; i++)
		r = depth ? walk_child(v, (const void *)&entries[i], depth - 1)
			  : tell_extent(v, &entries[i]);
	return r;
}

static int walk_tree(const struct visit *v)
{
	const struct ext3_extent_header *head = (const void *)v->raw->i_block;
	unsigned depth = ext2fs_le16_to_cpu(head->eh_depth);

	if (depth > MAX_DEPTH)
		return tell_broken(v);
	return walk_node(v, head, sizeof(v->raw->i_block), depth);
}

/* Blocks of an old map come one by one: those that follow each other are told as one run. */
struct old_map {
	const struct visit *visit;
	uint64_t block, n_blocks, file_block;
	int r;
};

static int flush_run(struct old_map *m)
{
	int r = m->n_blocks
			? tell(m->visit, ITABLE_DATA, m->block, m->n_blocks, m->file_block, false)
			: 0;

	m->n_blocks = 0;
	return r;
}

static int see_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t file_block, blk64_t ref_block,
		     int ref_offset, void *userdata)
{
	struct old_map *m = userdata;

	if (file_block >= 0 && m->n_blocks && *block == m->block + m->n_blocks &&
	    (uint64_t)file_block == m->file_block + m->n_blocks) {
		m->n_blocks++;
		return 0;
	}
	m->r = flush_run(m);
	if (!m->r && file_block < 0)
		m->r = tell(m->visit, ITABLE_MAP, *block, 1, 0, false);
	else if (!m->r) {
		m->block = *block;
		m->n_blocks = 1;
		m->file_block = (uint64_t)file_block;
	}
	return m->r ? BLOCK_ABORT : 0;
}

static int walk_old_map(const struct visit *v)
{
	struct old_map m = { .visit = v };
	errcode_t error;

	error = ext2fs_block_iterate3(v->t->fs, (ext2_ino_t)v->inode.facts.inode,
				      BLOCK_FLAG_READ_ONLY, NULL, see_block, &m);
	if (m.r)
		return m.r;
	m.r = flush_run(&m);
	return !m.r && error ? tell_broken(v) : m.r;
}

static int walk_inode(const struct visit *v)
{
	ext2_filsys fs = v->t->fs;
	struct ext2_inode inode = *v->raw;
	uint64_t xattr_block;
	int r;

#ifdef WORDS_BIGENDIAN
#error "inodes are used as they are on the device, which is little-endian"
#endif
	xattr_block = ext2fs_file_acl_block(fs, &inode);
	if (xattr_block) {
		r = tell(v, ITABLE_XATTR, xattr_block, 1, 0, false);
		if (r)
			return r;
	}
	if (!ext2fs_inode_has_valid_blocks2(fs, &inode))
		return 0;
	return inode.i_flags & EXT4_EXTENTS_FL ? walk_tree(v) : walk_old_map(v);
}

/* ---- the inodes of one group ---- */

static bool is_own(const struct ext2_super_block *super, uint64_t inode)
{
	if (inode == EXT2_ROOT_INO)
		return false;
	return inode < EXT2_FIRST_INO(super) || inode == super->s_journal_inum ||
	       inode == super->s_usr_quota_inum || inode == super->s_grp_quota_inum ||
	       inode == super->s_prj_quota_inum || inode == super->s_orphan_file_inum;
}

static struct itable_inode facts_of(const struct itable *t, uint64_t inode,
				    const struct ext2_inode *raw)
{
	return (struct itable_inode){
		.facts = {
			.inode = inode,
			.generation = raw->i_generation,
			.mode = raw->i_mode,
			.n_links = raw->i_links_count,
		},
		.own = is_own(t->fs->super, inode),
		.journal = inode == t->fs->super->s_journal_inum,
		.attribute = raw->i_flags & EXT4_EA_INODE_FL,
	};
}

/* How many inodes of the group were ever used. *has_bitmap: t->bitmap says which are now. */
static uint32_t read_group(struct itable *t, uint32_t group, bool *has_bitmap)
{
	ext2_filsys fs = t->fs;
	uint32_t n = EXT2_INODES_PER_GROUP(fs->super);
	size_t bitmap_bytes = (n + 7) / 8;

	*has_bitmap = false;
	if (ext2fs_has_group_desc_csum(fs)) {
		if (ext2fs_bg_flags_test(fs, group, EXT2_BG_INODE_UNINIT))
			return 0;
		n -= ext2fs_bg_itable_unused(fs, group);
	}
	if (bitmap_bytes > t->block_bytes)
		bitmap_bytes = t->block_bytes;
	if (n && around_poison_read(t->device, ext2fs_inode_bitmap_loc(fs, group) * t->block_bytes,
				    t->bitmap, bitmap_bytes) == 0)
		*has_bitmap = true;
	return n;
}

static bool in_bitmap(const struct itable *t, uint32_t i)
{
	return t->bitmap[i / 8] >> i % 8 & 1;
}

/* Inodes [first, first + n) of a group, whose raw form is in t->chunk. */
static int walk_chunk(struct itable *t, uint32_t group, uint32_t first, uint32_t n, bool has_bitmap,
		      itable_function f, void *userdata)
{
	uint64_t before = (uint64_t)group * EXT2_INODES_PER_GROUP(t->fs->super) + 1;

	for (uint32_t i = 0; i < n; i++) {
		const struct ext2_inode *raw =
			(const void *)(t->chunk + (size_t)i * t->inode_bytes);
		struct visit v = { .t = t, .raw = raw, .f = f, .userdata = userdata };
		int r;

		if (has_bitmap && !in_bitmap(t, first + i))
			continue;
		v.inode = facts_of(t, before + first + i, raw);
		r = walk_inode(&v);
		if (r)
			return r;
	}
	return 0;
}

/* A chunk that can't be read whole is read in pages. */
static int read_and_walk(struct itable *t, uint32_t group, uint32_t first, uint32_t n,
			 bool has_bitmap, itable_function f, void *userdata)
{
	uint64_t at = ext2fs_inode_table_loc(t->fs, group) * t->block_bytes +
		      (uint64_t)first * t->inode_bytes;
	uint32_t n_in_page = PAGE_BYTES / t->inode_bytes;
	int r;

	if (around_poison_read(t->device, at, t->chunk, (size_t)n * t->inode_bytes) == 0)
		return walk_chunk(t, group, first, n, has_bitmap, f, userdata);
	if (n <= n_in_page) {
		t->n_unreadable++;
		return 0;
	}
	for (uint32_t i = 0; i < n; i += n_in_page) {
		uint32_t n_here = n - i < n_in_page ? n - i : n_in_page;

		r = read_and_walk(t, group, first + i, n_here, has_bitmap, f, userdata);
		if (r)
			return r;
	}
	return 0;
}

int itable_walk_group(struct itable *t, uint32_t group, itable_function f, void *userdata)
{
	uint32_t n_in_chunk = CHUNK_BYTES / t->inode_bytes;
	bool has_bitmap;
	uint32_t n = read_group(t, group, &has_bitmap);
	int r;

	for (uint32_t i = 0; i < n; i += n_in_chunk) {
		uint32_t n_here = n - i < n_in_chunk ? n - i : n_in_chunk;

		r = read_and_walk(t, group, i, n_here, has_bitmap, f, userdata);
		if (r)
			return r;
	}
	return 0;
}

int itable_list_group(struct itable *t, uint32_t group, int (*f)(uint64_t inode, void *userdata),
		      void *userdata)
{
	uint64_t before = (uint64_t)group * EXT2_INODES_PER_GROUP(t->fs->super) + 1;
	bool has_bitmap;
	uint32_t n = read_group(t, group, &has_bitmap);

	for (uint32_t i = 0; i < n; i++) {
		int r = has_bitmap && !in_bitmap(t, i) ? 0 : f(before + i, userdata);

		if (r)
			return r;
	}
	return 0;
}

/* ---- the bitmap of blocks ---- */

static int read_block_map(struct itable *t, uint32_t group)
{
	uint64_t at = ext2fs_block_bitmap_loc(t->fs, group);
	int r;

	if (at == t->block_map_at)
		return 0;
	t->block_map_at = 0;
	r = around_poison_read(t->device, at * t->block_bytes, t->block_map, t->block_bytes);
	if (r == 0)
		t->block_map_at = at;
	return r;
}

/* One cluster. A group of which the bitmap was never written has nothing but metadata. */
static int cluster_in_use(struct itable *t, uint64_t byte)
{
	uint64_t block = byte / t->block_bytes;
	ext2_filsys fs = t->fs;
	uint32_t group, i;
	int r;

	if (block < fs->super->s_first_data_block || block >= ext2fs_blocks_count(fs->super))
		return -EIO;
	group = ext2fs_group_of_blk2(fs, block);
	if (ext2fs_has_group_desc_csum(fs) && ext2fs_bg_flags_test(fs, group, EXT2_BG_BLOCK_UNINIT))
		return 0;
	r = read_block_map(t, group);
	if (r < 0)
		return r;
	i = (uint32_t)((block - ext2fs_group_first_block2(fs, group)) >> fs->cluster_ratio_bits);
	return t->block_map[i / 8] >> i % 8 & 1;
}

int itable_in_use(struct itable *t, struct range bytes, uint64_t *ret_end)
{
	uint32_t cluster_bytes = cluster_bytes_of(t);
	uint64_t at = bytes.start_bytes - bytes.start_bytes % t->block_bytes;
	int first = cluster_in_use(t, at);

	do
		at += cluster_bytes - at % cluster_bytes;
	while (at < range_end(bytes) && cluster_in_use(t, at) == first);
	*ret_end = at < range_end(bytes) ? at : range_end(bytes);
	return first;
}
