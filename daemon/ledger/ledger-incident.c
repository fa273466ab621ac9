// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ledger-incident: incidents, whole, as the JSON that everybody else sees too.
 *
 *   flow -> [ledger-incident] -> database
 *
 * In:   an incident after each step.
 * Out:  the same at the next start.
 *
 * A walk reads one row, ends its statement, and only then calls back: whoever walks may write, and
 * a hundred thousand incidents need the memory of one.
 */
#include <assert.h>
#include <errno.h>

#include "ledger/database.h"
#include "ledger/ledger-internal.h"

const char *ledger_json_text(struct json_object *json)
{
	return json ? json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN |
								   JSON_C_TO_STRING_NOSLASHESCAPE)
		    : NULL;
}

int ledger_column_json(sqlite3_stmt *s, int column, struct json_object **ret)
{
	const char *text = (const char *)sqlite3_column_text(s, column);

	*ret = NULL;
	if (!text)
		return sqlite3_column_type(s, column) == SQLITE_NULL ? 0 : -ENOMEM;
	*ret = json_tokener_parse(text);
	return *ret ? 0 : -EUCLEAN;
}

static int write_incident(struct ledger *l, const struct incident *in)
{
	_cleanup_(json_object_putp) struct json_object *json = incident_to_json(in);
	const char *text = ledger_json_text(json);
	int r;

	if (!text)
		return -ENOMEM;
	r = database_run(l->db,
			 "INSERT INTO incident (number, open, json, updated_usec)"
			 " VALUES (?, ?, ?, ?)"
			 " ON CONFLICT (number) DO UPDATE SET open = excluded.open,"
			 " json = excluded.json, updated_usec = excluded.updated_usec",
			 "iisi", (int64_t)in->number, (int64_t)incident_is_open(in), text,
			 (int64_t)in->updated_usec);
	return r < 0 ? r : 0;
}

int ledger_put_incident(struct ledger *l, struct incident *in)
{
	/* Kept also if it can't be written now: it was told by then, and is nobody else's. */
	if (in->number == 0)
		in->number = ++l->last_number;
	return write_incident(l, in);
}

static int read_incident(sqlite3_stmt *s, struct incident **ret)
{
	_cleanup_(json_object_putp) struct json_object *json = NULL;
	int r;

	r = ledger_column_json(s, 1, &json);
	if (r < 0)
		return r;
	r = incident_from_json(json, ret);
	if (r < 0)
		return r == -EBADMSG ? -EUCLEAN : r;
	(*ret)->number = (uint64_t)sqlite3_column_int64(s, 0);
	return 0;
}

int ledger_get_incident(struct ledger *l, uint64_t number, struct incident **ret)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	int r;

	r = database_prepare(l->db, &s, "SELECT number, json FROM incident WHERE number = ?", "i",
			     (int64_t)number);
	if (r < 0)
		return r;
	r = statement_step(s);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	return read_incident(s, ret);
}

/* The first one after *number, which becomes its. 1; 0: there is none; -EUCLEAN: it can't be read.
 */
static int next_incident(struct ledger *l, bool all, int64_t *number, struct incident **ret)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	int r;

	r = database_prepare(l->db, &s,
			     all ? "SELECT number, json FROM incident WHERE number > ?"
				   " ORDER BY number LIMIT 1"
				 : "SELECT number, json FROM incident WHERE number > ? AND open"
				   " ORDER BY number LIMIT 1",
			     "i", *number);
	if (r < 0)
		return r;
	r = statement_step(s);
	if (r <= 0)
		return r;

	*number = sqlite3_column_int64(s, 0);
	r = read_incident(s, ret);
	return r < 0 ? r : 1;
}

static int walk(struct ledger *l, bool all, int64_t number, size_t n_max, ledger_each_incident each,
		void *userdata)
{
	int unreadable = 0, r;

	for (size_t n = 0; n < n_max; n++) {
		int64_t before = number;
		struct incident *in = NULL;

		r = next_incident(l, all, &number, &in);
		if (r == 0)
			break;
		/* A row that can't be read must not hide those after it. */
		if (r == -EUCLEAN && number > before) {
			unreadable = r;
			continue;
		}
		if (r < 0)
			return r;
		r = each(in, userdata);
		if (r < 0)
			return r;
	}
	return unreadable;
}

int ledger_incidents(struct ledger *l, bool all, ledger_each_incident each, void *userdata)
{
	return walk(l, all, 0, SIZE_MAX, each, userdata);
}

int ledger_incidents_after(struct ledger *l, uint64_t after, size_t n_max,
			   ledger_each_incident each, void *userdata)
{
	return walk(l, true, (int64_t)after, n_max, each, userdata);
}
