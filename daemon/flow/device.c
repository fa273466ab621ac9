// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/device: the device of an incident, when devices come and go.
 *
 *   nvdimm -> [flow/device] -> flow
 *
 * In:   a new address map.
 * Out:  open incidents that know their device by its present names, to be resolved anew where these
 *       have changed.
 *
 * An incident is a physical range; bus, namespace and disk only say where that was found. The same
 * range can come back as another disk, and its old name be another range's: who asks that one for
 * owners gets somebody else's files. So nobody is asked about a range whose device is away.
 */
#include <errno.h>
#include <string.h>

#include "flow/flow-private.h"

static bool same_string(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* But for its DIMMs, of which an incident knows more than the map does. */
static bool same_device(const struct device *a, const struct device *b)
{
	return same_string(a->bus, b->bus) && same_string(a->region, b->region) &&
	       same_string(a->namespace_name, b->namespace_name) && same_string(a->mode, b->mode) &&
	       same_string(a->blockdev, b->blockdev) && same_string(a->chardev, b->chardev) &&
	       a->sector == b->sector && a->n_sectors == b->n_sectors;
}

static bool has_no_namespace(const struct device *device)
{
	return device->mode && !strcmp(device->mode, "none");
}

/*
 * The device as it is called now. 1: it is there; 0: it is away, or disabled and does not tell what
 * it holds; -ENOMEM. *ret is set only at 1, and the caller's to device_done().
 */
static int present_device(const struct flow *f, struct range phys, struct device *ret)
{
	const struct address_map *map = nvdimm_map(f->parts.nvdimm);
	const struct place *place;
	struct range piece;
	int r;

	place = address_map_find(map, phys, &piece);
	if (!place || !place->device.mode)
		return 0;
	r = place_to_device(place, piece, ret);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	/* Made anew with another layout: it lies on two devices now, and has no sectors of one. */
	if (piece.length_bytes != phys.length_bytes)
		ret->sector = ret->n_sectors = 0;
	return 1;
}

bool flow_find_device(struct journey *j)
{
	struct device now = { 0 };
	int r;

	if (incident_is_ram(j->in))
		return true; /* which is on no map, and always there */
	r = present_device(j->flow, j->in->phys, &now);
	if (r <= 0)
		return false;
	/* A region on its way out has lost its namespaces first. */
	if (has_no_namespace(&now) && !has_no_namespace(&j->in->device)) {
		device_done(&now);
		return false;
	}
	if (same_device(&now, &j->in->device)) {
		device_done(&now);
		return true;
	}
	device_done(&j->in->device);
	j->in->device = now;
	if (j->stage == STAGE_REST)
		j->stage = STAGE_RESOLVE;
	flow_save(j->flow, j->in);
	return true;
}

static bool waits_for_device(const struct journey *j)
{
	const char *reason = j->in->repair.reason;

	return j->stage == STAGE_REST && reason && !strcmp(reason, "no-device");
}

void flow_topology_changed(struct flow *f)
{
	for (size_t i = 0; i < f->n_journeys; i++) {
		struct journey *j = f->journeys[i];

		if (!j->busy && flow_find_device(j) && waits_for_device(j))
			j->stage = STAGE_RESOLVE;
	}
	flow_rescan(f);
}
