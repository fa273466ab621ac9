// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ram-names: where the file of a cached page can be found.
 *
 *   ram -> [ram-names] -> holders
 *
 * In:   owners in plain memory: a superblock, an inode, and the name that the kernel had at hand.
 * Out:  mountpoint and paths, those in overlays included.
 *
 * The name is a hint: it counts when a lookup below the mount arrives at that inode. Names that are
 * still missing (the file has more links) are looked for as for any owner. A filesystem that
 * another machine or process answers for is not touched, as it could hang: its name is told
 * unproven.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "owners/ask.h"
#include "owners/filesystem.h"
#include "owners/handle.h"
#include "owners/inside.h"
#include "owners/mountinfo.h"
#include "owners/names.h"
#include "owners/overlay.h"
#include "owners/ram.h"

struct naming {
	int proc_fd;
	struct mounts *mounts;
	struct incident **incidents;
	size_t n_incidents;
	dev_t *done;
	size_t n_done;
};

static bool is_local(const struct mount *mount)
{
	static const char *const in_memory[] = { "tmpfs", "ramfs", "devtmpfs", "hugetlbfs" };

	for (size_t i = 0; i < sizeof(in_memory) / sizeof(in_memory[0]); i++)
		if (!strcmp(mount->filesystem, in_memory[i]))
			return true;
	return (major(mount->dev) || mount->disk) && strncmp(mount->filesystem, "fuse", 4);
}

bool ram_wants_names(const struct incident *in)
{
	const struct owner *o = in->owners;

	return incident_is_ram(in) && in->n_owners && o->kind == OWNER_RAM_FILE && o->inode &&
	       !o->unlinked && !o->paths;
}

static bool is_on(const struct incident *in, dev_t dev)
{
	return ram_wants_names(in) && in->owners[0].dev == dev;
}

/* Through the mount itself: what it does not show, nobody can name. 0 or negative errno. */
static int follow_hint(const struct filesystem *fs, const char *hint, struct stat *ret)
{
	const char *below = hint;
	_cleanup_(closep) int fd = -1;

	if (!path_is_below(hint, fs->mount->root))
		return -ENOENT;
	if (strcmp(fs->mount->root, "/"))
		below += strlen(fs->mount->root);
	below += *below == '/';
	fd = inside_open_at(fs->fd, *below ? below : ".", O_PATH);
	if (fd < 0)
		return fd;
	return fstat(fd, ret) < 0 ? -errno : 0;
}

/* Of a filesystem whose inodes can be opened by number: all its names can be found. */
static int want_inode(struct filesystem *fs, struct incident *in)
{
	const struct owner *o = &in->owners[0];
	struct wanted_inode *wanted;
	struct inode_facts facts;
	int r;

	r = handle_inode(fs->fd, fs->mount->filesystem, o->inode, &facts);
	if (r == -ENOENT || (r >= 0 && facts.generation && facts.generation != o->generation))
		return owners_incomplete(in, "Inode %llu is no longer the file that it was",
					 (unsigned long long)o->inode);
	wanted = wanted_add(&fs->wanted, o->inode);
	if (!wanted)
		return -ENOMEM;
	wanted->generation = o->generation;
	wanted->n_names = r < 0 || S_ISDIR(facts.mode) ? 1 : facts.n_links;
	if (!o->hint || inside_leads_to(&fs->inside, o->hint, o->inode) <= 0)
		return 0;
	r = wanted_note(&fs->wanted, wanted, o->hint);
	return r < 0 ? r : 0;
}

/* Of any other: the name that the kernel has, if it has one. */
static int want_hint(struct filesystem *fs, struct incident *in)
{
	const struct owner *o = &in->owners[0];
	struct wanted_inode *wanted = wanted_add(&fs->wanted, o->inode);
	struct stat st;
	int r;

	if (!wanted)
		return -ENOMEM;
	wanted->n_names = 1;
	if (!o->hint || follow_hint(fs, o->hint, &st) < 0 || st.st_ino != o->inode)
		return 0;
	wanted->n_names = S_ISDIR(st.st_mode) ? 1 : st.st_nlink;
	r = wanted_note(&fs->wanted, wanted, o->hint);
	return r < 0 ? r : 0;
}

static int want_names(struct naming *n, struct filesystem *fs, size_t first)
{
	bool by_number = inside_open(fs->fd, fs->mount->filesystem, &fs->inside) >= 0;
	int r = 0;

	for (size_t i = first; r >= 0 && i < n->n_incidents; i++)
		if (is_on(n->incidents[i], fs->dev))
			r = by_number ? want_inode(fs, n->incidents[i])
				      : want_hint(fs, n->incidents[i]);
	if (r < 0 || !by_number || !wanted_n_missing(&fs->wanted))
		return r;
	r = names_find(&fs->inside, fs->mount->root, &fs->wanted);
	return r == -ENOMEM ? r : 0;
}

static int name_by_hint(const struct naming *n, const struct mount *mount, struct incident *in)
{
	struct owner *o = &in->owners[0];
	_cleanup_(freep) char *path = NULL;
	const struct mount *by = NULL;
	int r = -ENOENT;

	if (mount && o->hint)
		r = mounts_name(n->mounts, mount, o->hint, &by, &path);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return owners_incomplete(in, "No path leads to %s on device %u:%u", o->filesystem,
					 major(o->dev), minor(o->dev));
	o->mount_pid = by->via_pid;
	r = string_set(&o->mountpoint, by->mountpoint);
	if (r >= 0)
		r = strv_push(&o->paths, path);
	if (r < 0)
		return r;
	return owners_incomplete(in, "Names on %s are as the kernel had them, and not looked up",
				 o->filesystem);
}

/* An fd below the mount, or -1. */
static int enter(struct naming *n, struct filesystem *fs)
{
	struct stat st;
	int fd;

	if (!fs->mount || !is_local(fs->mount))
		return -1;
	fd = mounts_open(n->proc_fd, n->mounts, fs->dev, &fs->mount);
	if (fd < 0)
		return -1;
	/* Of subvolumes nothing can be compared. */
	if (!fs->mount->disk && (fstat(fd, &st) < 0 || st.st_dev != fs->dev)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int name_filesystem(struct naming *n, struct filesystem *fs, size_t first)
{
	int r = 0;

	fs->fd = enter(n, fs);
	if (fs->fd >= 0)
		r = want_names(n, fs, first);
	for (size_t i = first; r >= 0 && i < n->n_incidents; i++) {
		struct incident *in = n->incidents[i];

		if (!is_on(in, fs->dev))
			continue;
		r = fs->fd >= 0 ? filesystem_name_owner(fs, n->mounts, in, &in->owners[0])
				: name_by_hint(n, fs->mount, in);
		if (r >= 0 && in->owners[0].paths && !in->owners[0].mount_pid)
			r = overlay_add_names(n->proc_fd, &in->owners[0].paths);
	}
	return r;
}

/* "DEVNAME=vda1" */
static int name_block_device(struct incident *in)
{
	struct owner *o = &in->owners[0];
	_cleanup_(freep) char *path = NULL;
	_cleanup_(fclosep) FILE *f = NULL;
	char sysfs[64], line[256];
	int r = 0;

	snprintf(sysfs, sizeof(sysfs), "/sys/dev/block/%u:%u/uevent", major(o->dev), minor(o->dev));
	f = fopen(sysfs, "re");
	while (f && r == 0 && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "DEVNAME=", 8))
			continue;
		if (asprintf(&path, "/dev/%s", line + 8) < 0)
			return -ENOMEM;
		r = strv_push(&o->paths, path) ?: 1;
	}
	return r < 0 ? r : 0;
}

static bool is_block_device(const struct incident *in)
{
	return incident_is_ram(in) && in->n_owners && in->owners[0].kind == OWNER_RAM_FILE &&
	       !in->owners[0].inode && in->owners[0].dev && !in->owners[0].paths;
}

/* 1: not before this. */
static int note_device(struct naming *n, dev_t dev)
{
	dev_t *grown;

	for (size_t i = 0; i < n->n_done; i++)
		if (n->done[i] == dev)
			return 0;
	grown = reallocarray(n->done, n->n_done + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	n->done = grown;
	grown[n->n_done++] = dev;
	return 1;
}

static int name_incident(struct naming *n, size_t i)
{
	struct filesystem fs = { .fd = -1 };
	int r;

	if (is_block_device(n->incidents[i]))
		return name_block_device(n->incidents[i]);
	if (!ram_wants_names(n->incidents[i]))
		return 0;
	fs.dev = n->incidents[i]->owners[0].dev;
	r = note_device(n, fs.dev);
	if (r <= 0)
		return r;
	if (!n->mounts) {
		r = mounts_read_all(n->proc_fd, &n->mounts);
		if (r < 0)
			return r;
	}
	fs.mount = mounts_best(n->mounts, fs.dev);
	r = name_filesystem(n, &fs, i);
	filesystem_done(&fs);
	return r;
}

int ram_name_owners(int proc_fd, struct incident **incidents, size_t n_incidents)
{
	struct naming n = { .proc_fd = proc_fd,
			    .incidents = incidents,
			    .n_incidents = n_incidents };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < n_incidents; i++)
		r = name_incident(&n, i);
	mounts_free(n.mounts);
	free(n.done);
	return r;
}
