/* SPDX-License-Identifier: GPL-2.0-or-later */
/* incident-json: what the files that write and read an incident share; nobody else includes this. */
#pragma once

#include <errno.h>
#include <stdbool.h>

#include "incident.h"
#include "json-fields.h"

/* An array element or nested object that could not be made is our lack of memory. */
static inline void put_made(struct json_fields *f, const char *name, struct json_object *value)
{
	if (!value && f->r == 0)
		f->r = -ENOMEM;
	field_put_object(f, name, value);
}

/* Append to an array; false: out of memory. Takes the item. */
static inline bool array_push(struct json_object *array, struct json_object *item)
{
	if (item && json_object_array_add(array, item) == 0)
		return true;
	json_object_put(item);
	return false;
}

static inline struct json_fields fields_of(struct json_object *json)
{
	return (struct json_fields){
		.object = json,
		.r = json_object_is_type(json, json_type_object) ? 0 : -EBADMSG,
	};
}

/* Read a name of one of our enums; absent leaves *ret alone. */
static inline void get_name(struct json_fields *f, const char *name, int (*from_name)(const char *),
		     unsigned *ret)
{
	_cleanup_(freep) char *text = NULL;
	int value;

	field_get_string(f, name, &text);
	if (f->r < 0 || !text)
		return;
	value = from_name(text);
	if (value < 0)
		f->r = -EBADMSG;
	else
		*ret = (unsigned)value;
}

struct json_object *repair_to_json(const struct repair *repair);
int repair_from_json(struct json_object *json, struct incident *in);
