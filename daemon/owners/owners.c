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
 * What a block device and those built on it keep is device.c, a sector namespace sector.c; how a
 * filesystem answers is filesystem.c and ask.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "locate/block.h"
#include "owners/ask.h"
#include "owners/in_use.h"
#include "owners/owners.h"
#include "owners/ram.h"
#include "owners/search.h"
#include "owners/sector.h"
#include "owners/unmounted.h"

static void search_done(struct search *s)
{
	for (size_t i = 0; i < s->n_filesystems; i++)
		filesystem_done(&s->filesystems[i]);
	free(s->filesystems);
	for (size_t i = 0; i < s->n_former; i++)
		owner_done(&s->former[i]);
	free(s->former);
	free(s->behind);
	mounts_free(s->mounts);
	stack_free(s->stack);
	closep(&s->proc_fd);
	closep(&s->block_fd);
}

/* 0, or negative errno: there is no such disk. */
static int know_disk(struct search *s, const char *name)
{
	char whole[STACK_NAME_BYTES];
	struct known_disk disk = {};
	struct range extent;
	int r;

	if (*s->disk.name && !strcmp(s->disk.name, name))
		return 0;
	r = block_dev_of(s->block_fd, name, &disk.dev);
	if (r >= 0)
		r = block_disk_of(s->block_fd, name, whole, &extent);
	if (r < 0)
		return r;
	disk.length_bytes = extent.length_bytes;
	snprintf(disk.name, sizeof(disk.name), "%s", name);
	s->disk = disk;
	return 0;
}

static int add_no_device(struct incident *in, bool there_is)
{
	int r;

	r = add_plain_owner(in, OWNER_UNKNOWN, in->phys, NULL, "device");
	return r < 0 ? r
		     : owners_incomplete(in,
					 there_is ? "This is past the end of %s"
						  : "There is no block device %s",
					 in->device.blockdev);
}

/*
 * Sectors are rounded out, physical addresses are exact; data begins at a page, so the bytes
 * below a sector are the same in both.
 */
static int ask_block_device(struct search *s, struct incident *in)
{
	uint64_t start = in->device.sector * SECTOR_BYTES + in->phys.start_bytes % SECTOR_BYTES;
	uint64_t end = (in->device.sector + in->device.n_sectors) * SECTOR_BYTES;
	struct stretch st = {
		.in = in,
		.name = in->device.blockdev,
		.bytes = { start, in->phys.length_bytes },
		.phys_start = in->phys.start_bytes,
	};
	struct range rest;
	int r;

	if (range_end(st.bytes) > end)
		st.bytes.length_bytes = end - start;
	r = know_disk(s, st.name);
	if (r == -ENOMEM)
		return r;
	if (r < 0 || range_end(st.bytes) > s->disk.length_bytes)
		return add_no_device(in, r >= 0);
	st.dev = s->disk.dev;
	r = device_ask(s, &st);
	if (r < 0 || st.bytes.length_bytes == in->phys.length_bytes)
		return r;

	rest.start_bytes = in->phys.start_bytes + st.bytes.length_bytes;
	rest.length_bytes = in->phys.length_bytes - st.bytes.length_bytes;
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
		return sector_ask(s, in);
	if (!strcmp(mode, "ram"))
		return add_other(in, OWNER_UNKNOWN,
				 "The dax device was given to the kernel as memory");
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
		struct filesystem *fs = search_filesystem(s, s->former[i].dev);

		r = s->former[i].dev && fs ? filesystem_try_names(fs, s->mounts, &s->former[i]) : 0;
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < s->n_filesystems; i++) {
		r = filesystem_find_names(&s->filesystems[i], s->proc_fd, s->mounts);
		if (r < 0)
			return r;
	}
	return 0;
}

static int name_owners(struct search *s, struct incident *in)
{
	for (size_t i = 0; i < in->n_owners; i++) {
		struct filesystem *fs = search_filesystem(s, in->owners[i].dev);
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
	if (r >= 0)
		r = stack_new(s.block_fd, &s.stack);
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
	r = sector_finish(&s);
	if (r >= 0)
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
