// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * record: see record.h. What is written; record-history.c and record-cut-off.c read it back.
 *
 *   remap, rewrite, clear-zero -> [record] -> journal
 *
 * A swap is recorded as an incident of its own: its pages, one owner, its losses. So it is written
 * and read by the same code as every other incident.
 */
#include <fcntl.h>
#include <string.h>

#include "json-fields.h"
#include "repair/record-private.h"
#include "repair/salvage.h"
#include "repair/store.h"

struct json_object *record_pages(struct range pages)
{
	struct json_fields f = json_fields_new();

	field_put_hex(&f, "phys_start", pages.start_bytes);
	if (pages.length_bytes > PAGE_BYTES)
		field_put_uint(&f, "length_bytes", pages.length_bytes);
	return json_fields_done(&f);
}

/* Runs of one file that touch, page by page, are one in the record. */
static void join_losses(struct repair *repair)
{
	size_t n = 0;

	for (size_t i = 0; i < repair->n_losses; i++) {
		struct loss *loss = &repair->losses[i], *last = n ? &repair->losses[n - 1] : NULL;

		if (last &&
		    loss->file_offset_bytes == last->file_offset_bytes + last->length_bytes) {
			last->length_bytes += loss->length_bytes;
			loss_done(loss);
		} else {
			repair->losses[n++] = *loss;
		}
	}
	repair->n_losses = n;
}

static int describe_swap(const struct target *t, const struct salvaged_page *saved,
			 struct incident *in)
{
	struct repair *repair = &in->repair;
	int r = target_add_losses(t, saved, in);

	if (r < 0)
		return r;
	join_losses(repair);
	for (uint32_t i = 0; i < t->n_pages; i++) {
		uint32_t n_bytes = target_bytes_of(t, i);

		repair->zeroed_bytes += salvage_lost_bytes(&saved[i], n_bytes);
		repair->restored_bytes += salvage_restored_bytes(&saved[i], n_bytes);
	}
	repair->salvaged_bytes = t->length_bytes - repair->zeroed_bytes - repair->restored_bytes;
	return 0;
}

struct json_object *record_swap(const struct target *t, const struct salvaged_page *saved)
{
	struct range pages = { saved->phys_start, (uint64_t)t->n_pages * PAGE_BYTES };
	_cleanup_(incident_freep) struct incident *in = incident_new(pages, 0);
	struct json_object *detail, *swap, *owners;

	if (!in || describe_swap(t, saved, in) < 0)
		return NULL;
	detail = record_pages(pages);
	swap = incident_to_json(in);
	if (!detail || !swap) {
		json_object_put(detail);
		json_object_put(swap);
		return NULL;
	}
	if (json_object_object_get_ex(swap, "owners", &owners))
		json_object_array_add(owners, target_to_json(t));
	json_object_object_add(detail, "swap", swap);
	return detail;
}

struct boot_id record_this_boot(void)
{
	_cleanup_(closep) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	struct boot_id id = { "" };
	ssize_t n = fd < 0 ? -1 : read(fd, id.text, sizeof(id.text) - 1);

	id.text[n > 0 ? n : 0] = '\0';
	id.text[strcspn(id.text, "\n")] = '\0';
	return id;
}

struct json_object *record_write(const struct target *t, const struct salvaged_page *saved)
{
	struct json_object *detail = record_swap(t, saved);
	struct boot_id boot = record_this_boot();

	if (detail)
		json_object_object_add(detail, "boot_id", json_object_new_string(boot.text));
	return detail;
}

struct json_object *record_result(const struct page_result *result)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, "state", result->state);
	field_put_string(&f, "reason", result->reason);
	field_put_uint(&f, "zeroed_bytes", result->zeroed_bytes);
	field_put_uint(&f, "salvaged_bytes", result->salvaged_bytes);
	field_put_uint(&f, "restored_bytes", result->restored_bytes);
	return f.object;
}

bool record_is_in_store(const struct owner *owner)
{
	for (char **path = owner->paths; path && *path; path++)
		if (strstr(*path, "/" STORE_DIRECTORY "/"))
			return true;
	return false;
}

bool record_is_target(const struct owner *owner, dev_t dev, struct range pages)
{
	struct range bytes = { owner->phys_start, owner->length_bytes };

	return owner->kind == OWNER_FILE_DATA && owner->dev == dev &&
	       range_overlaps(bytes, pages) && !record_is_in_store(owner);
}
