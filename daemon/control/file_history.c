// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * file_history: what the ledger says about one file.
 *
 *   ledger -> [file_history] -> lookup_files
 *
 * In:   files as they are now.
 * Out:  the incidents that had them, and which of their bytes are lost for good.
 *
 * A worker of the daemon must not touch its ledger, and the daemon must not stop to search it: so
 * the record is read page by page, by whoever has it, and searched by whoever asks.
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

#define INCIDENTS_A_PAGE 32u

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

static int take_owners(const struct file_id *file, const struct incident *in,
		       struct json_object *bytes, enum likeness *ret)
{
	int r = 0;

	*ret = LIKE_NOTHING;
	for (size_t i = 0; r >= 0 && i < in->n_owners; i++) {
		enum likeness like = likeness_of_owner(file, &in->owners[i]);

		if (like == LIKE_NOTHING || !in->owners[i].inode)
			continue;
		if (like > *ret)
			*ret = like;
		r = push(bytes, owner_entry(&in->owners[i]));
	}
	return r;
}

static int take_loss(const struct file_id *file, bool same_inode, struct json_object *json,
		     struct json_object *losses)
{
	_cleanup_(strv_freep) char **paths = NULL;
	struct json_fields f = { .object = json };
	uint64_t inode = 0, offset = 0, length = 0, lost_usec = 0;

	field_get_uint(&f, "inode", &inode);
	field_get_strv(&f, "paths", &paths);
	field_get_uint(&f, "file_offset_bytes", &offset);
	field_get_uint(&f, "length_bytes", &length);
	field_get_uint(&f, "lost_usec", &lost_usec);
	if (f.r < 0)
		return f.r;
	if (!strv_contains(paths, file->path) && !(same_inode && inode == file->inode))
		return 0;
	f = json_fields_new();
	field_put_uint(&f, "file_offset_bytes", offset);
	field_put_uint(&f, "length_bytes", length);
	field_put_uint(&f, "lost_usec", lost_usec);
	return push(losses, json_fields_done(&f));
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

static int search_row(const struct file_id *file, const struct incident *in,
		      struct json_object *row_losses, struct json_object *entries)
{
	_cleanup_(json_object_putp) struct json_object *bytes = json_object_new_array();
	_cleanup_(json_object_putp) struct json_object *losses = json_object_new_array();
	enum likeness like;
	int r;

	if (!bytes || !losses)
		return -ENOMEM;
	r = take_owners(file, in, bytes, &like);
	for (size_t i = 0; r >= 0 && i < json_object_array_length(row_losses); i++)
		r = take_loss(file, like == LIKE_SAME, json_object_array_get_idx(row_losses, i),
			      losses);
	if (r < 0)
		return r;
	if (like == LIKE_NOTHING && !json_object_array_length(losses))
		return 0;
	return push(entries, entry_of(in, like, bytes, losses));
}

static int search_page(struct json_object *page, const struct file_id *files,
		       struct json_object *const *entries, size_t n, uint64_t *ret_last)
{
	struct json_fields f = { .object = page };
	struct json_object *rows = field_get_array(&f, "rows");
	int r = 0;

	field_get_uint(&f, "last", ret_last);
	if (f.r < 0)
		return f.r;
	for (size_t i = 0; r >= 0 && rows && i < json_object_array_length(rows); i++) {
		_cleanup_(incident_freep) struct incident *in = NULL;
		struct json_fields row = { .object = json_object_array_get_idx(rows, i) };
		struct json_object *losses = field_get_array(&row, "losses");

		r = incident_from_json(field_get_object(&row, "incident"), &in);
		for (size_t file = 0; r >= 0 && losses && file < n; file++)
			r = search_row(&files[file], in, losses, entries[file]);
	}
	return r < 0 ? r : rows && json_object_array_length(rows);
}

int file_history(history_pages pages, void *userdata, const struct file_id *files,
		 struct json_object *const *entries, size_t n)
{
	uint64_t last = 0;
	bool damaged = false;
	int r;

	for (;;) {
		_cleanup_(json_object_putp) struct json_object *page = NULL;

		r = pages(last, &page, userdata);
		if (r < 0)
			return r;
		damaged |= json_object_get_boolean(json_object_object_get(page, "damaged"));
		r = search_page(page, files, entries, n, &last);
		if (r < 0)
			return r == -EBADMSG ? -EUCLEAN : r;
		if (r == 0)
			return damaged ? -EUCLEAN : 0;
	}
}

struct reading {
	struct ledger *ledger;
	struct json_object *rows;
	struct json_object *losses; /* of the row that is being read */
	uint64_t last;
};

static int read_loss(const struct loss *loss, uint64_t lost_usec, void *userdata)
{
	const struct reading *reading = userdata;
	struct json_fields f = json_fields_new();

	field_put_uint(&f, "inode", loss->inode);
	field_put_strv(&f, "paths", loss->paths);
	field_put_uint(&f, "file_offset_bytes", loss->file_offset_bytes);
	field_put_uint(&f, "length_bytes", loss->length_bytes);
	field_put_uint(&f, "lost_usec", lost_usec);
	return push(reading->losses, json_fields_done(&f));
}

static int read_row(struct incident *given, void *userdata)
{
	_cleanup_(incident_freep) struct incident *in = given;
	_cleanup_(json_object_putp) struct json_object *losses = json_object_new_array();
	struct reading *reading = userdata;
	struct json_fields f;
	int r;

	if (!losses)
		return -ENOMEM;
	reading->last = in->number;
	reading->losses = losses;
	r = ledger_losses(reading->ledger, in->number, read_loss, reading);
	if (r < 0)
		return r;
	f = json_fields_new();
	field_put_object(&f, "incident", incident_to_json(in));
	field_put_object(&f, "losses", TAKE(losses));
	return push(reading->rows, json_fields_done(&f));
}

int history_page(struct ledger *ledger, uint64_t after, struct json_object **ret)
{
	_cleanup_(json_object_putp) struct json_object *rows = json_object_new_array();
	struct reading reading = { .ledger = ledger, .rows = rows, .last = after };
	struct json_fields f;
	int r;

	if (!rows)
		return -ENOMEM;
	r = ledger_incidents_after(ledger, after, INCIDENTS_A_PAGE, read_row, &reading);
	if (r < 0 && r != -EUCLEAN)
		return r;
	f = json_fields_new();
	field_put_object(&f, "rows", TAKE(rows));
	field_put_uint(&f, "last", reading.last);
	if (r == -EUCLEAN)
		field_put_bool(&f, "damaged", true);
	*ret = json_fields_done(&f);
	return *ret ? 0 : -ENOMEM;
}
