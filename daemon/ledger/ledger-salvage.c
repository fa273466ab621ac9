// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ledger-salvage: bytes that were saved, and bytes that were not.
 *
 *   repair -> flow -> [ledger-salvage] -> database
 *
 * In:   a page's good sectors, before anything that changes an owner; each run of file bytes that
 *       became zeros.
 * Out:  the page again, after a crash, until the repair is over. Losses stay for good, for whoever
 *       asks what a file has lost.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "json-fields.h"
#include "ledger/database.h"
#include "ledger/ledger-internal.h"

int ledger_put_salvage(struct ledger *l, uint64_t incident, const struct salvaged_page *page)
{
	int r;

	assert(page->length_bytes && page->length_bytes <= sizeof(page->data));

	ledger_settle(l);
	r = database_run(l->db,
			 "REPLACE INTO salvage (incident, phys_start, bad_sectors,"
			 " restored_sectors, data) VALUES (?, ?, ?, ?, ?)",
			 "iiiib", (int64_t)incident, (int64_t)page->phys_start,
			 (int64_t)page->bad_sectors, (int64_t)page->restored_sectors, page->data,
			 (size_t)page->length_bytes);
	return r < 0 ? r : 0;
}

int ledger_put_unsaved(struct ledger *l, uint64_t incident, struct range pages)
{
	int r;

	r = database_run(l->db,
			 "DELETE FROM salvage WHERE incident = ? AND phys_start >= ?"
			 " AND phys_start < ?",
			 "iii", (int64_t)incident, (int64_t)pages.start_bytes,
			 (int64_t)range_end(pages));
	if (r >= 0)
		r = database_run(l->db,
				 "REPLACE INTO unsaved (incident, phys_start, length_bytes)"
				 " VALUES (?, ?, ?)",
				 "iii", (int64_t)incident, (int64_t)pages.start_bytes,
				 (int64_t)pages.length_bytes);
	return r < 0 ? r : 0;
}

static int get_unsaved(struct ledger *l, uint64_t incident, uint64_t phys_start,
		       struct salvaged_page *ret)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	int64_t block = (int64_t)(phys_start & ~(STEP_BLOCK_BYTES - 1ull));
	int r;

	r = database_prepare(l->db, &s,
			     "SELECT 1 FROM unsaved WHERE incident = ?1 AND phys_start >= ?2"
			     " AND phys_start <= ?3 AND phys_start + length_bytes > ?3",
			     "iii", (int64_t)incident, block, (int64_t)phys_start);
	if (r >= 0)
		r = statement_step(s);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret = (struct salvaged_page){
		.phys_start = phys_start,
		.length_bytes = PAGE_BYTES,
		.bad_sectors = SALVAGE_ALL_BAD,
	};
	return 0;
}

int ledger_get_salvage(struct ledger *l, uint64_t incident, uint64_t phys_start,
		       struct salvaged_page *ret)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	const void *data;
	size_t length_bytes;
	int r;

	r = database_prepare(l->db, &s,
			     "SELECT bad_sectors, data, restored_sectors FROM salvage"
			     " WHERE incident = ? AND phys_start = ?",
			     "ii", (int64_t)incident, (int64_t)phys_start);
	if (r < 0)
		return r;
	r = statement_step(s);
	if (r < 0)
		return r;
	if (r == 0)
		return get_unsaved(l, incident, phys_start, ret);

	data = sqlite3_column_blob(s, 1);
	length_bytes = (size_t)sqlite3_column_bytes(s, 1);
	if (!length_bytes || length_bytes > sizeof(ret->data))
		return -EUCLEAN;
	if (!data)
		return -ENOMEM;

	*ret = (struct salvaged_page){
		.phys_start = phys_start,
		.length_bytes = (uint32_t)length_bytes,
		.bad_sectors = (uint32_t)sqlite3_column_int64(s, 0),
		.restored_sectors = (uint32_t)sqlite3_column_int64(s, 2),
	};
	memcpy(ret->data, data, length_bytes);
	return 0;
}

int ledger_drop_salvage(struct ledger *l, uint64_t incident)
{
	int r = database_run(l->db, "DELETE FROM salvage WHERE incident = ?", "i",
			     (int64_t)incident);

	if (r >= 0)
		r = database_run(l->db, "DELETE FROM unsaved WHERE incident = ?", "i",
				 (int64_t)incident);
	return r < 0 ? r : 0;
}

/* The names as they were then, in whatever bytes. */
static struct json_object *names_of(const struct loss *loss)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, "mountpoint", loss->mountpoint);
	field_put_strv(&f, "paths", loss->paths);
	return json_fields_done(&f);
}

static int add_loss(sqlite3_stmt *s, uint64_t incident, const struct loss *loss)
{
	_cleanup_(json_object_putp) struct json_object *names = names_of(loss);
	const char *text = ledger_json_text(names);

	if (!text)
		return -ENOMEM;
	return statement_again(s, "iiisiis", (int64_t)incident, (int64_t)realtime_usec(),
			       (int64_t)loss->inode, loss->mountpoint ? loss->mountpoint : "",
			       (int64_t)loss->file_offset_bytes, (int64_t)loss->length_bytes, text);
}

/* A repair that is finished by the next start says its losses again: they count once. */
int ledger_add_losses(struct ledger *l, uint64_t incident, const struct loss *losses, size_t n)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	int r;

	r = ledger_begin_group(l);
	if (r < 0)
		return r;
	r = database_prepare(l->db, &s,
			     "INSERT INTO loss (incident, lost_usec, inode, mountpoint,"
			     " file_offset_bytes, length_bytes, json) VALUES (?, ?, ?, ?, ?, ?, ?)"
			     " ON CONFLICT DO NOTHING",
			     "");
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = add_loss(s, incident, &losses[i]);
	return ledger_end_group(l, r);
}

int ledger_lost_bytes(struct ledger *l, uint64_t *ret_bytes)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	int r;

	r = database_prepare(l->db, &s, "SELECT coalesce(sum(length_bytes), 0) FROM loss", "");
	if (r >= 0)
		r = statement_step(s);
	if (r < 0)
		return r;
	*ret_bytes = r > 0 ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
	return 0;
}

static int read_loss(sqlite3_stmt *s, struct loss *ret)
{
	_cleanup_(json_object_putp) struct json_object *names = NULL;
	struct json_fields f = {};

	f.r = ledger_column_json(s, 4, &names);
	f.object = names;
	ret->inode = (uint64_t)sqlite3_column_int64(s, 1);
	ret->file_offset_bytes = (uint64_t)sqlite3_column_int64(s, 2);
	ret->length_bytes = (uint64_t)sqlite3_column_int64(s, 3);
	field_get_string(&f, "mountpoint", &ret->mountpoint);
	field_get_strv(&f, "paths", &ret->paths);
	return f.r == -EBADMSG ? -EUCLEAN : f.r;
}

int ledger_losses(struct ledger *l, uint64_t incident, ledger_each_loss each, void *userdata)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	int r;

	r = database_prepare(l->db, &s,
			     "SELECT lost_usec, inode, file_offset_bytes, length_bytes, json"
			     " FROM loss WHERE incident = ? ORDER BY lost_usec, file_offset_bytes",
			     "i", (int64_t)incident);
	if (r < 0)
		return r;
	while ((r = statement_step(s)) > 0) {
		struct loss loss = {};

		r = read_loss(s, &loss);
		if (r >= 0)
			r = each(&loss, (uint64_t)sqlite3_column_int64(s, 0), userdata);
		loss_done(&loss);
		if (r < 0)
			return r;
	}
	return r;
}
