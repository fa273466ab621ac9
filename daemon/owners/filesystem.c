// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * filesystem: one mounted filesystem, for as long as one question to the owners station takes.
 *
 *   mounts -> [filesystem] -> ask, names
 *
 * In:   the device number of a disk or partition.
 * Out:  owners with names. All incidents of one question share it, so that its directories are read
 *       once for all of them.
 *
 * A file has as many names as it has links; where fewer are found, a rule for one of the missing
 * paths may have gone unheeded, so the incident is then not complete.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "owners/ask.h"
#include "owners/filesystem.h"
#include "owners/handle.h"
#include "owners/links.h"
#include "owners/names.h"
#include "owners/realtime.h"

/* Others are not even opened: what answers for them may be a process that hangs. */
static bool can_be_asked(const char *type)
{
	return !strcmp(type, "xfs") || !strncmp(type, "ext", 3);
}

/* An fd of a filesystem with a made-up device number cannot be compared with its disk. */
static int look_inside(struct filesystem *fs)
{
	bool is_checked = fs->mount && fs->mount->dev == fs->dev;
	int r;

	if (fs->fd < 0)
		return 0;
	r = is_checked ? fsmap_open_on(fs->fd, fs->dev, &fs->view) : fsmap_open(fs->fd, &fs->view);
	if (r == -ENOMEM)
		return r;
	fs->has_map = r >= 0;
	return 0;
}

int filesystem_find(int proc_fd, const struct mounts *mounts, dev_t dev, struct filesystem *ret)
{
	struct filesystem fs = { .dev = dev, .fd = -1, .mount = mounts_best(mounts, dev) };
	int r;

	if (!fs.mount)
		return 0;
	if (can_be_asked(fs.mount->filesystem)) {
		fs.fd = mounts_open(proc_fd, mounts, dev, &fs.mount);
		if (fs.fd < 0)
			fs.fd = links_open_any(proc_fd, dev);
	}
	r = look_inside(&fs);
	if (r < 0) {
		filesystem_done(&fs);
		return r;
	}
	*ret = fs;
	return 1;
}

int filesystem_find_unmounted(int proc_fd, dev_t dev, struct filesystem *ret)
{
	struct filesystem fs = { .dev = dev, .fd = links_open_any(proc_fd, dev) };
	int r;

	if (fs.fd < 0)
		return 0;
	r = look_inside(&fs);
	if (r < 0) {
		filesystem_done(&fs);
		return r;
	}
	*ret = fs;
	return 1;
}

void filesystem_done(struct filesystem *fs)
{
	views_free(fs->views);
	free(fs->questions);
	lost_done(&fs->lost);
	inside_done(&fs->inside);
	closep(&fs->fd);
	fs->fd = -1;
	wanted_done(&fs->wanted);
}

enum beside filesystem_beside(struct filesystem *fs, dev_t dev)
{
	bool is_log;

	if (fs->log == dev)
		return BESIDE_LOG;
	if (fs->realtime.device == dev)
		return BESIDE_REALTIME;
	if (!fs->has_map || fsmap_beside(fs->fd, dev, &is_log) <= 0)
		return BESIDE_NOT;
	if (is_log)
		fs->log = dev;
	else if (fsmap_open_realtime(&fs->view, dev, &fs->realtime) < 0)
		return BESIDE_NOT;
	return is_log ? BESIDE_LOG : BESIDE_REALTIME;
}

static const char *type_of(const struct filesystem *fs)
{
	if (fs->mount)
		return fs->mount->filesystem;
	return fs->has_map ? fs->view.filesystem : NULL;
}

static int add_unknown(const struct filesystem *fs, struct range phys, struct incident *in)
{
	int r;

	r = add_plain_owner(in, OWNER_UNKNOWN, phys, type_of(fs), "device");
	if (r < 0)
		return r;
	in->owners[in->n_owners - 1].dev = fs->dev;
	if (fs->fd < 0 && can_be_asked(fs->mount->filesystem))
		return owners_incomplete(in, "%s is mounted at %s, but no path leads there",
					 type_of(fs), fs->mount->mountpoint);
	return owners_incomplete(in, "%s cannot be asked which file owns a block",
				 type_of(fs) ? type_of(fs) : "The filesystem");
}

struct filesystem_question {
	struct incident *in;
	uint64_t phys_of_fs;
	struct range phys;
};

int filesystem_ask(struct filesystem *fs, uint64_t phys_of_fs, struct range phys,
		   struct incident *in)
{
	struct range dev_bytes = { phys.start_bytes - phys_of_fs, phys.length_bytes };

	if (!fs->has_map)
		return add_unknown(fs, phys, in);
	if (!range_valid(dev_bytes) || !range_valid(phys))
		return -EINVAL;
	if (!(fs->n_questions & (fs->n_questions - 1))) {
		struct filesystem_question *grown = reallocarray(
			fs->questions, fs->n_questions ? 2 * fs->n_questions : 1, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		fs->questions = grown;
	}
	fs->questions[fs->n_questions++] = (struct filesystem_question){ in, phys_of_fs, phys };
	/* A range that somebody only asks about is none. */
	if (!in->sources)
		return 0;
	return lost_add_poison(&fs->lost, dev_bytes);
}

static uint64_t start_on_disk(const struct filesystem_question *q)
{
	return q->phys.start_bytes - q->phys_of_fs;
}

static int compare_questions(const void *a, const void *b)
{
	uint64_t l = start_on_disk(a), r = start_on_disk(b);

	return (l > r) - (l < r);
}

/* The question whose answer is being taken. */
struct taking {
	struct filesystem *fs;
	const struct filesystem_question *question;
};

static int keep_named(const struct inode_facts *facts, void *userdata)
{
	struct filesystem *fs = ((struct taking *)userdata)->fs;
	struct wanted_inode *wanted = wanted_add(&fs->wanted, facts->inode);

	if (!wanted)
		return -ENOMEM;
	wanted->generation = facts->generation;
	wanted->n_names = S_ISDIR(facts->mode) ? 1 : facts->n_links;
	return 0;
}

static int keep_unnamed(struct range phys, void *userdata)
{
	const struct taking *t = userdata;

	return lost_add(&t->fs->lost, (struct lost_bytes){ .in = t->question->in,
							   .phys = phys,
							   .phys_of_fs = t->question->phys_of_fs });
}

static int take_answer(struct taking *t, struct fsmap_question *answered)
{
	const struct filesystem_question *q = t->question;
	struct ask_hooks hooks = { keep_unnamed, keep_named, t };
	bool realtime = is_realtime_byte(answered->dev_bytes.start_bytes);
	int r;

	r = ask_take_answer(realtime ? &t->fs->realtime : &t->fs->view, q->phys_of_fs, answered,
			    &hooks, q->in);
	if (r >= 0 || r == -ENOMEM)
		return r;
	r = add_plain_owner(q->in, OWNER_UNKNOWN, q->phys, type_of(t->fs), "fsmap");
	if (r < 0)
		return r;
	q->in->owners[q->in->n_owners - 1].realtime = realtime;
	return owners_incomplete(q->in, "The reverse map could not be read");
}

/* Sorted, all of one device come together: where do those of the realtime device begin? */
static size_t first_on_realtime(const struct fsmap_question *questions, size_t n)
{
	size_t i = 0;

	while (i < n && !is_realtime_byte(questions[i].dev_bytes.start_bytes))
		i++;
	return i;
}

int filesystem_answer(struct filesystem *fs)
{
	size_t n = fs->n_questions, n_own;
	_cleanup_(freep) struct fsmap_question *all = calloc(n + 1, sizeof(*all));
	int r;

	if (!all)
		return -ENOMEM;
	if (n)
		qsort(fs->questions, n, sizeof(*fs->questions), compare_questions);
	for (size_t i = 0; i < n; i++)
		all[i].dev_bytes = (struct range){ start_on_disk(&fs->questions[i]),
						   fs->questions[i].phys.length_bytes };
	n_own = first_on_realtime(all, n);
	r = fsmap_ask_all(&fs->view, all, n_own);
	if (r >= 0)
		r = fsmap_ask_all(&fs->realtime, all + n_own, n - n_own);
	for (size_t i = 0; i < n; i++) {
		struct taking taking = { fs, &fs->questions[i] };

		if (r >= 0)
			r = take_answer(&taking, &all[i]);
		fsmap_answer_done(&all[i].answer);
	}
	return r;
}

bool filesystem_must_search(const struct filesystem *fs)
{
	return fs->lost.n > 0;
}

int filesystem_search(struct filesystem *fs, const uint64_t *in_use, size_t n_in_use,
		      const struct scan_how *how)
{
	struct taking taking = { .fs = fs };
	struct ask_hooks hooks = { .named = keep_named, .userdata = &taking };
	int r;

	r = lost_search(&fs->lost, &fs->view, fs->dev, in_use, n_in_use, how);
	return r < 0 ? r : lost_tell(&fs->lost, &fs->view, &hooks);
}

static int open_inside(struct filesystem *fs)
{
	if (*fs->inside.filesystem)
		return 0;
	return inside_open(fs->fd, fs->view.filesystem, &fs->inside);
}

int filesystem_try_names(struct filesystem *fs, const struct mounts *mounts,
			 const struct owner *former)
{
	struct wanted_inode *wanted = wanted_find(&fs->wanted, former->inode);
	int r;

	if (!wanted || !former->mountpoint || !fs->mount)
		return 0;
	r = open_inside(fs);
	for (char **p = former->paths; r >= 0 && p && *p; p++) {
		_cleanup_(freep) char *fs_path = NULL;

		r = mounts_fs_path(mounts, fs->mount->dev, former->mount_pid, former->mountpoint,
				   *p, &fs_path);
		if (r >= 0 && inside_leads_to(&fs->inside, fs_path, former->inode) > 0)
			r = wanted_note(&fs->wanted, wanted, fs_path);
		r = r == -ENOENT ? 0 : r;
	}
	return r == -ENOMEM ? r : 0;
}

int filesystem_find_names(struct filesystem *fs, int proc_fd, const struct mounts *mounts)
{
	int r;

	if (!fs->mount || !fs->wanted.n)
		return 0;
	r = open_inside(fs);
	if (r >= 0)
		r = views_new(proc_fd, mounts, &fs->inside, fs->mount->root, &fs->views);
	if (r >= 0)
		r = names_find(&fs->inside, fs->mount->root, &fs->wanted);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		log_warn(r, "Cannot read all directories of %s, some names will be missing",
			 fs->mount->mountpoint);
	return 0;
}

static int name_path(const struct filesystem *fs, const struct mounts *mounts, const char *fs_path,
		     struct incident *in, struct owner *owner)
{
	_cleanup_(freep) char *path = NULL;
	const struct mount *mount = NULL;
	int r;

	r = mounts_name(mounts, fs->mount, fs_path, &mount, &path);
	if (r == -ENOENT)
		return owners_incomplete(in,
					 "Inode %llu is also %s within the filesystem, a part "
					 "of it that is not mounted",
					 (unsigned long long)owner->inode, fs_path);
	if (r < 0)
		return r;
	if (!owner->paths) {
		r = string_set(&owner->mountpoint, mount->mountpoint);
		if (r < 0)
			return r;
	}
	return strv_push(&owner->paths, path);
}

/* The filesystem keeps it for itself: journal, quota, bitmaps. */
static bool is_nameless(const struct owner *owner)
{
	return owner->kind == OWNER_METADATA || owner->kind == OWNER_LOG;
}

int filesystem_name_owner(const struct filesystem *fs, const struct mounts *mounts,
			  struct incident *in, struct owner *owner)
{
	const struct wanted_inode *wanted = wanted_find(&fs->wanted, owner->inode);
	int r;

	if (!fs->mount)
		return owners_incomplete(in, "The filesystem is in use but no longer mounted, so "
					     "no path leads to its files");
	owner->mount_pid = fs->mount->via_pid;
	r = string_set(&owner->mountpoint, fs->mount->mountpoint);
	if (r < 0)
		return r;
	if (!owner->inode || owner->unlinked || is_nameless(owner))
		return 0;

	for (char **p = wanted ? wanted->fs_paths : NULL; p && *p; p++) {
		r = name_path(fs, mounts, *p, in, owner);
		if (r < 0)
			return r;
	}
	r = fs->views && wanted ? views_find(fs->views, wanted, owner) : 0;
	if (r < 0)
		return r;
	if (!wanted || wanted->n_paths < wanted->n_names)
		return owners_incomplete(in, "Not every name of inode %llu was found",
					 (unsigned long long)owner->inode);
	if (fs->mount->covered)
		return owners_incomplete(in,
					 "%s is covered by another mount, so these paths "
					 "lead elsewhere",
					 fs->mount->mountpoint);
	return 0;
}
