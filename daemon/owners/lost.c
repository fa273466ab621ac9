// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lost: bytes that a filesystem without a reverse map named no owner of.
 *
 *   ask -> [lost] -> scan -> [lost] -> owners of incidents
 *
 * In:   what GETFSMAP calls somebody's, of all incidents of one question.
 * Out:  owners, and whether they are all: an incident is complete only when each of its bytes has
 *       an owner that shares it with nobody, or all inodes were looked at.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "owners/lost.h"
#include "owners/realtime.h"

int lost_add(struct lost *l, struct lost_bytes bytes)
{
	if (!(l->n & (l->n - 1))) {
		struct lost_bytes *grown = reallocarray(l->all, l->n ? 2 * l->n : 1,
							sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->all = grown;
	}
	l->all[l->n++] = bytes;
	return 0;
}

int lost_add_poison(struct lost *l, struct range dev_bytes)
{
	int r;

	if (is_realtime_byte(dev_bytes.start_bytes))
		return 0;
	if (!l->poison) {
		r = badblocks_new(&l->poison);
		if (r < 0)
			return r;
	}
	r = badblocks_add(l->poison, dev_bytes);
	return r == -ENOMEM ? r : 0;
}

void lost_done(struct lost *l)
{
	scan_done(&l->scan);
	unowned_done(&l->unowned);
	badblocks_free(l->poison);
	free(l->all);
	*l = (struct lost){};
}

static struct range dev_bytes_of(const struct lost_bytes *bytes)
{
	return (struct range){ bytes->phys.start_bytes - bytes->phys_of_fs,
			       bytes->phys.length_bytes };
}

int lost_search(struct lost *l, const struct fsmap_view *view, dev_t dev, const uint64_t *in_use,
		size_t n_in_use, const struct scan_how *how)
{
	struct scan *s = &l->scan;
	int r = 0;

	for (size_t i = 0; i < l->n && r >= 0; i++)
		r = unowned_add(&l->unowned, dev_bytes_of(&l->all[i]));
	if (r < 0)
		return r;
	unowned_sort(&l->unowned);
	*s = (struct scan){
		.look = {
			.fs_fd = view->fs_fd,
			.filesystem = view->filesystem,
			.unowned = &l->unowned,
			.has_realtime = view->has_realtime,
		},
		.dev = dev,
		.poison = l->poison,
		.how = how,
	};
	r = scan_some(s, in_use, n_in_use);
	if (r >= 0)
		r = scan_hinted(s);
	if (r >= 0 && !how->at_once)
		r = scan_all(s);
	return r;
}

/* ---- what became of it ---- */

struct telling {
	struct lost *lost;
	const struct fsmap_view *view;
	const struct ask_hooks *hooks;
	const struct lost_bytes *bytes; /* which are told of */
	const struct unowned_range *range; /* that they lie in */
};

static struct owner *add_owner(const struct telling *t, enum owner_kind kind,
			       struct range dev_bytes)
{
	struct range phys = { dev_bytes.start_bytes + t->bytes->phys_of_fs,
			      dev_bytes.length_bytes };
	struct incident *in = t->bytes->in;
	struct owner *o;

	if (add_plain_owner(in, kind, phys, t->view->filesystem, "scan") < 0)
		return NULL;
	o = &in->owners[in->n_owners - 1];
	o->dev = t->view->dev;
	o->unwritten = kind == OWNER_UNWRITTEN;
	o->realtime = is_realtime_byte(dev_bytes.start_bytes);
	return o;
}

static enum owner_kind kind_of_file(const struct find *find)
{
	if (find->kind != OWNER_FILE_DATA || !S_ISDIR(find->mode))
		return find->kind;
	return OWNER_DIRECTORY;
}

static int add_find(const struct telling *t, const struct find *find, bool shared)
{
	struct inode_facts facts = {
		.inode = find->inode,
		.generation = find->generation,
		.mode = find->mode,
		.n_links = find->n_links,
	};
	struct owner *o = add_owner(t, kind_of_file(find), find->bytes);

	if (!o)
		return -ENOMEM;
	o->inode = find->inode;
	o->generation = find->generation;
	o->file_offset_bytes = find->file_offset_bytes;
	o->shared = shared;
	o->unlinked = !find->nameless && find->n_links == 0;
	if (find->nameless && o->kind == OWNER_XATTR)
		return owners_incomplete(
			t->bytes->in,
			"Inode %llu holds an attribute of a file, and which file's "
			"was not looked for",
			(unsigned long long)find->inode);
	if (find->nameless || o->unlinked || !t->hooks->named)
		return 0;
	return t->hooks->named(&facts, t->hooks->userdata);
}

static int say_searching(const struct telling *t)
{
	t->bytes->in->owners_searching = true;
	return owners_incomplete(
		t->bytes->in,
		"%s has no reverse map here, and its inodes have not been searched "
		"yet",
		t->view->filesystem);
}

static int say_unknown(const struct telling *t)
{
	const struct scan *s = &t->lost->scan;

	if (s->unsure)
		return owners_incomplete(t->bytes->in,
					 "Some of the inodes could not be read, and the owner may "
					 "be among them");
	if (is_realtime_byte(t->range->bytes.start_bytes))
		return owners_incomplete(t->bytes->in,
					 "The realtime device of the filesystem does not call it "
					 "free, but no file has it");
	return owners_incomplete(t->bytes->in,
				 "No file has it: it is the filesystem's own, or of a symbolic "
				 "link, a fragmented file's map or a copy on write, which nobody "
				 "can ask it about");
}

static struct find clip_find(const struct find *find, struct range bytes)
{
	struct find clipped = *find;

	clipped.bytes = range_clip(find->bytes, bytes);
	if (find->kind != OWNER_EXTENT_MAP)
		clipped.file_offset_bytes += clipped.bytes.start_bytes - find->bytes.start_bytes;
	return clipped;
}

/* Bytes that nobody was found to have. */
static int add_unfound(const struct telling *t, uint64_t start, uint64_t end)
{
	struct scan *s = &t->lost->scan;
	enum owner_kind kind = OWNER_UNKNOWN;
	uint64_t piece_end = end;
	int r = 0;

	for (; start < end && r >= 0; start = piece_end) {
		if (s->finished)
			kind = scan_leftover(s, (struct range){ start, end - start }, &piece_end);
		if (!add_owner(t, kind, (struct range){ start, piece_end - start }))
			return -ENOMEM;
		if (!s->finished)
			r = say_searching(t);
		else if (kind == OWNER_UNKNOWN)
			r = say_unknown(t);
	}
	return r;
}

/* The slack that begins here, or the nearest behind it. NULL: there is none before `end`. */
static const struct find *next_slack(const struct telling *t, uint64_t start, uint64_t end)
{
	const struct unowned *u = &t->lost->unowned;
	const struct find *nearest = NULL;

	for (size_t i = t->range->first_find; i; i = u->finds[i - 1].next) {
		const struct find *find = &u->finds[i - 1].find;

		if (!find->slack || range_end(find->bytes) <= start ||
		    find->bytes.start_bytes >= end)
			continue;
		if (!nearest || find->bytes.start_bytes < nearest->bytes.start_bytes)
			nearest = find;
	}
	return nearest;
}

/* Bytes that no file has written to. */
static int add_gap(const struct telling *t, uint64_t start, uint64_t end)
{
	while (start < end) {
		const struct find *slack = next_slack(t, start, end);
		uint64_t slack_start = slack ? slack->bytes.start_bytes : end;
		struct find piece;
		int r;

		if (slack_start > start) {
			r = add_unfound(t, start, slack_start);
			if (r < 0)
				return r;
			start = slack_start;
			continue;
		}
		piece = clip_find(slack, (struct range){ start, end - start });
		r = add_find(t, &piece, false);
		if (r < 0)
			return r;
		start = range_end(piece.bytes);
	}
	return 0;
}

static int compare_finds(const void *a, const void *b)
{
	const struct find *l = a, *r = b;

	if (l->bytes.start_bytes != r->bytes.start_bytes)
		return l->bytes.start_bytes < r->bytes.start_bytes ? -1 : 1;
	if (l->inode != r->inode)
		return l->inode < r->inode ? -1 : 1;
	return (l->file_offset_bytes > r->file_offset_bytes) -
	       (l->file_offset_bytes < r->file_offset_bytes);
}

/* What was found of the range, as far as it meets these bytes, sorted. *ret is the caller's. */
static int finds_in(const struct telling *t, struct range bytes, struct find **ret, size_t *ret_n)
{
	const struct unowned *u = &t->lost->unowned;
	struct find *finds = reallocarray(NULL, t->range->n_finds + 1, sizeof(*finds));
	size_t n = 0;

	if (!finds)
		return -ENOMEM;
	for (size_t i = t->range->first_find; i; i = u->finds[i - 1].next) {
		const struct find *find = &u->finds[i - 1].find;

		if (!find->slack && range_overlaps(find->bytes, bytes))
			finds[n++] = clip_find(find, bytes);
	}
	if (n)
		qsort(finds, n, sizeof(*finds), compare_finds);
	*ret = finds;
	*ret_n = n;
	return 0;
}

static bool meets_another(const struct find *finds, size_t n, size_t i, uint64_t covered_to)
{
	return covered_to > finds[i].bytes.start_bytes ||
	       (i + 1 < n && range_overlaps(finds[i].bytes, finds[i + 1].bytes));
}

static int tell_range(const struct telling *t)
{
	const struct scan *s = &t->lost->scan;
	struct range bytes = range_clip(dev_bytes_of(t->bytes), t->range->bytes);
	uint64_t covered_to = bytes.start_bytes;
	_cleanup_(freep) struct find *finds = NULL;
	bool may_have_more = false;
	size_t n;
	int r;

	r = finds_in(t, bytes, &finds, &n);
	for (size_t i = 0; i < n && r >= 0; i++) {
		bool says_shared = finds[i].shared && !strcmp(t->view->filesystem, "xfs");

		if (finds[i].bytes.start_bytes > covered_to)
			r = add_gap(t, covered_to, finds[i].bytes.start_bytes);
		if (r >= 0)
			r = add_find(t, &finds[i],
				     says_shared || meets_another(finds, n, i, covered_to));
		may_have_more = may_have_more || finds[i].shared;
		if (range_end(finds[i].bytes) > covered_to)
			covered_to = range_end(finds[i].bytes);
	}
	if (r >= 0 && covered_to < range_end(bytes))
		r = add_gap(t, covered_to, range_end(bytes));
	if (r >= 0 && may_have_more && !s->finished)
		r = say_searching(t);
	if (r >= 0 && may_have_more && s->unsure)
		r = say_unknown(t);
	if (r >= 0 && t->range->truncated)
		r = owners_incomplete(t->bytes->in, "More than %u pieces; the rest is not listed",
				      FSMAP_MAX_PIECES);
	return r;
}

int lost_tell(struct lost *l, const struct fsmap_view *view, const struct ask_hooks *hooks)
{
	const struct unowned *u = &l->unowned;

	for (size_t i = 0; i < l->n; i++) {
		struct telling t = { l, view, hooks, &l->all[i] };
		struct range bytes = dev_bytes_of(&l->all[i]);

		for (size_t k = unowned_after(u, bytes.start_bytes);
		     k < u->n && u->ranges[k].bytes.start_bytes < range_end(bytes); k++) {
			int r;

			t.range = &u->ranges[k];
			r = tell_range(&t);
			if (r < 0)
				return r;
		}
	}
	return 0;
}
