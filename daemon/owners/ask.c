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

struct taking {
	struct fsmap_view *view;
	uint64_t phys_of_fs;
	const struct ask_hooks *hooks;
	struct incident *in;
};

static int add_unnamed(const struct taking *t, struct range phys)
{
	const char *blockdev = t->in->device.blockdev;
	int r;

	if (t->hooks->unnamed)
		return t->hooks->unnamed(phys, t->hooks->userdata);
	r = add_plain_owner(t->in, OWNER_UNKNOWN, phys, t->view->filesystem, "fsmap");
	if (r < 0)
		return r;
	t->in->owners[t->in->n_owners - 1].dev = t->view->dev;
	return owners_incomplete(t->in,
				 "%s on device %s has no reverse map that names the owner of each "
				 "block",
				 t->view->filesystem, blockdev ? blockdev : "below");
}

/* The bytes of an inode, or of one that the filesystem keeps for itself and nobody can look at. */
static int take_inode(const struct taking *t, const struct fsmap_piece *piece,
		      const struct inode_facts *facts)
{
	struct owner *o = &t->in->owners[t->in->n_owners - 1];

	o->inode = piece->inode;
	o->file_offset_bytes = piece->file_offset_bytes;
	if (!facts->inode) {
		o->kind = OWNER_METADATA;
		return 0;
	}
	take_facts(o, facts);
	return t->hooks->named && !o->unlinked ? t->hooks->named(facts, t->hooks->userdata) : 0;
}

static int add_piece(const struct taking *t, const struct fsmap_piece *piece,
		     const struct inode_facts *facts)
{
	struct range phys = { t->phys_of_fs + piece->bytes.start_bytes, piece->bytes.length_bytes };
	struct owner *o;
	int r;

	if (piece->beyond)
		return add_plain_owner(t->in, OWNER_RAW, phys, NULL, "device");
	if (piece->kind == OWNER_UNKNOWN && !piece->staging && !t->view->names_owners)
		return add_unnamed(t, phys);
	r = add_plain_owner(t->in, piece->kind, phys, t->view->filesystem, "fsmap");
	if (r < 0)
		return r;

	o = &t->in->owners[t->in->n_owners - 1];
	o->dev = t->view->dev;
	o->shared = piece->shared;
	o->unwritten = piece->unwritten;
	o->realtime = t->view->device_start != 0;
	if (piece->staging)
		return owners_incomplete(t->in, "A copy on write is under way here, and no file "
						"has taken it over yet");
	if (piece->kind == OWNER_UNKNOWN)
		return owners_incomplete(t->in, "The reverse map of %s does not say what this is",
					 t->view->filesystem);
	return piece->inode ? take_inode(t, piece, facts) : 0;
}

/* Facts about every inode of the answer, one for each piece. -EAGAIN: some inode is no longer, or
 * not one. */
static int look_at_inodes(struct fsmap_view *view, const struct fsmap_answer *answer,
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

/*
 * Until the inodes of the answer are all alive, or it has stayed as it was for as long as a dying
 * file may take.
 */
static int settle(struct fsmap_view *view, struct fsmap_question *question,
		  struct inode_facts **ret_facts)
{
	const struct timespec a_moment = { .tv_nsec = TRY_AGAIN_NSEC };

	for (int n = 1;; n++) {
		_cleanup_(freep) struct inode_facts *facts =
			reallocarray(NULL, question->answer.n + 1, sizeof(*facts));
		struct statfs fs;
		int r;

		if (!facts)
			return -ENOMEM;
		r = look_at_inodes(view, &question->answer, facts);
		if (r == 0 || (r == -EAGAIN && n == N_TRIES)) {
			*ret_facts = TAKE(facts);
			return 0;
		}
		if (r != -EAGAIN)
			return r;
		(void)fstatfs(view->fs_fd, &fs); /* makes XFS finish what was unlinked */
		nanosleep(&a_moment, NULL);

		fsmap_answer_done(&question->answer);
		r = fsmap_ask(view, question->dev_bytes, &question->answer);
		if (r < 0)
			return r;
	}
}

static void drop_owners_from(struct incident *in, size_t n)
{
	while (in->n_owners > n)
		owner_done(&in->owners[--in->n_owners]);
}

int ask_take_answer(struct fsmap_view *view, uint64_t phys_of_fs,
		    struct fsmap_question *question, const struct ask_hooks *hooks,
		    struct incident *in)
{
	struct taking taking = { view, phys_of_fs, hooks, in };
	_cleanup_(freep) struct inode_facts *facts = NULL;
	size_t n_before = in->n_owners;
	int r = question->r;

	if (r >= 0)
		r = settle(view, question, &facts);
	for (size_t i = 0; r >= 0 && i < question->answer.n; i++)
		r = add_piece(&taking, &question->answer.pieces[i], &facts[i]);
	if (r >= 0 && question->answer.truncated)
		r = owners_incomplete(in, "More than %u pieces; the rest is not listed",
				      FSMAP_MAX_PIECES);
	if (r < 0)
		drop_owners_from(in, n_before);
	return r < 0 ? r : 0;
}

int owners_ask_fsmap(int fs_fd, uint64_t phys_of_fs, struct range phys, struct incident *in)
{
	static const struct ask_hooks no_hooks = {};
	struct fsmap_question question = {
		.dev_bytes = { phys.start_bytes - phys_of_fs, phys.length_bytes },
	};
	struct fsmap_view view;
	int r;

	if (!range_valid(question.dev_bytes) || !range_valid(phys))
		return -EINVAL;
	r = fsmap_open(fs_fd, &view);
	if (r < 0)
		return r;
	r = fsmap_ask(&view, question.dev_bytes, &question.answer);
	if (r < 0)
		return r;
	if (!in->n_owners)
		in->owners_complete = true;
	r = ask_take_answer(&view, phys_of_fs, &question, &no_hooks, in);
	fsmap_answer_done(&question.answer);
	return r;
}
