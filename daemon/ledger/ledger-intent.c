// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ledger-intent: what we are about to do, written down before it is done.
 *
 *   repair -> flow -> [ledger-intent] -> database
 *
 * In:   an intent before each irreversible step, its outcome after it.
 * Out:  at the next start, the intents that have no outcome: what a crash left half done.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "json-fields.h"
#include "ledger/database.h"
#include "ledger/ledger-internal.h"

int ledger_intent(struct ledger *l, uint64_t incident, const char *step, struct json_object *detail,
		  int64_t *ret_intent)
{
	const char *text = ledger_json_text(detail);
	int r;

	if (detail && !text)
		return -ENOMEM;
	ledger_settle(l);
	r = database_run(l->db,
			 "INSERT INTO intent (incident, step, detail, begun_usec)"
			 " VALUES (?, ?, ?, ?)",
			 "issi", (int64_t)incident, step, text, (int64_t)realtime_usec());
	if (r < 0)
		return r;
	*ret_intent = sqlite3_last_insert_rowid(l->db);
	return 0;
}

int ledger_outcome(struct ledger *l, int64_t intent, int result, struct json_object *detail)
{
	const char *text = ledger_json_text(detail);
	int r;

	if (detail && !text)
		return -ENOMEM;
	ledger_settle(l);
	r = database_run(l->db,
			 "UPDATE intent SET result = ?, outcome = ?, ended_usec = ?"
			 " WHERE id = ? AND result IS NULL",
			 "isii", (int64_t)result, text, (int64_t)realtime_usec(), intent);
	if (r < 0)
		return r;
	return r == 0 ? -ENOENT : 0;
}

/* The first one after *id, which becomes its. 1; 0: there is none. */
static int next_unfinished(struct ledger *l, int64_t *id, uint64_t *ret_incident, char **ret_step,
			   struct json_object **ret_detail)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	int r;

	r = database_prepare(l->db, &s,
			     "SELECT id, incident, step, detail FROM intent"
			     " WHERE id > ? AND result IS NULL ORDER BY id LIMIT 1",
			     "i", *id);
	if (r < 0)
		return r;
	r = statement_step(s);
	if (r <= 0)
		return r;

	r = ledger_column_json(s, 3, ret_detail);
	if (r < 0)
		return r;
	r = string_set(ret_step, (const char *)sqlite3_column_text(s, 2));
	if (r < 0 || !*ret_step)
		return -ENOMEM;
	*id = sqlite3_column_int64(s, 0);
	*ret_incident = (uint64_t)sqlite3_column_int64(s, 1);
	return 1;
}

int ledger_unfinished(struct ledger *l, ledger_each_intent each, void *userdata)
{
	int64_t id = 0;
	int r;

	for (;;) {
		_cleanup_(json_object_putp) struct json_object *detail = NULL;
		_cleanup_(freep) char *step = NULL;
		uint64_t incident;

		r = next_unfinished(l, &id, &incident, &step, &detail);
		if (r <= 0)
			return r;
		r = each(id, incident, step, detail, userdata);
		if (r < 0)
			return r;
	}
}

static int step_to_json(sqlite3_stmt *s, struct json_object **ret)
{
	struct json_object *detail = NULL, *outcome = NULL;
	struct json_fields f = json_fields_new();
	bool finished = sqlite3_column_type(s, 3) != SQLITE_NULL;
	int r;

	r = ledger_column_json(s, 2, &detail);
	if (r == 0)
		r = ledger_column_json(s, 4, &outcome);
	if (r < 0 && f.r == 0)
		f.r = r;

	field_put_uint(&f, "intent", (uint64_t)sqlite3_column_int64(s, 0));
	field_put_string(&f, "step", (const char *)sqlite3_column_text(s, 1));
	field_put_object(&f, "detail", detail);
	field_put_bool(&f, "finished", finished);
	if (finished)
		field_put_int(&f, "result", sqlite3_column_int64(s, 3));
	field_put_object(&f, "outcome", outcome);
	*ret = json_fields_done(&f);
	return f.r;
}

static int collect_steps(sqlite3_stmt *s, struct json_object **ret)
{
	_cleanup_(json_object_putp) struct json_object *steps = json_object_new_array();
	int r;

	if (!steps)
		return -ENOMEM;
	while ((r = statement_step(s)) > 0) {
		_cleanup_(json_object_putp) struct json_object *step = NULL;

		r = step_to_json(s, &step);
		if (r < 0)
			return r;
		if (json_object_array_add(steps, step) < 0)
			return -ENOMEM;
		step = NULL;
	}
	if (r < 0)
		return r;
	*ret = TAKE(steps);
	return 0;
}

int ledger_steps(struct ledger *l, uint64_t incident, struct json_object **ret)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	int r;

	r = database_prepare(l->db, &s,
			     "SELECT id, step, detail, result, outcome FROM intent"
			     " WHERE incident = ? ORDER BY id",
			     "i", (int64_t)incident);
	return r < 0 ? r : collect_steps(s, ret);
}

/* The expression is that of an index, to the letter. */
int ledger_steps_of_page(struct ledger *l, uint64_t incident, uint64_t phys_start,
			 struct json_object **ret)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	char text[32];
	int r;

	snprintf(text, sizeof(text), "0x%" PRIx64, phys_start);
	r = database_prepare(l->db, &s,
			     "SELECT id, step, detail, result, outcome FROM intent"
			     " WHERE incident = ? AND CASE WHEN json_valid(detail)"
			     "	THEN json_extract(detail, '$.phys_start') END = ? ORDER BY id",
			     "is", (int64_t)incident, text);
	return r < 0 ? r : collect_steps(s, ret);
}
