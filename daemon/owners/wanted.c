// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * wanted: the inodes of one filesystem whose names a question asks for.
 *
 *   filesystem -> [wanted] -> parents, dcache, near, paths: each adds the names that it finds
 *
 * In:   inode numbers, some thousands at most times, and how many names each must have.
 * Out:  for every entry of every directory: is it one of them? A hash answers that without a
 *       comparison for most.
 *
 * Whoever may create files decides how many names there are and how long: both are bounded here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "owners/wanted.h"
#include "strv.h"

static size_t slot_of(const struct wanted *w, uint64_t inode)
{
	/* Inode numbers come in runs; the upper half of the product spreads them. */
	return (size_t)((inode * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (w->n_slots - 1);
}

struct wanted_inode *wanted_find(const struct wanted *w, uint64_t inode)
{
	if (!w->n_slots)
		return NULL;
	for (size_t s = slot_of(w, inode); w->slots[s]; s = (s + 1) & (w->n_slots - 1))
		if (w->all[w->slots[s] - 1].inode == inode)
			return &w->all[w->slots[s] - 1];
	return NULL;
}

static void enter(struct wanted *w, size_t position)
{
	size_t s = slot_of(w, w->all[position].inode);

	while (w->slots[s])
		s = (s + 1) & (w->n_slots - 1);
	w->slots[s] = (uint32_t)position + 1;
}

/* Four slots for each inode: most entries of directories then meet an empty one at once. */
static int grow(struct wanted *w)
{
	size_t n_slots = w->n_slots ? 2 * w->n_slots : 64;
	struct wanted_inode *all;
	uint32_t *slots;

	if (n_slots > UINT32_MAX)
		return -ENOMEM;
	all = reallocarray(w->all, n_slots / 4, sizeof(*all));
	if (!all)
		return -ENOMEM;
	w->all = all;
	slots = calloc(n_slots, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(w->slots);
	w->slots = slots;
	w->n_slots = n_slots;
	for (size_t i = 0; i < w->n; i++)
		enter(w, i);
	return 0;
}

struct wanted_inode *wanted_add(struct wanted *w, uint64_t inode)
{
	struct wanted_inode *found = wanted_find(w, inode);

	if (found)
		return found;
	if (w->n == w->n_slots / 4 && grow(w) < 0)
		return NULL;
	w->all[w->n] = (struct wanted_inode){ .inode = inode };
	enter(w, w->n);
	return &w->all[w->n++];
}

bool wanted_is_missing(const struct wanted *w, const struct wanted_inode *inode)
{
	return inode->n_paths < inode->n_names && inode->n_paths < WANTED_MAX_NAMES && !w->full;
}

size_t wanted_n_missing(const struct wanted *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++)
		n += wanted_is_missing(w, &w->all[i]);
	return n;
}

int wanted_note(struct wanted *w, struct wanted_inode *inode, const char *fs_path)
{
	size_t length = strlen(fs_path) + 1;
	int r;

	if (!wanted_is_missing(w, inode) || length > WANTED_MAX_PATH_BYTES)
		return 0;
	if (w->n_bytes + length > WANTED_MAX_BYTES) {
		w->full = true;
		return 0;
	}
	r = strv_push_once(&inode->fs_paths, fs_path);
	if (r <= 0)
		return r;
	inode->n_paths++;
	w->n_bytes += length;
	return 1;
}

void wanted_done(struct wanted *w)
{
	for (size_t i = 0; i < w->n; i++)
		strv_free(w->all[i].fs_paths);
	free(w->all);
	free(w->slots);
	*w = (struct wanted){};
}
