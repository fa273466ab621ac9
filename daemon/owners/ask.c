// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ask: what one filesystem says about a range, as owners of an incident.
 *
 *   fsmap + handle -> [ask] -> owners (with paths), repair (right before each step)
 *
 * In:   physical bytes, and where byte 0 of the filesystem's device lies.
 * Out:  one owner for each piece.
 *
 * The reverse map names inodes; only the inode says whether its blocks are a file's, a directory's
 * or a symlink's. An inode number that no inode answers to is either a file on its way out, whose
 * blocks become free in a moment, or one that the filesystem keeps for itself (quota, realtime
 * bitmaps), which never does: waiting a little tells them apart.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include "owners/ask.h"
#include "owners/handle.h"
#include "owners/owners.h"

#define N_TRIES	       5
#define TRY_AGAIN_NSEC (20 * 1000 * 1000)

int owners_incomplete(struct incident *in, const char *format, ...)
{
	va_list args;
	int n;

	in->owners_complete = false;
	if (in->owners_reason)
		return 0;
	va_start(args, format);
	n = vasprintf(&in->owners_reason, format, args);
	va_end(args);
	if (n < 0) {
		in->owners_reason = NULL;
		return -ENOMEM;
	}
	return 0;
}

int add_plain_owner(struct incident *in, enum owner_kind kind, struct range phys,
		    const char *filesystem, const char *method)
{
	struct owner *o = incident_add_owner(in);

	if (!o)
		return -ENOMEM;
	o->kind = kind;
	o->phys_start = phys.start_bytes;
	o->length_bytes = phys.length_bytes;
	if (string_set(&o->filesystem, filesystem) < 0 || string_set(&o->method, method) < 0)
		return -ENOMEM;
	return 0;
}

static void take_facts(struct owner *o, const struct inode_facts *facts)
{
	o->generation = facts->generation;
	o->unlinked = facts->n_links == 0;
	if (o->kind != OWNER_FILE_DATA)
		return;
	if (S_ISDIR(facts->mode))
		o->kind = OWNER_DIRECTORY;
	else if (S_ISLNK(facts->mode))
		o->kind = OWNER_SYMLINK;
}

static int add_piece(const struct fsmap_view *view, uint64_t phys_of_fs,
		     const struct fsmap_piece *piece, const struct inode_facts *facts,
		     struct incident *in)
{
	struct range phys = { phys_of_fs + piece->bytes.start_bytes, piece->bytes.length_bytes };
	struct owner *o;
	int r;

	if (piece->beyond)
		return add_plain_owner(in, OWNER_RAW, phys, NULL, "device");
	r = add_plain_owner(in, piece->kind, phys, view->filesystem, "fsmap");
	if (r < 0)
		return r;

	o = &in->owners[in->n_owners - 1];
	o->dev = view->dev;
	o->inode = piece->inode;
	o->file_offset_bytes = piece->file_offset_bytes;
	o->shared = piece->shared;
	o->unwritten = piece->unwritten;
	if (facts)
		take_facts(o, facts);
	else if (piece->inode)
		o->kind = OWNER_METADATA;

	if (piece->staging)
		return owners_incomplete(in, "A copy on write is under way here, and no file has "
					     "taken it over yet");
	if (piece->kind == OWNER_UNKNOWN)
		return owners_incomplete(in,
					 "%s on device %s has no reverse map that names the "
					 "owner of each block",
					 view->filesystem,
					 in->device.blockdev ? in->device.blockdev : "below");
	return 0;
}

/* Facts about every inode of the answer, one for each piece. -EAGAIN: some inode is no longer, or
 * not one. */
static int look_at_inodes(const struct fsmap_view *view, const struct fsmap_answer *answer,
			  struct inode_facts *facts)
{
	int r, result = 0;

	for (size_t i = 0; i < answer->n; i++) {
		const struct fsmap_piece *piece = &answer->pieces[i];

		facts[i] = (struct inode_facts){};
		if (!piece->inode)
			continue;
		if (i && facts[i - 1].inode == piece->inode) {
			facts[i] = facts[i - 1];
			continue;
		}
		r = handle_inode(view->fs_fd, view->filesystem, piece->inode, &facts[i]);
		if (r == -ENOENT)
			result = -EAGAIN;
		else if (r < 0)
			return r;
	}
	return result;
}

/* An answer whose inodes are all alive, or one that stayed as it was for as long as a dying file
 * may take. */
static int ask_until_settled(const struct fsmap_view *view, struct range dev_bytes,
			     struct fsmap_answer *ret, struct inode_facts **ret_facts)
{
	const struct timespec a_moment = { .tv_nsec = TRY_AGAIN_NSEC };

	for (int n = 1;; n++) {
		_cleanup_(fsmap_answer_done) struct fsmap_answer answer = {};
		_cleanup_(freep) struct inode_facts *facts = NULL;
		struct statfs fs;
		int r;

		r = fsmap_ask(view, dev_bytes, &answer);
		if (r < 0)
			return r;
		facts = reallocarray(NULL, answer.n + 1, sizeof(*facts));
		if (!facts)
			return -ENOMEM;
		r = look_at_inodes(view, &answer, facts);
		if (r == 0 || (r == -EAGAIN && n == N_TRIES)) {
			*ret = answer;
			answer = (struct fsmap_answer){};
			*ret_facts = TAKE(facts);
			return 0;
		}
		if (r != -EAGAIN)
			return r;
		(void)fstatfs(view->fs_fd, &fs); /* makes XFS finish what was unlinked */
		nanosleep(&a_moment, NULL);
	}
}

static void drop_owners_from(struct incident *in, size_t n)
{
	while (in->n_owners > n)
		owner_done(&in->owners[--in->n_owners]);
}

int ask_filesystem(const struct fsmap_view *view, uint64_t phys_of_fs, struct range phys,
		   struct incident *in)
{
	_cleanup_(fsmap_answer_done) struct fsmap_answer answer = {};
	_cleanup_(freep) struct inode_facts *facts = NULL;
	struct range dev_bytes = { phys.start_bytes - phys_of_fs, phys.length_bytes };
	size_t n_before = in->n_owners;
	int r;

	if (!range_valid(dev_bytes) || !range_valid(phys))
		return -EINVAL;
	r = ask_until_settled(view, dev_bytes, &answer, &facts);
	if (r < 0)
		return r;

	if (!n_before)
		in->owners_complete = true;
	for (size_t i = 0; i < answer.n && r >= 0; i++)
		r = add_piece(view, phys_of_fs, &answer.pieces[i],
			      facts[i].inode ? &facts[i] : NULL, in);
	if (r >= 0 && answer.truncated)
		r = owners_incomplete(in, "More than %u pieces; the rest is not listed",
				      FSMAP_MAX_PIECES);
	if (r < 0)
		drop_owners_from(in, n_before);
	return r;
}

int owners_ask_fsmap(int fs_fd, uint64_t phys_of_fs, struct range phys, struct incident *in)
{
	struct fsmap_view view;
	int r;

	r = fsmap_open(fs_fd, &view);
	if (r < 0)
		return r;
	return ask_filesystem(&view, phys_of_fs, phys, in);
}
