// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * views-json: where else an owner's file is to be seen, as members of that owner.
 *
 *   incident-json -> [views-json]
 *
 * In:   an owner, or its JSON.
 * Out:  "views" with path, filesystem, mount_pid and container of each; the other way without loss.
 */
#include <errno.h>

#include "views-json.h"

static struct json_object *view_to_json(const struct owner_view *view)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, "path", view->path);
	field_put_string(&f, "filesystem", view->filesystem);
	if (view->mount_pid > 0)
		field_put_uint(&f, "mount_pid", (uint64_t)view->mount_pid);
	field_put_string(&f, "container", view->container);
	return json_fields_done(&f);
}

static int view_from_json(struct json_object *json, struct owner_view *view)
{
	struct json_fields f = { .object = json };

	if (!json_object_is_type(json, json_type_object))
		return -EBADMSG;
	field_require(&f, "path");
	field_get_string(&f, "path", &view->path);
	field_get_string(&f, "filesystem", &view->filesystem);
	field_get_int(&f, "mount_pid", &view->mount_pid);
	field_get_string(&f, "container", &view->container);
	return f.r;
}

void views_put(struct json_fields *f, const struct owner *owner)
{
	struct json_object *array;

	field_put_string(f, "mount_container", owner->mount_container);
	if (owner->views_more)
		field_put_bool(f, "views_more", true);
	if (!owner->n_views || f->r < 0)
		return;
	array = json_object_new_array();
	for (size_t i = 0; array && i < owner->n_views; i++) {
		struct json_object *json = view_to_json(&owner->views[i]);

		if (!json || json_object_array_add(array, json) < 0) {
			json_object_put(json);
			json_object_put(array);
			array = NULL;
		}
	}
	if (!array)
		f->r = -ENOMEM;
	field_put_object(f, "views", array);
}

void views_get(struct json_fields *f, struct owner *owner)
{
	struct json_object *array = field_get_array(f, "views");

	field_get_string(f, "mount_container", &owner->mount_container);
	field_get_bool(f, "views_more", &owner->views_more);
	for (size_t i = 0; array && f->r == 0 && i < json_object_array_length(array); i++) {
		struct owner_view *view = owner_add_view(owner);

		f->r = view ? view_from_json(json_object_array_get_idx(array, i), view) : -ENOMEM;
	}
}
