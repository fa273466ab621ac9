// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * targets: which bytes of which files are lost, of all incidents.
 *
 *   owners -> [targets] -> identity
 *
 * In:   incidents with owners.
 * Out:  a table of what every mapping and every open file of the system is compared with.
 *
 * Only what a process can lose is in it: file data, a raw block device, a dax device, a cached page
 * of any of them. Nobody
 * loses anything by an unwritten extent, and metadata is held by the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "holders/targets.h"
#include "locate/block.h"

int file_key_compare(const struct file_key *l, const struct file_key *r)
{
	if (l->type != r->type)
		return l->type < r->type ? -1 : 1;
	if (l->dev != r->dev)
		return l->dev < r->dev ? -1 : 1;
	if (l->inode != r->inode)
		return l->inode < r->inode ? -1 : 1;
	return 0;
}

struct file_key target_key_of_page(uint64_t phys_start)
{
	return (struct file_key){ 0, phys_start / PAGE_BYTES, S_IFMT };
}

int targets_add(struct targets *t, struct target target)
{
	if (!(t->n & (t->n - 1))) {
		struct target *grown = reallocarray(t->all, t->n ? 2 * t->n : 1, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->all = grown;
	}
	t->all[t->n++] = target;
	t->has_pages |= target.key.type == S_IFMT;
	t->has_files |= target.key.type != S_IFMT;
	t->has_devices |= target.key.type == S_IFBLK || target.key.type == S_IFCHR;
	t->has_blocks |= target.key.type == S_IFBLK;
	return 0;
}

void targets_done(struct targets *t)
{
	free(t->all);
	*t = (struct targets){};
}

/* The disk and the partitions through which a raw owner's bytes can be reached. */
static int add_block_devices(struct targets *t, const struct incident *in, const struct owner *o,
			     size_t incident)
{
	_cleanup_(closep) int block_fd = open("/sys/class/block",
					      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(freep) struct block_slice *slices = NULL;
	uint64_t start = in->device.sector * SECTOR_BYTES + in->phys.start_bytes % SECTOR_BYTES +
			 (o->phys_start - in->phys.start_bytes);
	int n;

	if (block_fd < 0 || !in->device.blockdev)
		return 0;
	n = block_slices(block_fd, in->device.blockdev, (struct range){ start, o->length_bytes },
			 &slices);
	for (int i = 0; i < n; i++) {
		int r = targets_add(t, (struct target){
					       .key = { slices[i].dev, 0, S_IFBLK },
					       .owner = owner_id_of(o),
					       .file_bytes = slices[i].bytes,
					       .incident = incident,
				       });
		if (r < 0)
			return r;
	}
	return n == -ENOMEM ? n : 0;
}

/*
 * Without a complete answer nobody knows where in the device the bytes are: every mapping may
 * hold them.
 */
static int add_dax_device(struct targets *t, const struct incident *in, const struct owner *o,
			  size_t incident)
{
	struct range whole = { 0, UINT64_MAX };
	char path[128];
	struct stat st;

	if (!in->device.chardev)
		return 0;
	snprintf(path, sizeof(path), "/dev/%s", in->device.chardev);
	if (stat(path, &st) < 0 || !S_ISCHR(st.st_mode))
		return 0;
	return targets_add(t, (struct target){
				      .key = { st.st_rdev, 0, S_IFCHR },
				      .owner = owner_id_of(o),
				      .file_bytes = in->owners_complete
							    ? (struct range){ o->file_offset_bytes,
									      o->length_bytes }
							    : whole,
				      .incident = incident,
			      });
}

/* In our own mount namespace only: in another's, the same path can be another file. */
static const char *path_of(const struct owner *o)
{
	return o->mount_pid == 0 && o->paths ? o->paths[0] : NULL;
}

/* What no file tells of is looked for in page tables. */
static int add_pages(struct targets *t, const struct incident *in, const struct owner *o,
		     size_t incident)
{
	int r = 0;

	for (uint64_t at = 0; r >= 0 && incident_is_ram(in) && at < o->length_bytes;
	     at += PAGE_BYTES)
		r = targets_add(t, (struct target){
					   .key = target_key_of_page(o->phys_start + at),
					   .owner = owner_id_of(o),
					   .incident = incident,
				   });
	return r;
}

/*
 * By what the kernel knows the file, for mappings; and by what stat(2) says of each of its names,
 * for those who have it open: in an overlay, or a subvolume, that is something else.
 */
static int add_cached_file(struct targets *t, const struct incident *in, const struct owner *o,
			   size_t incident)
{
	struct target target = {
		.key = { o->dev, o->inode, o->inode ? 0 : S_IFBLK },
		.owner = owner_id_of(o),
		.file_bytes = { o->file_offset_bytes, o->length_bytes },
		.incident = incident,
	};
	int r;

	if (!o->dev)
		return 0;
	r = targets_add(t, target);
	for (char **path = o->paths; r >= 0 && o->inode && !o->mount_pid && path && *path; path++) {
		struct stat st;

		if (lstat(*path, &st) < 0 || !S_ISREG(st.st_mode) ||
		    (st.st_dev == o->dev && st.st_ino == o->inode))
			continue;
		target.path = *path;
		target.key = (struct file_key){ st.st_dev, st.st_ino, 0 };
		r = targets_add(t, target);
	}
	return r;
}

static int add_owner(struct targets *t, const struct incident *in, const struct owner *o,
		     size_t incident)
{
	switch (o->kind) {
	case OWNER_RAM_ANON:
	case OWNER_UNKNOWN:
		return add_pages(t, in, o, incident);
	case OWNER_RAM_FILE:
		return add_cached_file(t, in, o, incident);
	case OWNER_FILE_DATA:
		if (!o->inode)
			return 0;
		return targets_add(t,
				   (struct target){
					   .key = { o->dev, o->inode, 0 },
					   .path = path_of(o),
					   .owner = owner_id_of(o),
					   .file_bytes = { o->file_offset_bytes, o->length_bytes },
					   .incident = incident,
				   });
	case OWNER_RAW:
		return add_block_devices(t, in, o, incident);
	case OWNER_DEVDAX:
		return add_dax_device(t, in, o, incident);
	default:
		return 0;
	}
}

int targets_of_incidents(const struct incident *const *incidents, size_t n, struct targets *ret)
{
	_cleanup_(targets_done) struct targets t = {};

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < incidents[i]->n_owners; j++) {
			int r = add_owner(&t, incidents[i], &incidents[i]->owners[j], i);

			if (r < 0)
				return r;
		}
	*ret = t;
	t = (struct targets){};
	return 0;
}
