// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * incident: the object that travels, and who owns what inside it.
 *
 *   source -> locate -> owners -> holders -> policy -> respond -> repair
 *
 * In:   parts, appended by each station.
 * Out:  one tree of memory that incident_free() gives back whole.
 *
 * Its JSON is incident-json.c; the names of its enums are here, once, for JSON, the configuration
 * and the command line alike.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "incident.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static const char *const state_names[] = {
	[INCIDENT_FOUND] = "found",	    [INCIDENT_RESOLVED] = "resolved",
	[INCIDENT_REPAIRING] = "repairing", [INCIDENT_REPAIRED] = "repaired",
	[INCIDENT_LEFT] = "left",	    [INCIDENT_GONE] = "gone",
};

static const char *const owner_kind_names[] = {
	[OWNER_FILE_DATA] = "file-data",
	[OWNER_DIRECTORY] = "directory",
	[OWNER_XATTR] = "xattr",
	[OWNER_EXTENT_MAP] = "extent-map",
	[OWNER_SYMLINK] = "symlink",
	[OWNER_METADATA] = "metadata",
	[OWNER_LOG] = "log",
	[OWNER_UNWRITTEN] = "unwritten",
	[OWNER_FREE] = "free",
	[OWNER_UNKNOWN] = "unknown",
	[OWNER_DEVDAX] = "devdax",
	[OWNER_RAW] = "raw",
	[OWNER_RAM_FILE] = "ram-file",
	[OWNER_RAM_ANON] = "ram-anon",
	[OWNER_RAM_KERNEL] = "ram-kernel",
};

static const char *const verb_names[] = {
	[VERB_REPORT] = "report", [VERB_SIGNAL] = "signal",	  [VERB_TERMINATE] = "terminate",
	[VERB_KILL] = "kill",	  [VERB_STOP_UNIT] = "stop-unit",
};

static const char *const repair_wish_names[] = {
	[REPAIR_NONE] = "none",
	[REPAIR_CLEAR] = "clear",
	[REPAIR_ZERO] = "zero",
};

static const char *name_of(const char *const *names, size_t n_names, unsigned value)
{
	assert(value < n_names);
	return names[value];
}

static int value_of(const char *const *names, size_t n_names, const char *name)
{
	for (size_t i = 0; name && i < n_names; i++)
		if (!strcmp(names[i], name))
			return (int)i;
	return -EINVAL;
}

const char *incident_state_name(enum incident_state s)
{
	return name_of(state_names, N_ELEMENTS(state_names), s);
}

int incident_state_from_name(const char *name)
{
	return value_of(state_names, N_ELEMENTS(state_names), name);
}

const char *owner_kind_name(enum owner_kind k)
{
	return name_of(owner_kind_names, N_ELEMENTS(owner_kind_names), k);
}

int owner_kind_from_name(const char *name)
{
	return value_of(owner_kind_names, N_ELEMENTS(owner_kind_names), name);
}

const char *verb_name(enum verb v)
{
	return name_of(verb_names, N_ELEMENTS(verb_names), v);
}

int verb_from_name(const char *name)
{
	return value_of(verb_names, N_ELEMENTS(verb_names), name);
}

const char *repair_wish_name(enum repair_wish w)
{
	return name_of(repair_wish_names, N_ELEMENTS(repair_wish_names), w);
}

int repair_wish_from_name(const char *name)
{
	return value_of(repair_wish_names, N_ELEMENTS(repair_wish_names), name);
}

int string_set(char **field, const char *value)
{
	char *copy = NULL;

	if (value) {
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
	}
	free(*field);
	*field = copy;
	return 0;
}

void device_done(struct device *device)
{
	free(device->bus);
	free(device->provider);
	strv_free(device->dimms);
	free(device->region);
	free(device->namespace_name);
	free(device->mode);
	free(device->blockdev);
	free(device->chardev);
	*device = (struct device){ 0 };
}

static void view_done(struct owner_view *view)
{
	free(view->path);
	free(view->filesystem);
	free(view->container);
}

void owner_done(struct owner *owner)
{
	free(owner->filesystem);
	free(owner->mountpoint);
	strv_free(owner->paths);
	free(owner->mount_container);
	for (size_t i = 0; i < owner->n_views; i++)
		view_done(&owner->views[i]);
	free(owner->views);
	free(owner->hint);
	free(owner->method);
	*owner = (struct owner){ 0 };
}

void holder_done(struct holder *holder)
{
	free(holder->comm);
	free(holder->exe);
	free(holder->unit);
	free(holder->cgroup);
	free(holder->container);
	free(holder->mappings);
	free(holder->holds);
	free(holder->rule);
	free(holder->reason);
	free(holder->outcome);
	*holder = (struct holder){ 0 };
}

void loss_done(struct loss *loss)
{
	free(loss->mountpoint);
	strv_free(loss->paths);
	*loss = (struct loss){ 0 };
}

void kernel_deed_done(struct kernel_deed *deed)
{
	free(deed->page_type);
	free(deed->result);
	for (size_t i = 0; i < deed->n_signals; i++)
		free(deed->signals[i].comm);
	free(deed->signals);
	*deed = (struct kernel_deed){ 0 };
}

static void repair_done(struct repair *repair)
{
	free(repair->hook);
	free(repair->hook_outcome);
	free(repair->hook_detail);
	free(repair->rule);
	free(repair->method);
	free(repair->state);
	free(repair->reason);
	free(repair->detail);
	for (size_t i = 0; i < repair->n_losses; i++)
		loss_done(&repair->losses[i]);
	free(repair->losses);
	*repair = (struct repair){ 0 };
}

int device_copy(const struct device *from, struct device *ret)
{
	_cleanup_(device_done) struct device copy = {
		.sector = from->sector,
		.n_sectors = from->n_sectors,
	};

	if (string_set(&copy.bus, from->bus) < 0 ||
	    string_set(&copy.provider, from->provider) < 0 ||
	    string_set(&copy.region, from->region) < 0 ||
	    string_set(&copy.namespace_name, from->namespace_name) < 0 ||
	    string_set(&copy.mode, from->mode) < 0 ||
	    string_set(&copy.blockdev, from->blockdev) < 0 ||
	    string_set(&copy.chardev, from->chardev) < 0)
		return -ENOMEM;
	for (char **dimm = from->dimms; dimm && *dimm; dimm++)
		if (strv_push(&copy.dimms, *dimm) < 0)
			return -ENOMEM;

	*ret = copy;
	copy = (struct device){ 0 };
	return 0;
}

struct incident *incident_new(struct range phys, uint32_t sources)
{
	struct incident *in;

	assert(range_valid(phys));

	in = calloc(1, sizeof(*in));
	if (!in)
		return NULL;
	in->phys = phys;
	in->sources = sources;
	return in;
}

struct incident *incident_free(struct incident *in)
{
	if (!in)
		return NULL;

	device_done(&in->device);
	incident_clear_owners(in);
	free(in->owners_reason);
	incident_clear_holders(in);
	kernel_deed_done(&in->kernel);
	repair_done(&in->repair);
	free(in);
	return NULL;
}

/* Room for one more zeroed element; capacity is the next power of two, so nothing else is kept. */
static void *append(void *array, size_t *n, size_t element_bytes)
{
	void **elements = array;
	char *grown = *elements;

	if ((*n & (*n - 1)) == 0) {
		grown = reallocarray(grown, *n ? *n * 2 : 1, element_bytes);
		if (!grown)
			return NULL;
		*elements = grown;
	}
	return memset(grown + (*n)++ * element_bytes, 0, element_bytes);
}

struct owner *incident_add_owner(struct incident *in)
{
	return append(&in->owners, &in->n_owners, sizeof(*in->owners));
}

struct owner_view *owner_add_view(struct owner *owner)
{
	return append(&owner->views, &owner->n_views, sizeof(*owner->views));
}

struct holder *incident_add_holder(struct incident *in)
{
	return append(&in->holders, &in->n_holders, sizeof(*in->holders));
}

struct loss *incident_add_loss(struct incident *in)
{
	return append(&in->repair.losses, &in->repair.n_losses, sizeof(*in->repair.losses));
}

struct kernel_signal *kernel_deed_add_signal(struct kernel_deed *deed)
{
	return append(&deed->signals, &deed->n_signals, sizeof(*deed->signals));
}

void incident_clear_owners(struct incident *in)
{
	for (size_t i = 0; i < in->n_owners; i++)
		owner_done(&in->owners[i]);
	free(in->owners);
	in->owners = NULL;
	in->n_owners = 0;
}

void incident_clear_holders(struct incident *in)
{
	for (size_t i = 0; i < in->n_holders; i++)
		holder_done(&in->holders[i]);
	free(in->holders);
	in->holders = NULL;
	in->n_holders = 0;
}

struct owner_id owner_id_of(const struct owner *owner)
{
	return (struct owner_id){ owner->kind, owner->dev, owner->inode };
}

static int compare_ids(struct owner_id a, struct owner_id b)
{
	if (a.inode != b.inode)
		return a.inode < b.inode ? -1 : 1;
	if (a.dev != b.dev)
		return a.dev < b.dev ? -1 : 1;
	return (a.kind > b.kind) - (a.kind < b.kind);
}

/* Where it is, or belongs. */
static size_t held_index(const struct holder *holder, struct owner_id id)
{
	size_t low = 0, high = holder->n_holds;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_ids(holder->holds[middle].id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct held_owner *holder_find_held(const struct holder *holder, struct owner_id id)
{
	size_t i = held_index(holder, id);

	if (i == holder->n_holds || compare_ids(holder->holds[i].id, id))
		return NULL;
	return &holder->holds[i];
}

int holder_add_held(struct holder *holder, struct held_owner held)
{
	size_t i = held_index(holder, held.id);

	if (i < holder->n_holds && !compare_ids(holder->holds[i].id, held.id)) {
		holder->holds[i].maps |= held.maps;
		holder->holds[i].opens |= held.opens;
		return 0;
	}
	if (holder->n_holds == HOLDS_MAX) {
		holder->holds_more = true;
		return 0;
	}
	if (!append(&holder->holds, &holder->n_holds, sizeof(*holder->holds)))
		return -ENOMEM;
	memmove(&holder->holds[i + 1], &holder->holds[i],
		(holder->n_holds - 1 - i) * sizeof(*holder->holds));
	holder->holds[i] = held;
	return 0;
}

bool incident_is_ram(const struct incident *in)
{
	/* What a dax device was made to has a list, its region's. */
	return in->device.mode && !strcmp(in->device.mode, "ram") && !in->device.chardev;
}

bool incident_is_open(const struct incident *in)
{
	return in->state != INCIDENT_REPAIRED && in->state != INCIDENT_GONE;
}
