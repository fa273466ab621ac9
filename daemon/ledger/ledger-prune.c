// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ledger-prune: forget what ended long ago.
 *
 *   flow -> [ledger-prune] -> database
 *
 * In:   how long, and how much, is to be remembered.
 * Out:  a ledger that does not grow for ever. Its file keeps its size; what is given up in it is
 *       used again.
 *
 * An incident goes with all that is about it, in one transaction: half of a story is worse than
 * none. Numbers are never given again.
 */
#include <errno.h>

#include "ledger/database.h"
#include "ledger/ledger-internal.h"

static int read_pragma(struct ledger *l, const char *sql, uint64_t *ret)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	int r;

	r = database_prepare(l->db, &s, sql, "");
	if (r >= 0)
		r = statement_step(s);
	if (r <= 0)
		return r < 0 ? r : -EUCLEAN;
	*ret = (uint64_t)sqlite3_column_int64(s, 0);
	return 0;
}

/* What the tables use, without pages that are free. */
static int used_bytes(struct ledger *l, uint64_t *ret)
{
	uint64_t n_pages, n_free, page_bytes;
	int r;

	r = read_pragma(l, "PRAGMA page_count", &n_pages);
	if (r >= 0)
		r = read_pragma(l, "PRAGMA freelist_count", &n_free);
	if (r >= 0)
		r = read_pragma(l, "PRAGMA page_size", &page_bytes);
	if (r >= 0)
		*ret = (n_pages - n_free) * page_bytes;
	return r;
}

/* The one that ended first, if that was before. 1, 0: there is none, or negative errno. */
static int find_oldest(struct ledger *l, uint64_t before_usec, int64_t *ret_number)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	int64_t before = before_usec > INT64_MAX ? INT64_MAX : (int64_t)before_usec;
	int r;

	r = database_prepare(l->db, &s,
			     "SELECT number FROM incident WHERE NOT open AND updated_usec < ?"
			     " AND number NOT IN (SELECT incident FROM intent WHERE result IS NULL)"
			     " ORDER BY updated_usec LIMIT 1",
			     "i", before);
	if (r >= 0)
		r = statement_step(s);
	if (r > 0)
		*ret_number = sqlite3_column_int64(s, 0);
	return r;
}

static int forget(struct ledger *l, int64_t number)
{
	static const char *const deletes[] = {
		"DELETE FROM intent WHERE incident = ?",  "DELETE FROM salvage WHERE incident = ?",
		"DELETE FROM unsaved WHERE incident = ?", "DELETE FROM loss WHERE incident = ?",
		"DELETE FROM incident WHERE number = ?",
	};
	int r = database_script(l->db, "BEGIN IMMEDIATE");

	if (r < 0)
		return r;
	for (size_t i = 0; r >= 0 && i < sizeof(deletes) / sizeof(deletes[0]); i++)
		r = database_run(l->db, deletes[i], "i", number);
	if (r >= 0)
		r = database_script(l->db, "COMMIT");
	if (r < 0 && !sqlite3_get_autocommit(l->db))
		database_script(l->db, "ROLLBACK");
	return r;
}

int ledger_prune(struct ledger *l, uint64_t oldest_usec, uint64_t max_bytes, unsigned n_max)
{
	unsigned n = 0;

	while (n < n_max) {
		uint64_t before_usec = oldest_usec, n_used = 0;
		int64_t number;
		int r;

		r = max_bytes ? used_bytes(l, &n_used) : 0;
		if (r >= 0 && n_used > max_bytes)
			before_usec = UINT64_MAX;
		if (r >= 0)
			r = find_oldest(l, before_usec, &number);
		if (r > 0)
			r = forget(l, number) ?: 1;
		if (r <= 0)
			return r < 0 ? r : (int)n;
		n++;
	}
	return (int)n;
}
