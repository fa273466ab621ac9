// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * scan: who has these bytes, in a filesystem without a reverse map?
 *
 *   in_use, hints -> [scan] -> scan-ext4, scan-xfs -> look -> unowned
 *
 * In:   ranges that GETFSMAP cannot name an owner of.
 * Out:  finds, each proven by the inode itself; and how far what was not found can be trusted.
 *
 * One search is for all ranges of a filesystem together: looking at an inode is what costs.
 */
#include <errno.h>
#include <string.h>
#include <sys/vfs.h>

#include "owners/hints.h"
#include "owners/scan.h"

/* Shorter lists are not worth a file: looking at all inodes takes no longer. */
#define LEAST_INODES_FOR_HINTS 2000u

/* Telling how far we are must not cost more than getting there. */
#define TELL_EVERY 4096u

int scan_looked(struct scan *s, int r)
{
	if (r == -ENOMEM)
		return r;
	if (r < 0 && r != -ENOENT && r != -EISNAM)
		s->unsure = true;
	return 0;
}

bool scan_count(struct scan *s, uint64_t n)
{
	uint64_t before = s->n_done;

	s->n_done += n;
	if (s->how->progress && before / TELL_EVERY != s->n_done / TELL_EVERY)
		s->how->progress(s->n_done, s->n_total, s->how->userdata);
	return unowned_settled(s->look.unowned);
}

int scan_some(struct scan *s, const uint64_t *inodes, size_t n)
{
	for (size_t i = 0; i < n && !unowned_settled(s->look.unowned); i++)
		if (look_at_number(&s->look, inodes[i]) == -ENOMEM)
			return -ENOMEM;
	s->finished = s->finished || unowned_settled(s->look.unowned);
	return 0;
}

int scan_hinted(struct scan *s)
{
	_cleanup_(freep) uint64_t *inodes = NULL;
	size_t n;
	int r;

	if (!s->how->hints_directory || unowned_settled(s->look.unowned))
		return 0;
	r = hints_find(s->how->hints_directory, s->dev, s->look.unowned, &inodes, &n);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	return scan_some(s, inodes, n);
}

static int keep_hint(uint64_t inode, struct range bytes, void *userdata)
{
	struct scan *s = userdata;

	if (s->hints && hints_add(s->hints, inode, bytes) < 0)
		s->hints = hints_drop(s->hints);
	return 0;
}

static void end_hints(struct scan *s, int r)
{
	s->look.on_run = NULL;
	if (!s->hints)
		return;
	if (r < 0)
		s->hints = hints_drop(s->hints);
	else
		hints_finish(TAKE(s->hints), s->all_seen);
}

static void begin_hints(struct scan *s)
{
	if (!s->how->hints_directory || s->n_total < LEAST_INODES_FOR_HINTS ||
	    hints_begin(s->how->hints_directory, s->dev, &s->hints) < 0)
		return;
	s->look.on_run = keep_hint;
	s->look.userdata = s;
}

int scan_all(struct scan *s)
{
	struct statfs fs;
	int r = -EOPNOTSUPP;

	if (unowned_settled(s->look.unowned)) {
		s->finished = true;
		return 0;
	}
	if (fstatfs(s->look.fs_fd, &fs) == 0)
		s->n_total = fs.f_files - fs.f_ffree;
	begin_hints(s);
	if (!strcmp(s->look.filesystem, "ext4"))
		r = scan_ext4(s);
	else if (!strcmp(s->look.filesystem, "xfs"))
		r = scan_xfs(s);
	end_hints(s, r);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		s->unsure = true;
	s->finished = true;
	return 0;
}

enum owner_kind scan_leftover(struct scan *s, struct range bytes, uint64_t *ret_end)
{
	if (!strcmp(s->look.filesystem, "ext4"))
		return scan_ext4_leftover(s, bytes, ret_end);
	return scan_xfs_leftover(s, bytes, ret_end);
}

void scan_done(struct scan *s)
{
	s->hints = hints_drop(s->hints);
	s->itable = itable_close(s->itable);
	if (s->device.bad)
		around_poison_close(&s->device);
}
