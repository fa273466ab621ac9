// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * file_history: what the ledger says about one file.
 *
 *   ledger -> [file_history] -> lookup_files
 *
 * In:   a file as it is now.
 * Out:  the incidents that had it, and which of its bytes are lost for good.
 *
 * An inode number alone is no proof: it is used again, and the device number of a disk is another
 * after a boot. So the file of then is this one if its number is the same, its generation is as far
 * as both are known, and device or name agree; one that only has the same name was another, which
 * this has replaced.
 */
#include <errno.h>
#include <string.h>

#include "control/file_history.h"
#include "json-fields.h"

enum likeness {
	LIKE_NOTHING,
	LIKE_NAME, /* another inode, under the same name */
	LIKE_SAME,
};

struct search {
	struct ledger *ledger;
	const struct file_id *file;
	struct json_object *entries;
};

static enum likeness likeness_of_owner(const struct file_id *file, const struct owner *owner)
{
	bool named = strv_contains(owner->paths, file->path);

	if (owner->inode != file->inode ||
	    (owner->generation && file->generation && owner->generation != file->generation))
		return named ? LIKE_NAME : LIKE_NOTHING;
	return named || owner->dev == file->dev ? LIKE_SAME : LIKE_NOTHING;
}

static struct json_object *owner_entry(const struct owner *owner)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, "kind", owner_kind_name(owner->kind));
	field_put_uint(&f, "file_offset_bytes", owner->file_offset_bytes);
	field_put_uint(&f, "length_bytes", owner->length_bytes);
	return json_fields_done(&f);
}

/* Takes the item. */
static int push(struct json_object *array, struct json_object *item)
{
	if (item && json_object_array_add(array, item) == 0)
		return 0;
	json_object_put(item);
	return -ENOMEM;
}

static int take_owners(const struct search *s, const struct incident *in, struct json_object *bytes,
		       enum likeness *ret)
{
	int r = 0;

	*ret = LIKE_NOTHING;
	for (size_t i = 0; r >= 0 && i < in->n_owners; i++) {
		enum likeness like = likeness_of_owner(s->file, &in->owners[i]);

		if (like == LIKE_NOTHING || !in->owners[i].inode)
			continue;
		if (like > *ret)
			*ret = like;
		r = push(bytes, owner_entry(&in->owners[i]));
	}
	return r;
}

struct taking {
	const struct search *search;
	struct json_object *losses;
	bool same_inode;
};

static int take_loss(const struct loss *loss, uint64_t lost_usec, void *userdata)
{
	const struct taking *t = userdata;
	const struct file_id *file = t->search->file;
	struct json_fields f;

	if (!strv_contains(loss->paths, file->path) &&
	    !(t->same_inode && loss->inode == file->inode))
		return 0;
	f = json_fields_new();
	field_put_uint(&f, "file_offset_bytes", loss->file_offset_bytes);
	field_put_uint(&f, "length_bytes", loss->length_bytes);
	field_put_uint(&f, "lost_usec", lost_usec);
	return push(t->losses, json_fields_done(&f));
}

static struct json_object *entry_of(const struct incident *in, enum likeness like,
				    struct json_object *bytes, struct json_object *losses)
{
	struct json_fields f = json_fields_new();

	field_put_uint(&f, "incident", in->number);
	field_put_string(&f, "state", incident_state_name(in->state));
	field_put_bool(&f, "open", incident_is_open(in));
	field_put_bool(&f, "same_file", like == LIKE_SAME);
	field_put_uint(&f, "found_usec", in->found_usec);
	field_put_uint(&f, "updated_usec", in->updated_usec);
	field_put_object(&f, "bytes", json_object_get(bytes));
	field_put_string(&f, "repair_method", in->repair.method);
	field_put_string(&f, "repair_state", in->repair.state);
	field_put_object(&f, "lost_for_good", json_object_get(losses));
	return json_fields_done(&f);
}

static int take_incident(struct incident *given, void *userdata)
{
	_cleanup_(incident_freep) struct incident *in = given;
	_cleanup_(json_object_putp) struct json_object *bytes = json_object_new_array();
	_cleanup_(json_object_putp) struct json_object *losses = json_object_new_array();
	struct search *s = userdata;
	struct taking taking = { s, losses, false };
	enum likeness like;
	int r;

	if (!bytes || !losses)
		return -ENOMEM;
	r = take_owners(s, in, bytes, &like);
	if (r < 0)
		return r;
	taking.same_inode = like == LIKE_SAME;
	r = ledger_losses(s->ledger, in->number, take_loss, &taking);
	if (r < 0)
		return r;
	if (like == LIKE_NOTHING && !json_object_array_length(losses))
		return 0;
	return push(s->entries, entry_of(in, like, bytes, losses));
}

int file_history(struct ledger *ledger, const struct file_id *file, struct json_object **ret)
{
	_cleanup_(json_object_putp) struct json_object *entries = json_object_new_array();
	struct search search = { ledger, file, entries };
	int r;

	if (!entries)
		return -ENOMEM;
	r = ledger_incidents(ledger, true, take_incident, &search);
	if (r < 0 && r != -EUCLEAN)
		return r;
	*ret = TAKE(entries);
	return r;
}
