// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lookup_cut: ranges that are asked about, cut into pieces that each lie on one device.
 *
 *   control, hwpoisonctl -> lookup_range -> [lookup_cut] -> locate
 *
 * In:   bytes of memory, or sectors of a block device.
 * Out:  incidents that never were, whose device is known; or, where none is, that say so.
 *
 * A partition or a volume is followed down to its disks: each disk has its own addresses.
 *
 * Of a list, ranges in a row are mostly of one disk: what sysfs says of that is asked for once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "control/lookup_cut.h"
#include "locate/block.h"

static void pieces_cut(struct pieces *p, size_t n)
{
	while (p->n > n)
		incident_free(p->all[--p->n].in);
}

void pieces_done(struct pieces *p)
{
	pieces_cut(p, 0);
	free(p->all);
}

/* Devices that come and go during the walk make it worthless, and another one may be luckier. */
int lookup_build_map(struct address_map **ret)
{
	int r = -EAGAIN;

	for (unsigned n = 0; n < 3 && r == -EAGAIN; n++)
		r = address_map_build(ret);
	return r;
}

int machine_look(struct machine *ret)
{
	*ret = (struct machine){ .block_fd = -1 };
	return lookup_build_map(&ret->map);
}

void machine_done(struct machine *m)
{
	free(m->name);
	stack_free(m->stack);
	closep(&m->block_fd);
	address_map_free(m->map);
}

static int pieces_add(struct pieces *p, struct range range, bool has_phys, struct incident **ret)
{
	_cleanup_(incident_freep) struct incident *in = incident_new(range, 0);

	if (!in)
		return -ENOMEM;
	if (!(p->n & (p->n - 1))) {
		struct piece *grown = reallocarray(p->all, p->n ? 2 * p->n : 1, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		p->all = grown;
	}
	*ret = in;
	p->all[p->n++] = (struct piece){ TAKE(in), has_phys };
	return 0;
}

/* An owner that is not known is an answer too. */
static int piece_off_the_map(struct incident *in)
{
	struct owner *owner = incident_add_owner(in);

	if (!owner)
		return -ENOMEM;
	owner->kind = OWNER_UNKNOWN;
	owner->phys_start = in->phys.start_bytes;
	owner->length_bytes = in->phys.length_bytes;
	in->owners_complete = false;
	return string_set(&in->owners_reason, "no NVDIMM holds this range");
}

static int cut_by_device(const struct address_map *map, struct range phys, struct pieces *p)
{
	while (phys.length_bytes) {
		struct range piece = phys;
		const struct place *place = address_map_find(map, phys, &piece);
		uint64_t n_before = place ? piece.start_bytes - phys.start_bytes
					  : phys.length_bytes;
		struct incident *in;
		int r;

		if (n_before) {
			piece = (struct range){ phys.start_bytes, n_before };
			place = NULL;
		}
		r = pieces_add(p, piece, true, &in);
		if (r < 0)
			return r;
		r = place ? place_to_device(place, piece, &in->device) : piece_off_the_map(in);
		if (r < 0)
			return r;
		phys.start_bytes += piece.length_bytes;
		phys.length_bytes -= piece.length_bytes;
	}
	return 0;
}

/* "/dev/disk/by-id/x" -> "pmem0p1"; a bare name stays one. */
static int block_name(const char *device, char **ret)
{
	_cleanup_(freep) char *real = NULL;
	const char *name = device;

	if (*device == '/') {
		real = realpath(device, NULL);
		if (!real)
			return errno == ENOENT ? -ENODEV : -errno;
		if (strncmp(real, "/dev/", strlen("/dev/")))
			return -ENODEV;
		name = real + strlen("/dev/");
	}
	if (!*name || *name == '.' || strchr(name, '/'))
		return -ENODEV;
	*ret = strdup(name);
	return *ret ? 0 : -ENOMEM;
}

/* A block device on no NVDIMM: it has sectors, and no physical addresses. */
static int piece_of_disk(const struct stack_piece *bottom, struct pieces *p)
{
	struct incident *in;
	int r;

	r = pieces_add(p, bottom->bytes, false, &in);
	if (r < 0)
		return r;
	in->device.sector = bottom->bytes.start_bytes / SECTOR_BYTES;
	in->device.n_sectors = bottom->bytes.length_bytes / SECTOR_BYTES;
	return string_set(&in->device.blockdev, bottom->name);
}

static int cut_by_disk(const struct address_map *map, const struct stack_pieces *bottom,
		       struct pieces *p)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < bottom->n; i++) {
		struct range phys;

		r = address_map_to_phys(map, bottom->all[i].name, bottom->all[i].bytes, &phys);
		if (r >= 0)
			r = cut_by_device(map, phys, p);
		else if (r == -ENODEV)
			r = piece_of_disk(&bottom->all[i], p);
	}
	return r;
}

static int look_at_stack(struct machine *m)
{
	if (m->stack)
		return 0;
	if (m->block_fd < 0)
		m->block_fd = open("/sys/class/block", O_DIRECTORY | O_CLOEXEC);
	return m->block_fd < 0 ? -errno : stack_new(m->block_fd, &m->stack);
}

/* Of a disk nothing but its length needs to be known. */
static int know_if_disk(struct machine *m, const char *name)
{
	_cleanup_(stack_disks_done) struct stack_disks disks = {};
	char disk[STACK_NAME_BYTES];
	struct range extent, phys;
	int r;

	m->length_bytes = 0;
	r = stack_disks(m->stack, name, &disks);
	if (r < 0 || disks.n != 1 || strcmp(disks.names[0], name) || *disks.opaque)
		return r;
	m->has_phys = address_map_to_phys(m->map, name, (struct range){ 0, SECTOR_BYTES }, &phys) !=
		      -ENODEV;
	r = block_disk_of(m->block_fd, name, disk, &extent);
	if (r >= 0)
		m->length_bytes = extent.length_bytes;
	return r;
}

static int know_device(struct machine *m, const char *device)
{
	_cleanup_(freep) char *name = NULL;
	int r;

	if (m->device && !strcmp(m->device, device))
		return 0;
	m->device = NULL;
	r = look_at_stack(m);
	if (r >= 0)
		r = block_name(device, &name);
	if (r >= 0)
		r = know_if_disk(m, name);
	if (r < 0)
		return r;
	free(m->name);
	m->name = TAKE(name);
	m->device = device;
	return 0;
}

static int cut_disk(const struct machine *m, struct range bytes, struct pieces *p)
{
	struct stack_piece bottom = { .bytes = bytes };
	struct stack_pieces one = { .all = &bottom, .n = 1 };

	if (range_end(bytes) > m->length_bytes)
		return -ERANGE;
	snprintf(bottom.name, sizeof(bottom.name), "%s", m->name);
	return m->has_phys ? cut_by_disk(m->map, &one, p) : piece_of_disk(&bottom, p);
}

static int cut_device(struct machine *m, const struct lookup_range *what, struct pieces *p)
{
	_cleanup_(stack_pieces_done) struct stack_pieces bottom = {};
	struct range bytes;
	int r;

	if (what->sector > UINT64_MAX / SECTOR_BYTES ||
	    what->n_sectors > LOOKUP_MAX_BYTES / SECTOR_BYTES)
		return -EINVAL;
	bytes.start_bytes = what->sector * SECTOR_BYTES;
	bytes.length_bytes = what->n_sectors * SECTOR_BYTES;
	if (!range_valid(bytes))
		return -EINVAL;

	r = know_device(m, what->device);
	if (r < 0)
		return r;
	if (m->length_bytes)
		return cut_disk(m, bytes, p);
	r = stack_below(m->stack, m->name, bytes, &bottom);
	return r < 0 ? r : cut_by_disk(m->map, &bottom, p);
}

static int cut(struct machine *m, const struct lookup_range *what, struct pieces *p)
{
	struct range phys = { what->phys_start, what->length_bytes };

	if (what->device)
		return cut_device(m, what, p);
	if (!range_valid(phys) || phys.length_bytes > LOOKUP_MAX_BYTES)
		return -EINVAL;
	return cut_by_device(m->map, phys, p);
}

int lookup_cut(struct machine *m, const struct lookup_range *what, struct pieces *p)
{
	size_t n_before = p->n;
	int r = cut(m, what, p);

	if (r < 0)
		pieces_cut(p, n_before);
	return r;
}
