// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * incident-kernel: what the kernel knew and did itself, as JSON and back.
 *
 *   correlate -> incident -> [incident-kernel] -> incident-json
 *
 * In:   the kernel's part of an incident, and of an owner in plain memory.
 * Out:  members of the same object as all the rest.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "incident.h"
#include "json-fields.h"

static bool is_of_ram(const struct owner *owner)
{
	return owner->kind == OWNER_RAM_FILE || owner->kind == OWNER_RAM_ANON;
}

void owner_put_page(struct json_fields *f, const struct owner *owner)
{
	if (!is_of_ram(owner))
		return;
	field_put_bool(f, "dirty", owner->dirty);
	field_put_bool(f, "rereadable", owner->rereadable);
	if (owner->page_bytes > PAGE_BYTES)
		field_put_uint(f, "page_bytes", owner->page_bytes);
}

void owner_get_page(struct json_fields *f, struct owner *owner)
{
	field_get_bool(f, "dirty", &owner->dirty);
	field_get_bool(f, "rereadable", &owner->rereadable);
	field_get_uint(f, "page_bytes", &owner->page_bytes);
}

static struct json_object *signal_to_json(const struct kernel_signal *signal)
{
	struct json_fields f = json_fields_new();

	field_put_uint(&f, "pid", (uint64_t)signal->pid);
	field_put_uint(&f, "start_ticks", signal->start_ticks);
	field_put_string(&f, "comm", signal->comm);
	field_put_string(&f, "code",
			 signal->code == BUS_MCEERR_AR ? "BUS_MCEERR_AR" : "BUS_MCEERR_AO");
	field_put_hex(&f, "virt_start", signal->virt_start);
	return json_fields_done(&f);
}

static int signal_from_json(struct json_object *json, struct kernel_signal *signal)
{
	struct json_fields f = { .object = json };
	_cleanup_(freep) char *code = NULL;

	if (!json_object_is_type(json, json_type_object))
		return -EBADMSG;
	field_require(&f, "pid");
	field_get_int(&f, "pid", &signal->pid);
	field_get_uint(&f, "start_ticks", &signal->start_ticks);
	field_get_string(&f, "comm", &signal->comm);
	field_require(&f, "code");
	field_get_string(&f, "code", &code);
	field_get_hex(&f, "virt_start", &signal->virt_start);
	if (f.r < 0)
		return f.r;
	signal->code = !strcmp(code, "BUS_MCEERR_AR") ? BUS_MCEERR_AR : BUS_MCEERR_AO;
	return 0;
}

static struct json_object *signals_to_json(const struct kernel_deed *deed)
{
	_cleanup_(json_object_putp) struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < deed->n_signals; i++) {
		struct json_object *one = signal_to_json(&deed->signals[i]);

		if (!one || json_object_array_add(array, one) < 0) {
			json_object_put(one);
			return NULL;
		}
	}
	return TAKE(array);
}

void kernel_deed_put(struct json_fields *f, const struct kernel_deed *deed)
{
	struct json_fields own = { 0 };
	struct json_object *signals, *object;

	if (!deed->page_type)
		return;
	own = json_fields_new();
	signals = signals_to_json(deed);
	if (!signals)
		own.r = -ENOMEM;
	field_put_string(&own, "page_type", deed->page_type);
	field_put_string(&own, "result", deed->result);
	field_put_object(&own, "signalled", signals);
	object = json_fields_done(&own);
	if (!object && f->r == 0)
		f->r = -ENOMEM;
	field_put_object(f, "kernel", object);
}

void kernel_deed_get(struct json_fields *f, struct kernel_deed *deed)
{
	struct json_fields own = { .object = field_get_object(f, "kernel") };
	struct json_object *signals;

	if (!own.object)
		return;
	field_require(&own, "page_type");
	field_get_string(&own, "page_type", &deed->page_type);
	field_require(&own, "result");
	field_get_string(&own, "result", &deed->result);
	signals = field_get_array(&own, "signalled");
	for (size_t i = 0; signals && own.r == 0 && i < json_object_array_length(signals); i++) {
		struct kernel_signal *signal = kernel_deed_add_signal(deed);

		own.r = signal ? signal_from_json(json_object_array_get_idx(signals, i), signal)
			       : -ENOMEM;
	}
	if (own.r < 0)
		f->r = own.r;
}
