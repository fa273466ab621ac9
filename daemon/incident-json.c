// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * incident-json: an incident as JSON, and back without loss.
 *
 *   every station -> incident -> [incident-json] -> ledger, feed, control; workers both ways
 *
 * In:   an incident, or JSON that the ledger or a worker kept for us.
 * Out:  the object of conf/schema/incident.schema.json, or the incident.
 *
 * Monitoring relies on the members' names: they are only ever added to. What reads comes right
 * after what writes, so that a member added to one is added to the other. The envelope of an event
 * is feed/event.c.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "incident-json.h"
#include "incident.h"
#include "json-fields.h"
#include "views-json.h"

static const struct {
	enum incident_source bit;
	const char *name;
} source_names[] = {
	{ SOURCE_BADBLOCKS, "badblocks" },
	{ SOURCE_ARS, "ars" },
	{ SOURCE_MCE, "mce" },
	{ SOURCE_MEMORY_FAILURE, "memory_failure" },
};

#define N_SOURCES (sizeof(source_names) / sizeof(source_names[0]))

struct json_object *device_to_json(const struct device *device)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, "bus", device->bus);
	field_put_string(&f, "provider", device->provider);
	field_put_strv(&f, "dimms", device->dimms);
	field_put_string(&f, "region", device->region);
	field_put_string(&f, "namespace", device->namespace_name);
	field_put_string(&f, "mode", device->mode);
	field_put_string(&f, "blockdev", device->blockdev);
	field_put_string(&f, "chardev", device->chardev);
	if (device->n_sectors) {
		field_put_uint(&f, "sector", device->sector);
		field_put_uint(&f, "n_sectors", device->n_sectors);
	}
	return json_fields_done(&f);
}

static int device_from_json(struct json_object *json, struct device *device)
{
	struct json_fields f = fields_of(json);

	field_get_string(&f, "bus", &device->bus);
	field_get_string(&f, "provider", &device->provider);
	field_get_strv(&f, "dimms", &device->dimms);
	field_get_string(&f, "region", &device->region);
	field_get_string(&f, "namespace", &device->namespace_name);
	field_get_string(&f, "mode", &device->mode);
	field_get_string(&f, "blockdev", &device->blockdev);
	field_get_string(&f, "chardev", &device->chardev);
	field_get_uint(&f, "sector", &device->sector);
	field_get_uint(&f, "n_sectors", &device->n_sectors);
	return f.r;
}

struct json_object *owner_to_json(const struct owner *owner)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, "kind", owner_kind_name(owner->kind));
	field_put_string(&f, "filesystem", owner->filesystem);
	field_put_string(&f, "mountpoint", owner->mountpoint);
	if (owner->mount_pid > 0)
		field_put_uint(&f, "mount_pid", (uint64_t)owner->mount_pid);
	field_put_dev(&f, owner->dev);
	if (owner->inode || owner->file_offset_bytes) {
		field_put_uint(&f, "inode", owner->inode);
		field_put_uint(&f, "generation", owner->generation);
		field_put_uint(&f, "file_offset_bytes", owner->file_offset_bytes);
	}
	field_put_strv(&f, "paths", owner->paths);
	field_put_bool(&f, "unlinked", owner->unlinked);
	views_put(&f, owner);
	field_put_hex(&f, "phys_start", owner->phys_start);
	field_put_uint(&f, "length_bytes", owner->length_bytes);
	field_put_bool(&f, "shared", owner->shared);
	field_put_bool(&f, "unwritten", owner->unwritten);
	if (owner->realtime)
		field_put_bool(&f, "realtime", true);
	owner_put_page(&f, owner);
	field_put_string(&f, "method", owner->method);
	return json_fields_done(&f);
}

static int owner_from_json(struct json_object *json, struct owner *owner)
{
	struct json_fields f = fields_of(json);

	field_require(&f, "kind");
	get_name(&f, "kind", owner_kind_from_name, &owner->kind);
	field_get_string(&f, "filesystem", &owner->filesystem);
	field_get_string(&f, "mountpoint", &owner->mountpoint);
	field_get_int(&f, "mount_pid", &owner->mount_pid);
	field_get_dev(&f, &owner->dev);
	field_get_uint(&f, "inode", &owner->inode);
	field_get_uint32(&f, "generation", &owner->generation);
	field_get_uint(&f, "file_offset_bytes", &owner->file_offset_bytes);
	field_get_strv(&f, "paths", &owner->paths);
	field_get_bool(&f, "unlinked", &owner->unlinked);
	views_get(&f, owner);
	field_get_hex(&f, "phys_start", &owner->phys_start);
	field_get_uint(&f, "length_bytes", &owner->length_bytes);
	field_get_bool(&f, "shared", &owner->shared);
	field_get_bool(&f, "unwritten", &owner->unwritten);
	field_get_bool(&f, "realtime", &owner->realtime);
	owner_get_page(&f, owner);
	field_get_string(&f, "method", &owner->method);
	return f.r;
}

static struct json_object *mapping_to_json(const struct holder_mapping *mapping)
{
	struct json_fields f = json_fields_new();

	field_put_hex(&f, "virt_start", mapping->virt_start);
	field_put_uint(&f, "length_bytes", mapping->length_bytes);
	field_put_bool(&f, "writable", mapping->writable);
	return json_fields_done(&f);
}

static int mapping_from_json(struct json_object *json, struct holder_mapping *mapping)
{
	struct json_fields f = fields_of(json);

	field_require(&f, "virt_start");
	field_get_hex(&f, "virt_start", &mapping->virt_start);
	field_get_uint(&f, "length_bytes", &mapping->length_bytes);
	field_get_bool(&f, "writable", &mapping->writable);
	return f.r;
}

static struct json_object *mappings_to_json(const struct holder *holder)
{
	_cleanup_(json_object_putp) struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < holder->n_mappings; i++)
		if (!array_push(array, mapping_to_json(&holder->mappings[i])))
			return NULL;
	return TAKE(array);
}

static void get_mappings(struct json_fields *f, struct holder *holder)
{
	struct json_object *array = field_get_array(f, "mappings");
	size_t n = array ? json_object_array_length(array) : 0;

	if (!n)
		return;
	holder->mappings = calloc(n, sizeof(*holder->mappings));
	if (!holder->mappings) {
		f->r = -ENOMEM;
		return;
	}
	holder->n_mappings = n;
	for (size_t i = 0; i < n && f->r == 0; i++)
		f->r = mapping_from_json(json_object_array_get_idx(array, i), &holder->mappings[i]);
}

static void put_how(struct json_fields *f, bool maps, bool opens)
{
	const char *how[3] = { NULL };
	size_t n = 0;

	if (maps)
		how[n++] = "mapped";
	if (opens)
		how[n++] = "open";
	field_put_strv(f, "how", (char *const *)how);
}

static void get_how(struct json_fields *f, bool *ret_maps, bool *ret_opens)
{
	_cleanup_(strv_freep) char **how = NULL;

	field_get_strv(f, "how", &how);
	*ret_maps = strv_contains(how, "mapped");
	*ret_opens = strv_contains(how, "open");
	if (strv_length(how) > (size_t)*ret_maps + (size_t)*ret_opens)
		f->r = -EBADMSG;
}

static struct json_object *held_to_json(const struct held_owner *held)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, "kind", owner_kind_name(held->id.kind));
	field_put_dev(&f, held->id.dev);
	if (held->id.inode)
		field_put_uint(&f, "inode", held->id.inode);
	put_how(&f, held->maps, held->opens);
	return json_fields_done(&f);
}

static int held_from_json(struct json_object *json, struct held_owner *held)
{
	struct json_fields f = fields_of(json);

	field_require(&f, "kind");
	get_name(&f, "kind", owner_kind_from_name, &held->id.kind);
	field_get_dev(&f, &held->id.dev);
	field_get_uint(&f, "inode", &held->id.inode);
	get_how(&f, &held->maps, &held->opens);
	if (f.r == 0 && !held->maps && !held->opens)
		f.r = -EBADMSG;
	return f.r;
}

static struct json_object *holds_to_json(const struct holder *holder)
{
	_cleanup_(json_object_putp) struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < holder->n_holds; i++)
		if (!array_push(array, held_to_json(&holder->holds[i])))
			return NULL;
	return TAKE(array);
}

static void get_holds(struct json_fields *f, struct holder *holder)
{
	struct json_object *array = field_get_array(f, "holds");

	for (size_t i = 0; array && f->r == 0 && i < json_object_array_length(array); i++) {
		struct held_owner held = { 0 };

		f->r = held_from_json(json_object_array_get_idx(array, i), &held);
		if (f->r == 0)
			f->r = holder_add_held(holder, held);
	}
}

/* The files of "holds" at a glance; they are sorted, so the same number comes together. */
static struct json_object *inodes_to_json(const struct holder *holder)
{
	_cleanup_(json_object_putp) struct json_object *array = json_object_new_array();
	uint64_t last = 0; /* a device's, which is no file */

	for (size_t i = 0; array && i < holder->n_holds; i++) {
		if (holder->holds[i].id.inode == last)
			continue;
		last = holder->holds[i].id.inode;
		if (!array_push(array, json_object_new_uint64(last)))
			return NULL;
	}
	return TAKE(array);
}

struct json_object *holder_to_json(const struct holder *holder)
{
	struct json_fields f = json_fields_new();

	field_put_uint(&f, "pid", (uint64_t)holder->pid);
	field_put_uint(&f, "start_ticks", holder->start_ticks);
	field_put_string(&f, "comm", holder->comm);
	field_put_string(&f, "exe", holder->exe);
	field_put_uint(&f, "uid", holder->uid);
	field_put_string(&f, "unit", holder->unit);
	field_put_string(&f, "cgroup", holder->cgroup);
	field_put_string(&f, "container", holder->container);
	put_how(&f, holder->maps, holder->opens);
	field_put_bool(&f, "open_writable", holder->open_writable);
	put_made(&f, "mappings", mappings_to_json(holder));
	put_made(&f, "inodes", inodes_to_json(holder));
	put_made(&f, "holds", holds_to_json(holder));
	if (holder->holds_more)
		field_put_bool(&f, "holds_more", true);
	field_put_string(&f, "action", verb_name(holder->action));
	if (holder->signal_number)
		field_put_uint(&f, "signal_number", (uint64_t)holder->signal_number);
	if (holder->grace_usec)
		field_put_uint(&f, "grace_usec", holder->grace_usec);
	if (holder->restart_unit)
		field_put_bool(&f, "restart_unit", true);
	field_put_string(&f, "rule", holder->rule);
	field_put_string(&f, "reason", holder->reason);
	field_put_string(&f, "outcome", holder->outcome);
	return json_fields_done(&f);
}

static int holder_from_json(struct json_object *json, struct holder *holder)
{
	struct json_fields f = fields_of(json);

	field_require(&f, "pid");
	field_get_int(&f, "pid", &holder->pid);
	field_get_uint(&f, "start_ticks", &holder->start_ticks);
	field_get_string(&f, "comm", &holder->comm);
	field_get_string(&f, "exe", &holder->exe);
	field_get_uint32(&f, "uid", &holder->uid);
	field_get_string(&f, "unit", &holder->unit);
	field_get_string(&f, "cgroup", &holder->cgroup);
	field_get_string(&f, "container", &holder->container);
	get_how(&f, &holder->maps, &holder->opens);
	field_get_bool(&f, "open_writable", &holder->open_writable);
	get_mappings(&f, holder);
	field_get_bool(&f, "holds_more", &holder->holds_more);
	get_holds(&f, holder); /* which may be too many as well */
	get_name(&f, "action", verb_from_name, &holder->action);
	field_get_int(&f, "signal_number", &holder->signal_number);
	field_get_uint(&f, "grace_usec", &holder->grace_usec);
	field_get_bool(&f, "restart_unit", &holder->restart_unit);
	field_get_string(&f, "rule", &holder->rule);
	field_get_string(&f, "reason", &holder->reason);
	field_get_string(&f, "outcome", &holder->outcome);
	return f.r;
}

static void put_sources(struct json_fields *f, uint32_t sources)
{
	const char *names[N_SOURCES + 1] = { NULL };
	size_t n = 0;

	for (size_t i = 0; i < N_SOURCES; i++)
		if (sources & source_names[i].bit)
			names[n++] = source_names[i].name;
	field_put_strv(f, "sources", (char *const *)names);
}

static void get_sources(struct json_fields *f, uint32_t *ret)
{
	_cleanup_(strv_freep) char **names = NULL;
	size_t n_known = 0;

	field_get_strv(f, "sources", &names);
	for (size_t i = 0; i < N_SOURCES; i++)
		if (strv_contains(names, source_names[i].name)) {
			*ret |= source_names[i].bit;
			n_known++;
		}
	if (strv_length(names) != n_known)
		f->r = -EBADMSG;
}

static struct json_object *owners_to_json(const struct incident *in)
{
	_cleanup_(json_object_putp) struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < in->n_owners; i++)
		if (!array_push(array, owner_to_json(&in->owners[i])))
			return NULL;
	return TAKE(array);
}

static struct json_object *holders_to_json(const struct incident *in)
{
	_cleanup_(json_object_putp) struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < in->n_holders; i++)
		if (!array_push(array, holder_to_json(&in->holders[i])))
			return NULL;
	return TAKE(array);
}

struct json_object *incident_to_json(const struct incident *in)
{
	struct json_fields f = json_fields_new();

	field_put_uint(&f, "incident", in->number);
	field_put_string(&f, "state", incident_state_name(in->state));
	field_put_hex(&f, "phys_start", in->phys.start_bytes);
	field_put_uint(&f, "length_bytes", in->phys.length_bytes);
	put_sources(&f, in->sources);
	field_put_uint(&f, "found_usec", in->found_usec);
	field_put_uint(&f, "updated_usec", in->updated_usec);
	put_made(&f, "device", device_to_json(&in->device));
	put_made(&f, "owners", owners_to_json(in));
	field_put_bool(&f, "owners_complete", in->owners_complete);
	field_put_string(&f, "owners_reason", in->owners_reason);
	if (in->owners_searching)
		field_put_bool(&f, "owners_searching", true);
	put_made(&f, "holders", holders_to_json(in));
	kernel_deed_put(&f, &in->kernel);
	put_made(&f, "repair", repair_to_json(&in->repair));
	return json_fields_done(&f);
}

static void get_range(struct json_fields *f, struct range *ret)
{
	field_require(f, "phys_start");
	field_get_hex(f, "phys_start", &ret->start_bytes);
	field_require(f, "length_bytes");
	field_get_uint(f, "length_bytes", &ret->length_bytes);
	if (f->r == 0 && !range_valid(*ret))
		f->r = -EBADMSG;
}

static void get_owners(struct json_fields *f, struct incident *in)
{
	struct json_object *array = field_get_array(f, "owners");

	for (size_t i = 0; array && f->r == 0 && i < json_object_array_length(array); i++) {
		struct owner *owner = incident_add_owner(in);

		f->r = owner ? owner_from_json(json_object_array_get_idx(array, i), owner)
			     : -ENOMEM;
	}
}

static void get_holders(struct json_fields *f, struct incident *in)
{
	struct json_object *array = field_get_array(f, "holders");

	for (size_t i = 0; array && f->r == 0 && i < json_object_array_length(array); i++) {
		struct holder *holder = incident_add_holder(in);

		f->r = holder ? holder_from_json(json_object_array_get_idx(array, i), holder)
			      : -ENOMEM;
	}
}

int incident_from_json(struct json_object *json, struct incident **ret)
{
	_cleanup_(incident_freep) struct incident *in = calloc(1, sizeof(*in));
	struct json_fields f = fields_of(json);
	struct json_object *part;

	if (!in)
		return -ENOMEM;

	field_get_uint(&f, "incident", &in->number);
	field_require(&f, "state");
	get_name(&f, "state", incident_state_from_name, &in->state);
	get_range(&f, &in->phys);
	get_sources(&f, &in->sources);
	field_get_uint(&f, "found_usec", &in->found_usec);
	field_get_uint(&f, "updated_usec", &in->updated_usec);

	part = field_get_object(&f, "device");
	if (part)
		f.r = device_from_json(part, &in->device);

	get_owners(&f, in);
	field_get_bool(&f, "owners_complete", &in->owners_complete);
	field_get_string(&f, "owners_reason", &in->owners_reason);
	field_get_bool(&f, "owners_searching", &in->owners_searching);
	get_holders(&f, in);

	kernel_deed_get(&f, &in->kernel);
	part = field_get_object(&f, "repair");
	if (part)
		f.r = repair_from_json(part, in);
	if (f.r < 0)
		return f.r;

	*ret = TAKE(in);
	return 0;
}
