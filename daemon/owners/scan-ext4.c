// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * scan-ext4: who has these bytes, in an ext4?
 *
 *   itable (the hint) -> [scan-ext4] -> look (the proof)
 *
 * In:   ranges that are neither free nor in a fixed place of metadata.
 * Out:  finds.
 *
 * The inode tables name the inode, and the inode is asked itself, by FIEMAP. Where an inode can't
 * be asked, since FIEMAP knows no symbolic links, extent trees or journal, the table is believed:
 * it is read through the page cache that the kernel changes it in. If the tables can't be read, or
 * do not account for bytes that the bitmap calls used, all inodes are asked.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "owners/hints.h"
#include "owners/scan.h"

struct walk {
	struct scan *scan;
	uint64_t last_inode; /* counted already */
	uint64_t last_asked; /* asked already, for these parts */
	unsigned parts_asked;
};

/* ---- by the inode tables ---- */

static int open_tables(struct scan *s)
{
	int r;

	r = around_poison_open(s->dev, &s->device);
	if (r < 0)
		return r;
	for (size_t i = 0; s->poison && i < s->poison->n_ranges; i++) {
		r = badblocks_add(s->device.bad, range_align_out(s->poison->ranges[i], PAGE_BYTES));
		if (r < 0)
			return r;
	}
	around_poison_ready(&s->device);
	r = itable_open(&s->device, &s->itable);
	if (r < 0)
		return r;
	s->look.cluster_bytes = itable_cluster_bytes(s->itable);
	s->look.always_shared = itable_shares_blocks(s->itable);
	return 0;
}

static struct range whole_clusters(const struct scan *s, struct range bytes)
{
	return s->look.cluster_bytes ? range_align_out(bytes, s->look.cluster_bytes) : bytes;
}

static enum owner_kind kind_of(const struct itable_inode *inode, const struct itable_run *run)
{
	if (inode->journal)
		return OWNER_LOG;
	if (inode->own)
		return OWNER_METADATA;
	if (run->part == ITABLE_MAP)
		return OWNER_EXTENT_MAP;
	if (run->part == ITABLE_XATTR || inode->attribute)
		return OWNER_XATTR;
	return S_ISLNK(inode->facts.mode) ? OWNER_SYMLINK : OWNER_FILE_DATA;
}

/* Of what no ioctl tells. That the inode is alive is asked all the same. */
static int believe(struct scan *s, const struct itable_inode *inode, const struct itable_run *run)
{
	struct find find = {
		.kind = kind_of(inode, run),
		.bytes = whole_clusters(s, run->bytes),
		.inode = inode->facts.inode,
		.generation = inode->facts.generation,
		.mode = inode->facts.mode,
		.n_links = inode->facts.n_links,
		.file_offset_bytes = run->file_offset_bytes,
		.shared = run->part == ITABLE_XATTR,
		.nameless = inode->own || inode->attribute,
	};
	struct inode_facts now;

	if (!find.nameless && handle_inode(s->look.fs_fd, "ext4", find.inode, &now) == -ENOENT)
		return 0;
	return unowned_found(s->look.unowned, &find) == -ENOMEM ? -ENOMEM : 0;
}

static bool can_be_asked(const struct itable_inode *inode, const struct itable_run *run)
{
	return !inode->own && !inode->attribute && run->part != ITABLE_MAP &&
	       (S_ISREG(inode->facts.mode) || S_ISDIR(inode->facts.mode));
}

static int ask(struct walk *w, const struct itable_inode *inode, unsigned parts)
{
	if (w->last_asked != inode->facts.inode)
		w->parts_asked = 0;
	w->last_asked = inode->facts.inode;
	if (!(parts & ~w->parts_asked))
		return 0;
	w->parts_asked |= parts;
	return scan_looked(w->scan, look_at_inode(&w->scan->look, &inode->facts, parts));
}

static int see_run(const struct itable_inode *inode, const struct itable_run *run, void *userdata)
{
	struct walk *w = userdata;
	struct scan *s = w->scan;

	if (w->last_inode != inode->facts.inode) {
		w->last_inode = inode->facts.inode;
		if (scan_count(s, 1))
			return 1;
	}
	if (run->part == ITABLE_BROKEN)
		return can_be_asked(inode, run) ? ask(w, inode, LOOK_DATA) : 0;
	if (s->hints && can_be_asked(inode, run) &&
	    hints_add(s->hints, inode->facts.inode, whole_clusters(s, run->bytes)) < 0)
		s->hints = hints_drop(s->hints);
	if (!unowned_meets(s->look.unowned, whole_clusters(s, run->bytes)))
		return 0;
	if (can_be_asked(inode, run))
		return ask(w, inode, run->part == ITABLE_XATTR ? LOOK_XATTR : LOOK_DATA);
	return believe(s, inode, run);
}

static int see_metadata(struct scan *s, struct range bytes)
{
	struct find find = {
		.kind = OWNER_METADATA,
		.bytes = bytes,
		.nameless = true,
	};

	if (!bytes.length_bytes)
		return 0;
	return unowned_found(s->look.unowned, &find) == -ENOMEM ? -ENOMEM : 0;
}

/* What no inode has, nor does GETFSMAP tell of it. */
static int see_fixed(struct scan *s)
{
	int r = see_metadata(s, itable_in_front(s->itable));

	return r < 0 ? r : see_metadata(s, itable_mmp(s->itable));
}

/* 1: settled, 0: all was seen, or -ENOMEM. */
static int walk_tables(struct scan *s)
{
	struct walk w = { .scan = s };
	int r;

	/* What is told of each run comes from the tables here, not from those that are asked. */
	s->look.on_run = NULL;
	r = see_fixed(s);
	for (uint32_t g = 0; g < itable_n_groups(s->itable) && !r; g++)
		r = itable_walk_group(s->itable, g, see_run, &w);
	if (itable_n_unreadable(s->itable))
		s->unsure = true;
	s->all_seen = r == 0;
	return r < 0 ? r : unowned_settled(s->look.unowned);
}

/* ---- by asking all inodes ---- */

static int see_number(uint64_t inode, void *userdata)
{
	struct scan *s = userdata;
	int r;

	r = scan_looked(s, look_at_number(&s->look, inode));
	if (r < 0)
		return r;
	return scan_count(s, 1);
}

static int ask_all(struct scan *s)
{
	struct statfs fs;
	int r = 0;

	s->n_done = 0;
	s->hints = hints_drop(s->hints);
	for (uint32_t g = 0; s->itable && g < itable_n_groups(s->itable) && !r; g++)
		r = itable_list_group(s->itable, g, see_number, s);
	if (s->itable)
		return r < 0 ? r : 0;

	/* Without bitmaps, any number could be one. */
	s->unsure = true;
	if (fstatfs(s->look.fs_fd, &fs) < 0)
		return 0;
	s->n_total = fs.f_files;
	for (uint64_t inode = 1; inode <= fs.f_files && !r; inode++)
		r = see_number(inode, s);
	return r < 0 ? r : 0;
}

static bool was_found(const struct scan *s, const struct unowned_range *range, uint64_t byte)
{
	for (size_t i = range->first_find; i; i = s->look.unowned->finds[i - 1].next) {
		struct range has = s->look.unowned->finds[i - 1].find.bytes;

		if (byte >= has.start_bytes && byte < range_end(has))
			return true;
	}
	return false;
}

/* Somebody has bytes of it, says the bitmap, and nobody was found to. */
static bool is_unaccounted(struct scan *s, const struct unowned_range *range)
{
	uint64_t at = range->bytes.start_bytes, end;

	if (range->settled_bytes == range->bytes.length_bytes)
		return false;
	for (; at < range_end(range->bytes); at = end) {
		struct range rest = { at, range_end(range->bytes) - at };

		if (itable_in_use(s->itable, rest, &end) != 0 && !was_found(s, range, at))
			return true;
	}
	return false;
}

static bool any_unaccounted(struct scan *s)
{
	for (size_t i = 0; i < s->look.unowned->n; i++)
		if (is_unaccounted(s, &s->look.unowned->ranges[i]))
			return true;
	return false;
}

int scan_ext4(struct scan *s)
{
	int r;

	r = open_tables(s);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return ask_all(s);
	r = walk_tables(s);
	if (r != 0)
		return r < 0 ? r : 0;
	return any_unaccounted(s) ? ask_all(s) : 0;
}

enum owner_kind scan_ext4_leftover(struct scan *s, struct range bytes, uint64_t *ret_end)
{
	*ret_end = range_end(bytes);
	if (!s->itable)
		return OWNER_UNKNOWN;
	/* Set aside for a file in memory, and free on the media: the bitmap knows. */
	if (itable_in_use(s->itable, bytes, ret_end) == 0)
		return OWNER_FREE;
	/* All inodes were seen, so what else fills a cluster with it is metadata in a fixed place.
	 */
	return s->look.cluster_bytes && !s->unsure ? OWNER_METADATA : OWNER_UNKNOWN;
}
