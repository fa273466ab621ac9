// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sector: what a sector (BTT) namespace keeps in a poisoned range.
 *
 *   btt -> [sector] -> device
 *
 * In:   an incident on a sector namespace.
 * Out:  owners. Lost entries of the map are lost sectors, all of them known, and the filesystem on
 *       the block device is asked whose they are: there can be a hundred for each lost sector of
 *       the media. A lost block of data is one sector or none, and which one cannot be known while
 *       the namespace is in use; then its filesystem is at least named.
 *
 * Reading sectors until one fails would tell, and is not done: the kernel marks each one that fails
 * as lost in the map, for good, also where only its neighbour on the same page was.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "locate/block.h"
#include "locate/btt.h"
#include "locate/sysfs.h"
#include "owners/ask.h"
#include "owners/sector.h"

#define METHOD "btt"

/* Physical addresses have 52 bits. */
#define NO_MEMORY (UINT64_C(1) << 62)

static int namespace_start(const struct incident *in, uint64_t *ret)
{
	_cleanup_(closep) int fd = -1;
	char path[160];

	if (!in->device.namespace_name)
		return -ENODEV;
	snprintf(path, sizeof(path), "/sys/bus/nd/devices/%s", in->device.namespace_name);
	fd = sysfs_open_dir(AT_FDCWD, path);
	return fd < 0 ? fd : sysfs_read_u64(fd, "resource", ret);
}

/* On what is mounted from the device, if anything is. */
static int add_unknown(const struct search *s, struct incident *in, struct range phys)
{
	const struct mount *mount = NULL;
	struct owner *owner;
	int r;

	if (in->device.blockdev)
		mount = device_mounted_above(s, in->device.blockdev);
	r = add_plain_owner(in, OWNER_UNKNOWN, phys, mount ? mount->filesystem : NULL, METHOD);
	if (r < 0 || !mount)
		return r;
	owner = &in->owners[in->n_owners - 1];
	owner->mount_pid = mount->via_pid;
	return string_set(&owner->mountpoint, mount->mountpoint);
}

static int add_data(const struct search *s, struct incident *in, const struct btt_piece *piece,
		    struct range phys)
{
	int r = add_unknown(s, in, phys);

	return r < 0 ? r
		     : owners_incomplete(
			       in,
			       "Block %" PRIu64 " of arena %u of the BTT; which sector of "
			       "%s that is, only its map tells, and the kernel shows it to "
			       "nobody while the namespace is in use",
			       piece->block, piece->arena, in->device.blockdev);
}

static int add_behind(struct search *s, const struct behind *behind)
{
	struct behind *grown = reallocarray(s->behind, s->n_behind + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	s->behind = grown;
	grown[s->n_behind++] = *behind;
	return 0;
}

/*
 * What is found lies behind the lost bytes of the map, not in them. Until all have answered its
 * sectors have addresses of their own, where no memory is.
 */
static int add_map(struct search *s, struct incident *in, const struct btt_piece *piece,
		   struct range phys)
{
	struct stretch st = {
		.in = in,
		.name = in->device.blockdev,
		.bytes = piece->sector_bytes,
		.phys_start = NO_MEMORY + piece->sector_bytes.start_bytes,
	};
	struct behind behind = {
		.in = in,
		.made_up = { st.phys_start, st.bytes.length_bytes },
		.phys_start = phys.start_bytes,
	};
	int r;

	r = add_plain_owner(in, OWNER_METADATA, phys, NULL, METHOD);
	if (r >= 0)
		r = add_behind(s, &behind);
	if (r >= 0)
		r = block_dev_of(s->block_fd, st.name, &st.dev);
	return r < 0 ? r : device_ask(s, &st);
}

static int finish(const struct behind *behind)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < behind->in->n_owners; i++) {
		struct owner *owner = &behind->in->owners[i];
		struct range at = { owner->phys_start, owner->length_bytes };

		if (!range_valid(at) || !range_contains(behind->made_up, at))
			continue;
		owner->phys_start = behind->phys_start;
		r = string_set(&owner->method, METHOD);
	}
	return r;
}

int sector_finish(const struct search *s)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < s->n_behind; i++)
		r = finish(&s->behind[i]);
	return r;
}

static int add_piece(struct search *s, struct incident *in, const struct btt_piece *piece,
		     uint64_t start)
{
	struct range phys = { start + piece->bytes.start_bytes, piece->bytes.length_bytes };

	switch (piece->part) {
	case BTT_RECORDS:
		return add_plain_owner(in, OWNER_METADATA, phys, NULL, METHOD);
	case BTT_MAP:
		return add_map(s, in, piece, phys);
	case BTT_DATA:
		break;
	}
	return add_data(s, in, piece, phys);
}

static int read_btt(const struct search *s, const struct incident *in, struct btt *ret)
{
	_cleanup_(closep) int debugfs_fd = open("/sys/kernel/debug",
						O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (debugfs_fd < 0)
		return -errno;
	return btt_read(s->block_fd, debugfs_fd, in->device.blockdev, ret);
}

static int layout_unknown(const struct search *s, struct incident *in, int why)
{
	int r = add_unknown(s, in, in->phys);

	return r < 0 ? r
		     : owners_incomplete(in,
					 "The layout of the BTT, which debugfs shows, cannot be "
					 "read: %s",
					 strerror(-why));
}

int sector_ask(struct search *s, struct incident *in)
{
	_cleanup_(freep) struct btt_piece *pieces = NULL;
	_cleanup_(btt_done) struct btt btt = {};
	uint64_t start = 0;
	size_t n = 0;
	int r;

	r = in->device.blockdev ? namespace_start(in, &start) : -ENODEV;
	if (r >= 0 && in->phys.start_bytes < start)
		r = -ERANGE;
	if (r >= 0)
		r = read_btt(s, in, &btt);
	if (r >= 0)
		r = btt_look(&btt,
			     (struct range){ in->phys.start_bytes - start, in->phys.length_bytes },
			     &pieces, &n);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return layout_unknown(s, in, r);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = add_piece(s, in, &pieces[i], start);
	return r < 0 ? r : 0;
}
