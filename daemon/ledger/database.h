/* SPDX-License-Identifier: GPL-2.0-or-later */
/* database: the SQLite file under the ledger, in errno. Only daemon/ledger/ includes this. */
#pragma once

#include <sqlite3.h>

#include "cleanup.h"

static inline void sqlite3_finalizep(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}

/* As ledger_open(), in the file's own terms. Close with sqlite3_close(). */
int database_open(const char *dir, sqlite3 **ret, char **ret_set_aside);

/*
 * Open what is there to read, beside whoever writes, and change nothing. 0; -ENOENT: there is none;
 * -EUCLEAN: it is no ledger, or damaged; -EPROTONOSUPPORT: of a newer version; or another errno.
 */
int database_open_to_read(const char *dir, sqlite3 **ret);

/*
 * Prepare with its values bound, one letter each: 'i' int64_t, 's' a string or NULL, 'b' a blob and
 * its size_t. Strings and blobs must outlive the statement. 0 or negative errno.
 */
int database_prepare(sqlite3 *db, sqlite3_stmt **ret, const char *sql, const char *types, ...);

/* 1: a row is there; 0: done; or negative errno. */
int statement_step(sqlite3_stmt *s);

/* Prepare, bind and run what gives no rows. Number of rows changed, or negative errno. */
int database_run(sqlite3 *db, const char *sql, const char *types, ...);

/* Run one that gives no rows, with these values; as often as there are such. 0 or negative errno. */
int statement_again(sqlite3_stmt *s, const char *types, ...);

/* Several statements without values or rows. 0 or negative errno. */
int database_script(sqlite3 *db, const char *sql);

uint64_t realtime_usec(void);
