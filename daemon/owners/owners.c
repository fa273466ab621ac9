// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * owners: what is kept in a poisoned range?
 *
 *   locate -> [owners] -> holders
 *
 * In:   incidents whose device is known.
 * Out:  owners that account for every byte of each incident, with names.
 *
 * All incidents are asked about first, then each filesystem's directories are read once for all of
 * them: the path, not the range, is what costs.
 *
 * How a filesystem answers is filesystem.c and ask.c; what nobody has mounted is unmounted.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "locate/block.h"
#include "owners/ask.h"
#include "owners/filesystem.h"
#include "owners/in_use.h"
#include "owners/owners.h"
#include "owners/ram.h"
#include "owners/unmounted.h"

struct search {
	int proc_fd;
	int block_fd; /* /sys/class/block */
	struct mounts *mounts;
	struct filesystem *filesystems;
	size_t n_filesystems;
	struct owner *former; /* what was found before, of all incidents */
	size_t n_former;
};

/* The part of an incident that lies on its block device. */
struct stretch {
	struct incident *in;
	uint64_t phys_of_disk; /* physical address of byte 0 */
	struct range disk_bytes;
};

static void search_done(struct search *s)
{
	for (size_t i = 0; i < s->n_filesystems; i++)
		filesystem_done(&s->filesystems[i]);
	free(s->filesystems);
	for (size_t i = 0; i < s->n_former; i++)
		owner_done(&s->former[i]);
	free(s->former);
	mounts_free(s->mounts);
	closep(&s->proc_fd);
	closep(&s->block_fd);
}

static struct filesystem *known_filesystem(struct search *s, dev_t dev)
{
	for (size_t i = 0; i < s->n_filesystems; i++)
		if (s->filesystems[i].dev == dev)
			return &s->filesystems[i];
	return NULL;
}

typedef int (*filesystem_finder)(struct search *s, dev_t dev, struct filesystem *ret);

static int find_mounted(struct search *s, dev_t dev, struct filesystem *ret)
{
	return filesystem_find(s->proc_fd, s->mounts, dev, ret);
}

static int find_unmounted(struct search *s, dev_t dev, struct filesystem *ret)
{
	return filesystem_find_unmounted(s->proc_fd, dev, ret);
}

/* 1: the filesystem answered, 0: there is none, or negative errno. */
static int ask_slice(struct search *s, const struct stretch *st, const struct block_slice *slice,
		     filesystem_finder find)
{
	uint64_t phys_of_slice = st->phys_of_disk + slice->disk_offset_bytes;
	struct range phys = { phys_of_slice + slice->bytes.start_bytes, slice->bytes.length_bytes };
	struct filesystem *fs = known_filesystem(s, slice->dev);
	int r;

	if (!fs) {
		struct filesystem *grown = reallocarray(s->filesystems, s->n_filesystems + 1,
							sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		s->filesystems = grown;
		r = find(s, slice->dev, &grown[s->n_filesystems]);
		if (r <= 0)
			return r;
		fs = &grown[s->n_filesystems++];
	}
	r = filesystem_ask(fs, phys_of_slice, phys, st->in);
	return r < 0 ? r : 1;
}

/* Nothing is mounted from it, as far as mount tables show. */
static int ask_unmounted(struct search *s, const struct stretch *st,
			 const struct block_slice *slice)
{
	struct range phys = {
		st->phys_of_disk + slice->disk_offset_bytes + slice->bytes.start_bytes,
		slice->bytes.length_bytes,
	};
	int r;

	r = unmounted_ask(s->block_fd, slice, phys, st->in);
	if (r <= 0)
		return r;
	r = ask_slice(s, st, slice, find_unmounted);
	if (r != 0)
		return r < 0 ? r : 0;
	r = add_plain_owner(st->in, OWNER_UNKNOWN, phys, NULL, "device");
	if (r < 0)
		return r;
	return owners_incomplete(st->in, "%s is in use by something that is not mounted",
				 slice->name);
}

/* A partition table keeps its copies outside of all partitions: never free, always metadata. */
static int add_unpartitioned(const struct stretch *st, uint64_t start, uint64_t end)
{
	struct range phys = { st->phys_of_disk + start, end - start };

	if (start >= end)
		return 0;
	return add_plain_owner(st->in, OWNER_METADATA, phys, NULL, "device");
}

static int compare_slices(const void *a, const void *b)
{
	const struct block_slice *l = a, *r = b;
	uint64_t left = l->disk_offset_bytes + l->bytes.start_bytes;
	uint64_t right = r->disk_offset_bytes + r->bytes.start_bytes;

	return (left > right) - (left < right);
}

static int ask_partitions(struct search *s, const struct stretch *st,
			  const struct block_slice *slices, size_t n)
{
	uint64_t done_to = st->disk_bytes.start_bytes;
	int r;

	for (size_t i = 0; i < n; i++) {
		const struct block_slice *slice = &slices[i];
		uint64_t start = slice->disk_offset_bytes + slice->bytes.start_bytes;

		if (!strcmp(slice->name, st->in->device.blockdev))
			continue;
		r = add_unpartitioned(st, done_to, start);
		if (r < 0)
			return r;
		r = ask_slice(s, st, slice, find_mounted);
		if (r == 0)
			r = ask_unmounted(s, st, slice);
		if (r < 0)
			return r;
		if (start + slice->bytes.length_bytes > done_to)
			done_to = start + slice->bytes.length_bytes;
	}
	return add_unpartitioned(st, done_to, range_end(st->disk_bytes));
}

static int ask_disk(struct search *s, const struct stretch *st)
{
	_cleanup_(freep) struct block_slice *slices = NULL;
	const char *disk = st->in->device.blockdev;
	int n, r;

	n = block_slices(s->block_fd, disk, st->disk_bytes, &slices);
	if (n == -ENOMEM)
		return n;
	if (n <= 0) {
		r = add_plain_owner(st->in, OWNER_UNKNOWN, st->in->phys, NULL, "device");
		return r < 0 ? r
			     : owners_incomplete(st->in,
						 n < 0 ? "There is no block device %s"
						       : "This is past the end of %s",
						 disk);
	}
	qsort(slices, (size_t)n, sizeof(*slices), compare_slices);

	for (int i = 0; i < n; i++) {
		if (strcmp(slices[i].name, disk))
			continue;
		r = ask_slice(s, st, &slices[i], find_mounted);
		if (r != 0)
			return r < 0 ? r : 0;
		if (!disk_has_partitions(s->block_fd, disk))
			return ask_unmounted(s, st, &slices[i]);
	}
	return ask_partitions(s, st, slices, (size_t)n);
}

/*
 * Sectors are rounded out, physical addresses are exact; data begins at a page, so the bytes
 * below a sector are the same in both.
 */
static int ask_block_device(struct search *s, struct incident *in)
{
	uint64_t start = in->device.sector * SECTOR_BYTES + in->phys.start_bytes % SECTOR_BYTES;
	uint64_t end = (in->device.sector + in->device.n_sectors) * SECTOR_BYTES;
	struct stretch st = { in, in->phys.start_bytes - start, { start, in->phys.length_bytes } };
	struct range rest;
	int r;

	if (start + st.disk_bytes.length_bytes > end)
		st.disk_bytes.length_bytes = end - start;
	r = ask_disk(s, &st);
	if (r < 0 || st.disk_bytes.length_bytes == in->phys.length_bytes)
		return r;

	rest.start_bytes = in->phys.start_bytes + st.disk_bytes.length_bytes;
	rest.length_bytes = in->phys.length_bytes - st.disk_bytes.length_bytes;
	r = add_plain_owner(in, OWNER_UNKNOWN, rest, NULL, "device");
	return r < 0 ? r
		     : owners_incomplete(in, "A part of the range is not on %s",
					 in->device.blockdev);
}

static int add_other(struct incident *in, enum owner_kind kind, const char *reason)
{
	int r;

	r = add_plain_owner(in, kind, in->phys, NULL, "device");
	return r < 0 ? r : owners_incomplete(in, "%s", reason);
}

/* Take the owners of an earlier answer: files seldom change their names. */
static int keep_former(struct search *s, struct incident *in)
{
	size_t n = s->n_former + in->n_owners;
	struct owner *grown;

	if (!in->n_owners)
		return 0;
	grown = reallocarray(s->former, n, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->former = grown;
	memcpy(grown + s->n_former, in->owners, in->n_owners * sizeof(*grown));
	s->n_former = n;
	in->n_owners = 0;
	return 0;
}

static int ask_incident(struct search *s, struct incident *in)
{
	const char *mode = in->device.mode ? in->device.mode : "";

	/* Its owner was seen when the kernel gave the page up, and cannot be found again. */
	if (incident_is_ram(in)) {
		if (ram_wants_names(in)) {
			in->owners_complete = true;
			string_set(&in->owners_reason, NULL);
		}
		return 0;
	}
	if (keep_former(s, in) < 0)
		return -ENOMEM;
	incident_clear_owners(in);
	in->owners_complete = true;
	in->owners_searching = false;
	string_set(&in->owners_reason, NULL);

	if (!strcmp(mode, "devdax"))
		return devdax_ask(in);
	if (!strcmp(mode, "sector"))
		return add_other(in, OWNER_UNKNOWN,
				 "A sector namespace moves its blocks about, and keeps the map");
	if (in->device.blockdev && in->device.n_sectors)
		return ask_block_device(s, in);
	if (!strcmp(mode, "fsdax"))
		return add_other(in, OWNER_METADATA,
				 "The namespace's own page map, in front of its data");
	return add_other(in, OWNER_UNKNOWN, "No namespace that can be used lies here");
}

static int find_names(struct search *s)
{
	int r;

	for (size_t i = 0; i < s->n_former; i++) {
		struct filesystem *fs = known_filesystem(s, s->former[i].dev);

		r = s->former[i].dev && fs ? filesystem_try_names(fs, s->mounts, &s->former[i]) : 0;
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < s->n_filesystems; i++) {
		r = filesystem_find_names(&s->filesystems[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int name_owners(struct search *s, struct incident *in)
{
	for (size_t i = 0; i < in->n_owners; i++) {
		struct filesystem *fs = known_filesystem(s, in->owners[i].dev);
		int r;

		if (!in->owners[i].dev || !fs || incident_is_ram(in))
			continue;
		r = filesystem_name_owner(fs, s->mounts, in, &in->owners[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What processes have open, on the filesystems that must be searched: one walk for all. */
static int find_in_use(const struct search *s, struct in_use *in_use)
{
	size_t n = 0;
	int r;

	for (size_t i = 0; i < s->n_filesystems; i++)
		if (filesystem_must_search(&s->filesystems[i]))
			in_use[n++].dev = s->filesystems[i].view.dev;
	if (!n)
		return 0;
	r = in_use_find(s->proc_fd, in_use, n);
	return r == -ENOMEM ? r : 0;
}

static int search_all(struct search *s, const struct scan_how *how)
{
	struct in_use *in_use = calloc(s->n_filesystems + 1, sizeof(*in_use)), *next = in_use;
	int r;

	if (!in_use)
		return -ENOMEM;
	r = find_in_use(s, in_use);
	for (size_t i = 0; i < s->n_filesystems && r >= 0; i++) {
		if (!filesystem_must_search(&s->filesystems[i]))
			continue;
		r = filesystem_search(&s->filesystems[i], next->inodes, next->n, how);
		next++;
	}
	for (size_t i = 0; i < s->n_filesystems; i++)
		free(in_use[i].inodes);
	free(in_use);
	return r;
}

static int compare_owners(const void *a, const void *b)
{
	const struct owner *l = a, *r = b;

	if (l->phys_start != r->phys_start)
		return l->phys_start < r->phys_start ? -1 : 1;
	if (l->inode != r->inode)
		return l->inode < r->inode ? -1 : 1;
	return (l->file_offset_bytes > r->file_offset_bytes) -
	       (l->file_offset_bytes < r->file_offset_bytes);
}

int owners_find(struct incident **incidents, size_t n_incidents, const struct scan_how *how)
{
	_cleanup_(search_done) struct search s = {
		.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.block_fd = open("/sys/class/block", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	static const struct scan_how all = {};
	int r;

	if (s.proc_fd < 0 || s.block_fd < 0)
		return -ENOENT;
	r = mounts_read(s.proc_fd, &s.mounts);
	if (r < 0)
		return r;

	for (size_t i = 0; i < n_incidents; i++) {
		r = ask_incident(&s, incidents[i]);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < s.n_filesystems; i++) {
		r = filesystem_answer(&s.filesystems[i]);
		if (r < 0)
			return r;
	}
	r = search_all(&s, how ? how : &all);
	if (r < 0)
		return r;
	r = find_names(&s);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n_incidents; i++) {
		struct incident *in = incidents[i];

		if (in->n_owners)
			qsort(in->owners, in->n_owners, sizeof(*in->owners), compare_owners);
		r = name_owners(&s, in);
		if (r < 0)
			return r;
	}
	return ram_name_owners(s.proc_fd, incidents, n_incidents);
}
