// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ledger: the record as a whole, and the numbers that it gives to events.
 *
 *   flow, feed -> [ledger] -> database
 *
 * In:   the state directory.
 * Out:  an open ledger; sequence numbers.
 *
 * Sequence numbers are reserved in blocks: a commit waits for the disk, and a burst of events must
 * not wait for it once each. A crash skips what was left of the block, which readers see as a gap,
 * and rightly so: the daemon was not there. The next block is reserved when half is left, after the
 * event is on its way: no event waits for the disk, and a disk that fills up does not at once leave
 * us without durable numbers.
 *
 * Incidents are ledger-incident.c, intents ledger-intent.c, lost and saved bytes ledger-salvage.c.
 */
#include <assert.h>
#include <errno.h>

#include "ledger/database.h"
#include "ledger/ledger-internal.h"

#define SEQ_BLOCK 256

static int read_seq(struct ledger *l)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	int r;

	r = database_prepare(l->db, &s, "SELECT value FROM counter WHERE name = 'seq'", "");
	if (r < 0)
		return r;
	r = statement_step(s);
	if (r < 0)
		return r;
	l->seq_given = l->seq_durable = r > 0 ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
	return 0;
}

/* The last number of an incident that was ever used. There is one writer: us. */
static int read_last_number(struct ledger *l)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	int r;

	r = database_prepare(l->db, &s, "SELECT seq FROM sqlite_sequence WHERE name = 'incident'",
			     "");
	if (r < 0)
		return r;
	r = statement_step(s);
	if (r < 0)
		return r;
	l->last_number = r > 0 ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
	return 0;
}

int ledger_begin(struct ledger *l)
{
	int r;

	if (l->in_batch)
		return 0;
	r = database_run(l->db, "BEGIN IMMEDIATE", "");
	if (r < 0)
		return r;
	l->in_batch = true;
	l->batch_r = 0;
	return 0;
}

/* Some failures end a transaction by themselves, and with it all that was in it. */
void ledger_settle(struct ledger *l)
{
	int r = -EIO;

	if (!l->in_batch)
		return;
	l->in_batch = false;
	if (!sqlite3_get_autocommit(l->db))
		r = database_run(l->db, "COMMIT", "");
	if (r < 0) {
		l->batch_r = r;
		if (!sqlite3_get_autocommit(l->db))
			database_run(l->db, "ROLLBACK", "");
	}
}

int ledger_commit(struct ledger *l)
{
	int r;

	ledger_settle(l);
	r = l->batch_r;
	l->batch_r = 0;
	return r;
}

int ledger_begin_group(struct ledger *l)
{
	int r;

	ledger_settle(l);
	r = database_run(l->db, "BEGIN IMMEDIATE", "");
	return r < 0 ? r : 0;
}

/* Some failures end a transaction by themselves: then there is none to roll back. */
int ledger_end_group(struct ledger *l, int r)
{
	if (r >= 0)
		r = database_run(l->db, "COMMIT", "");
	if (r < 0 && !sqlite3_get_autocommit(l->db))
		database_run(l->db, "ROLLBACK", "");
	return r < 0 ? r : 0;
}

/* No number up to `last` is ever given after a restart. */
static int write_seq(struct ledger *l, uint64_t last)
{
	int r;

	ledger_settle(l);
	r = database_run(l->db, "REPLACE INTO counter (name, value) VALUES ('seq', ?)", "i",
			 (int64_t)last);
	if (r < 0)
		return r;
	l->seq_durable = last;
	return 0;
}

int ledger_open(const char *dir, struct ledger **ret, char **ret_set_aside)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	_cleanup_(freep) char *aside = NULL;
	int opened, r;

	assert(dir);
	assert(ret);

	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	opened = database_open(dir, &l->db, &aside);
	if (opened < 0)
		return opened;
	r = read_seq(l);
	if (r >= 0)
		r = read_last_number(l);
	if (r < 0)
		return r;

	if (ret_set_aside && aside)
		*ret_set_aside = TAKE(aside);
	*ret = TAKE(l);
	return opened;
}

int ledger_open_to_read(const char *dir, struct ledger **ret)
{
	_cleanup_(ledger_freep) struct ledger *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	r = database_open_to_read(dir, &l->db);
	if (r < 0)
		return r;
	*ret = TAKE(l);
	return 0;
}

struct ledger *ledger_free(struct ledger *l)
{
	if (!l)
		return NULL;

	if (l->db)
		ledger_settle(l);
	/* An orderly end skips no number. Failing that, the next start skips some: no harm. */
	if (l->db && l->seq_given != l->seq_durable)
		write_seq(l, l->seq_given);
	sqlite3_close(l->db);
	free(l);
	return NULL;
}

static uint64_t n_left(const struct ledger *l)
{
	return l->seq_durable > l->seq_given ? l->seq_durable - l->seq_given : 0;
}

int ledger_next_seq(struct ledger *l, uint64_t *ret_seq)
{
	int r = 0;

	if (!n_left(l))
		r = write_seq(l, l->seq_given + SEQ_BLOCK);

	*ret_seq = ++l->seq_given;
	return r;
}

int ledger_reserve_seq(struct ledger *l)
{
	int r = 0;

	if (n_left(l) <= SEQ_BLOCK / 2)
		r = write_seq(l, l->seq_given + SEQ_BLOCK);
	return n_left(l) ? 0 : r;
}

int ledger_swap_counter(struct ledger *l, const char *name, uint64_t value, uint64_t *ret_before)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	int r;

	r = database_prepare(l->db, &s, "SELECT value FROM counter WHERE name = ?", "s", name);
	if (r < 0)
		return r;
	r = statement_step(s);
	if (r < 0)
		return r;
	*ret_before = r > 0 ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
	if (r > 0 && *ret_before == value)
		return 0;
	r = database_run(l->db, "REPLACE INTO counter (name, value) VALUES (?, ?)", "si", name,
			 (int64_t)value);
	return r < 0 ? r : 0;
}
