// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * look: does this inode have any of the bytes that are looked for?
 *
 *   handle + layout -> [look] -> unowned
 *
 * In:   an inode, by number: from processes, from an earlier search, from all there are.
 * Out:  what it has of the ranges, from the kernel's own mouth. Wherever the number came from, this
 *       is the proof.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

#include <linux/fs.h>

#include "cleanup.h"
#include "owners/layout.h"
#include "owners/look.h"
#include "owners/realtime.h"

/* In all that one search looks at: others can have leases for as long as they like. */
#define LEASE_MAX_WAITS	 100u
#define LEASE_PAUSE_MSEC 10

struct looking {
	struct look *look;
	const struct inode_facts *facts;
	uint32_t generation;
	enum layout_part part;
	int fd;
	bool realtime; /* its data are on the realtime device */
	int result;
};

static struct range whole_clusters(const struct look *look, struct range bytes)
{
	return look->cluster_bytes ? range_align_out(bytes, look->cluster_bytes) : bytes;
}

static enum owner_kind kind_of(const struct looking *l, const struct layout_run *run)
{
	if (l->part == LAYOUT_XATTR)
		return OWNER_XATTR;
	if (S_ISDIR(l->facts->mode))
		return OWNER_DIRECTORY;
	return run->unwritten ? OWNER_UNWRITTEN : OWNER_FILE_DATA;
}

/* ext4 files with equal attributes have one block of them together. */
static bool shares_silently(const struct looking *l)
{
	return l->part == LAYOUT_XATTR && !strcmp(l->look->filesystem, "ext4");
}

static int note(struct looking *l, const struct find *find)
{
	int r = unowned_found(l->look->unowned, find);

	if (r > 0)
		l->result = 1;
	return r < 0 ? r : 0;
}

/* A cluster is one file's, also where it has blocks of it only: the rest was never written. */
static int note_rest_of_clusters(struct looking *l, const struct find *find)
{
	struct range whole = whole_clusters(l->look, find->bytes);
	struct find rest = *find;
	int r;

	rest.kind = OWNER_UNWRITTEN;
	rest.slack = true;
	rest.bytes = (struct range){ whole.start_bytes,
				     find->bytes.start_bytes - whole.start_bytes };
	rest.file_offset_bytes = find->file_offset_bytes - rest.bytes.length_bytes;
	r = rest.bytes.length_bytes ? note(l, &rest) : 0;
	if (r < 0)
		return r;
	rest.bytes = (struct range){ range_end(find->bytes),
				     range_end(whole) - range_end(find->bytes) };
	rest.file_offset_bytes = find->file_offset_bytes + find->bytes.length_bytes;
	return rest.bytes.length_bytes ? note(l, &rest) : 0;
}

/*
 * Between the question which device a file is on and the one where it lies it can have been empty,
 * and have changed its device. To look again is worth it only for what was found.
 */
static bool has_moved(const struct looking *l)
{
	return l->look->has_realtime && realtime_has_file(l->fd) != l->realtime;
}

static int see_run(const struct layout_run *run, void *userdata)
{
	struct looking *l = userdata;
	struct look *look = l->look;
	struct range bytes = { run->bytes.start_bytes + (l->realtime ? REALTIME_START : 0),
			       run->bytes.length_bytes };
	struct find find = {
		.kind = kind_of(l, run),
		.bytes = bytes,
		.inode = l->facts->inode,
		.generation = l->generation,
		.mode = l->facts->mode,
		.n_links = l->facts->n_links,
		.file_offset_bytes = run->file_offset_bytes,
		.shared = run->shared || look->always_shared || shares_silently(l),
	};
	int r;

	look->seen_bytes += run->bytes.length_bytes;
	look->saw_shared = look->saw_shared || run->shared;
	if (look->on_run) {
		r = look->on_run(find.inode, whole_clusters(look, bytes), look->userdata);
		if (r < 0)
			return r;
	}
	if (!unowned_meets(look->unowned, whole_clusters(look, bytes)))
		return 0;
	if (has_moved(l))
		return -EAGAIN;
	r = note(l, &find);
	if (r < 0 || !look->cluster_bytes || l->part != LAYOUT_DATA)
		return r;
	return note_rest_of_clusters(l, &find);
}

static int read_part(struct looking *l, enum layout_part part)
{
	l->part = part;
	return layout_read(l->fd, l->look->filesystem, part, see_run, l);
}

/*
 * Attributes of a file whose data are on the realtime device are not: yet the kernel counts their
 * blocks as if they were, which leads elsewhere. They stay unseen.
 */
static int read_parts(struct looking *l, unsigned parts)
{
	int r = l->look->has_realtime ? realtime_has_file(l->fd) : 0;

	if (r < 0)
		return r;
	l->realtime = r;
	r = 0;
	if (parts & LOOK_DATA)
		r = read_part(l, LAYOUT_DATA);
	if (r >= 0 && parts & LOOK_XATTR && !l->realtime)
		r = read_part(l, LAYOUT_XATTR);
	return r;
}

/* ext4 does not tell an inode's generation with the other facts. */
static uint32_t generation_of(int fd, const struct inode_facts *facts)
{
	int generation = 0;

	if (!facts->generation && ioctl(fd, FS_IOC_GETVERSION, &generation) == 0)
		return (uint32_t)generation;
	return facts->generation;
}

/*
 * Somebody can have a lease on it, a repair for some milliseconds: to wait for who gives one back
 * in his own time is not for us.
 */
static int open_leased(struct look *look, const struct inode_facts *facts)
{
	const struct timespec pause = { .tv_nsec = LEASE_PAUSE_MSEC * 1000000L };
	int fd;

	for (;;) {
		fd = handle_open(look->fs_fd, look->filesystem, facts->inode, facts->generation,
				 O_RDONLY | O_NOATIME | O_NONBLOCK | O_NOCTTY);
		if (fd != -EAGAIN || look->n_lease_waits == LEASE_MAX_WAITS)
			return fd;
		look->n_lease_waits++;
		nanosleep(&pause, NULL);
	}
}

int look_at_inode(struct look *look, const struct inode_facts *facts, unsigned parts)
{
	struct looking l = { .look = look, .facts = facts };
	_cleanup_(closep) int fd = -1;
	int r;

	look->seen_bytes = 0;
	fd = open_leased(look, facts);
	if (fd == -ESTALE)
		return -ENOENT;
	if (fd < 0)
		return fd;
	l.fd = fd;
	l.generation = generation_of(fd, facts);
	r = read_parts(&l, parts);
	return r < 0 ? r : l.result;
}

int look_at_number(struct look *look, uint64_t inode)
{
	struct inode_facts facts;
	int r;

	r = handle_inode(look->fs_fd, look->filesystem, inode, &facts);
	if (r < 0)
		return r;
	if (!S_ISREG(facts.mode) && !S_ISDIR(facts.mode))
		return -EISNAM;
	return look_at_inode(look, &facts, LOOK_DATA | LOOK_XATTR);
}
