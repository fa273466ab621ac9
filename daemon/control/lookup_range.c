// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lookup_range: who owns these bytes of memory, or of a block device?
 *
 *   control, hwpoisonctl -> [lookup_range] -> locate, owners
 *
 * In:   a range that need not be poisoned at all.
 * Out:  what the stations would find out about it if it were, one object for each device it meets.
 *
 * A partition or a volume is followed down to its disks first: each disk has its own addresses.
 *
 * An incident is made up for each piece, goes through the stations as a real one would, and only
 * what was asked for is shown. It has no number, and neither ledger nor feed ever see it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "control/lookup.h"
#include "locate/address_map.h"
#include "locate/dimms.h"
#include "locate/stack.h"
#include "owners/owners.h"

struct piece {
	struct incident *in;
	bool has_phys; /* else in->phys is an offset on the disk */
};

struct pieces {
	struct piece *all;
	size_t n;
};

static void pieces_done(struct pieces *p)
{
	for (size_t i = 0; i < p->n; i++)
		incident_free(p->all[i].in);
	free(p->all);
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

/* The incidents on the map, for owners_find(): all but those that no device covers. */
static int ask_owners(struct pieces *p, const struct scan_how *how)
{
	_cleanup_(freep) struct incident **known = calloc(p->n, sizeof(*known));
	size_t n_known = 0;
	int r;

	if (!known)
		return -ENOMEM;
	for (size_t i = 0; i < p->n; i++)
		if (!p->all[i].in->n_owners)
			known[n_known++] = p->all[i].in;
	r = dimms_narrow(known, n_known);
	return r < 0 || !n_known ? r : owners_find(known, n_known, how);
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

static int cut_device(const struct address_map *map, const struct lookup_range *what,
		      struct pieces *p)
{
	_cleanup_(closep) int block_fd = open("/sys/class/block", O_DIRECTORY | O_CLOEXEC);
	_cleanup_(stack_pieces_done) struct stack_pieces bottom = {};
	_cleanup_(stack_freep) struct stack *stack = NULL;
	_cleanup_(freep) char *name = NULL;
	struct range bytes;
	int r;

	if (block_fd < 0)
		return -errno;
	if (what->sector > UINT64_MAX / SECTOR_BYTES ||
	    what->n_sectors > LOOKUP_MAX_BYTES / SECTOR_BYTES)
		return -EINVAL;
	bytes.start_bytes = what->sector * SECTOR_BYTES;
	bytes.length_bytes = what->n_sectors * SECTOR_BYTES;
	if (!range_valid(bytes))
		return -EINVAL;

	r = block_name(what->device, &name);
	if (r >= 0)
		r = stack_new(block_fd, &stack);
	if (r >= 0)
		r = stack_below(stack, name, bytes, &bottom);
	return r < 0 ? r : cut_by_disk(map, &bottom, p);
}

/* Devices that come and go during the walk make it worthless, and another one may be luckier. */
int lookup_build_map(struct address_map **ret)
{
	int r = -EAGAIN;

	for (unsigned n = 0; n < 3 && r == -EAGAIN; n++)
		r = address_map_build(ret);
	return r;
}

static int pieces_of(const struct lookup_range *what, struct pieces *p)
{
	_cleanup_(address_map_freep) struct address_map *map = NULL;
	struct range phys = { what->phys_start, what->length_bytes };
	int r;

	r = lookup_build_map(&map);
	if (r < 0)
		return r;
	if (what->device)
		return cut_device(map, what, p);
	if (!range_valid(phys) || phys.length_bytes > LOOKUP_MAX_BYTES)
		return -EINVAL;
	return cut_by_device(map, phys, p);
}

static void move_member(struct json_object *from, const char *name, struct json_object *to)
{
	struct json_object *value;

	if (json_object_object_get_ex(from, name, &value))
		json_object_object_add(to, name, json_object_get(value));
}

/* Offsets on a disk are no physical addresses, and must not look like them. */
static void forget_phys(struct json_object *range)
{
	struct json_object *owners;

	json_object_object_del(range, "phys_start");
	if (!json_object_object_get_ex(range, "owners", &owners))
		return;
	for (size_t i = 0; i < json_object_array_length(owners); i++)
		json_object_object_del(json_object_array_get_idx(owners, i), "phys_start");
}

static struct json_object *range_to_json(const struct incident *in, bool has_phys)
{
	static const char *const members[] = { "phys_start", "length_bytes",	"device",
					       "owners",     "owners_complete", "owners_reason" };
	_cleanup_(json_object_putp) struct json_object *whole = incident_to_json(in);
	struct json_object *range = json_object_new_object();

	if (!whole || !range) {
		json_object_put(range);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		move_member(whole, members[i], range);
	if (!has_phys)
		forget_phys(range);
	return range;
}

int lookup_resolve(const struct lookup_range *what, struct json_object **ret)
{
	_cleanup_(pieces_done) struct pieces pieces = {};
	_cleanup_(json_object_putp) struct json_object *ranges = json_object_new_array();
	_cleanup_(json_object_putp) struct json_object *answer = json_object_new_object();
	int r;

	if (!ranges || !answer)
		return -ENOMEM;
	r = pieces_of(what, &pieces);
	if (r < 0)
		return r;
	r = ask_owners(&pieces, &what->how);
	if (r < 0)
		return r;

	for (size_t i = 0; i < pieces.n; i++) {
		struct json_object *range = range_to_json(pieces.all[i].in, pieces.all[i].has_phys);

		if (!range || json_object_array_add(ranges, range) < 0) {
			json_object_put(range);
			return -ENOMEM;
		}
	}
	if (json_object_object_add(answer, "ranges", ranges) < 0)
		return -ENOMEM;
	ranges = NULL;
	*ret = TAKE(answer);
	return 0;
}
