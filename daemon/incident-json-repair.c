// SPDX-License-Identifier: GPL-2.0-or-later
/* incident-json-repair: the repair of an incident as JSON, and back. See incident-json.c. */
#include <errno.h>

#include "incident-json.h"

static struct json_object *loss_to_json(const struct loss *loss)
{
	struct json_fields f = json_fields_new();

	field_put_uint(&f, "inode", loss->inode);
	field_put_string(&f, "mountpoint", loss->mountpoint);
	field_put_strv(&f, "paths", loss->paths);
	field_put_uint(&f, "file_offset_bytes", loss->file_offset_bytes);
	field_put_uint(&f, "length_bytes", loss->length_bytes);
	return json_fields_done(&f);
}

static int loss_from_json(struct json_object *json, struct loss *loss)
{
	struct json_fields f = fields_of(json);

	field_get_uint(&f, "inode", &loss->inode);
	field_get_string(&f, "mountpoint", &loss->mountpoint);
	field_get_strv(&f, "paths", &loss->paths);
	field_get_uint(&f, "file_offset_bytes", &loss->file_offset_bytes);
	field_require(&f, "length_bytes");
	field_get_uint(&f, "length_bytes", &loss->length_bytes);
	return f.r;
}

static struct json_object *losses_to_json(const struct repair *repair)
{
	_cleanup_(json_object_putp) struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < repair->n_losses; i++)
		if (!array_push(array, loss_to_json(&repair->losses[i])))
			return NULL;
	return TAKE(array);
}

struct json_object *repair_to_json(const struct repair *repair)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, "wish", repair_wish_name(repair->wish));
	field_put_string(&f, "rule", repair->rule);
	field_put_bool(&f, "pause_holders", repair->pause_holders);
	field_put_string(&f, "method", repair->method);
	field_put_string(&f, "state", repair->state ? repair->state : "none");
	field_put_string(&f, "reason", repair->reason);
	field_put_string(&f, "detail", repair->detail);
	field_put_uint(&f, "zeroed_bytes", repair->zeroed_bytes);
	field_put_uint(&f, "salvaged_bytes", repair->salvaged_bytes);
	if (repair->restored_bytes)
		field_put_uint(&f, "restored_bytes", repair->restored_bytes);
	field_put_string(&f, "hook", repair->hook);
	field_put_string(&f, "hook_outcome", repair->hook_outcome);
	field_put_string(&f, "hook_detail", repair->hook_detail);
	put_made(&f, "losses", losses_to_json(repair));
	return json_fields_done(&f);
}

int repair_from_json(struct json_object *json, struct incident *in)
{
	struct json_fields f = fields_of(json);
	struct repair *repair = &in->repair;
	struct json_object *losses;

	get_name(&f, "wish", repair_wish_from_name, &repair->wish);
	field_get_string(&f, "rule", &repair->rule);
	field_get_bool(&f, "pause_holders", &repair->pause_holders);
	field_get_string(&f, "method", &repair->method);
	field_get_string(&f, "state", &repair->state);
	field_get_string(&f, "reason", &repair->reason);
	field_get_string(&f, "detail", &repair->detail);
	field_get_uint(&f, "zeroed_bytes", &repair->zeroed_bytes);
	field_get_uint(&f, "salvaged_bytes", &repair->salvaged_bytes);
	field_get_uint(&f, "restored_bytes", &repair->restored_bytes);
	field_get_string(&f, "hook", &repair->hook);
	field_get_string(&f, "hook_outcome", &repair->hook_outcome);
	field_get_string(&f, "hook_detail", &repair->hook_detail);

	losses = field_get_array(&f, "losses");
	for (size_t i = 0; losses && f.r == 0 && i < json_object_array_length(losses); i++) {
		struct loss *loss = incident_add_loss(in);

		f.r = loss ? loss_from_json(json_object_array_get_idx(losses, i), loss) : -ENOMEM;
	}
	return f.r;
}
