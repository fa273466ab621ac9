// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * schema: see schema.h.
 *
 *   database -> [schema]
 *
 * The version is in the file's header (user_version). A step leads from each version to the next
 * and is never changed once it was released; `tables` is where they lead. A file of a later
 * version is not ours to touch: it is whole, and its daemon may come back.
 */
#include <errno.h>
#include <stdio.h>

#include "ledger/schema.h"

/* A range of many pages has steps by the thousand, and each page asks for its own. */
#define INTENT_PAGE                                                                                \
	"CREATE INDEX intent_page ON intent"                                                       \
	"	(incident, CASE WHEN json_valid(detail)"                                                 \
	"		THEN json_extract(detail, '$.phys_start') END);"

/*
 * AUTOINCREMENT: a number is never given again, even if its row is deleted. A partial index each
 * for what the next start looks for, so that years of ended incidents cost it nothing.
 */
static const char tables[] =
	"CREATE TABLE counter ("
	"	name TEXT PRIMARY KEY,"
	"	value INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE incident ("
	"	number INTEGER PRIMARY KEY AUTOINCREMENT,"
	"	open INTEGER NOT NULL,"
	"	json TEXT NOT NULL,"
	"	updated_usec INTEGER NOT NULL DEFAULT 0);"
	"CREATE INDEX incident_open ON incident (number) WHERE open;"
	"CREATE INDEX incident_ended ON incident (updated_usec) WHERE NOT open;"
	"CREATE TABLE intent ("
	"	id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"	incident INTEGER NOT NULL,"
	"	step TEXT NOT NULL,"
	"	detail TEXT,"
	"	begun_usec INTEGER NOT NULL,"
	"	result INTEGER,"
	"	outcome TEXT,"
	"	ended_usec INTEGER);"
	"CREATE INDEX intent_incident ON intent (incident);"
	"CREATE INDEX intent_unfinished ON intent (id) WHERE result IS NULL;" INTENT_PAGE
	"CREATE TABLE salvage ("
	"	incident INTEGER NOT NULL,"
	"	phys_start INTEGER NOT NULL,"
	"	bad_sectors INTEGER NOT NULL,"
	"	restored_sectors INTEGER NOT NULL DEFAULT 0,"
	"	data BLOB NOT NULL,"
	"	PRIMARY KEY (incident, phys_start));"
	"CREATE TABLE loss ("
	"	incident INTEGER NOT NULL,"
	"	lost_usec INTEGER NOT NULL,"
	"	inode INTEGER NOT NULL,"
	"	mountpoint TEXT NOT NULL,"
	"	file_offset_bytes INTEGER NOT NULL,"
	"	length_bytes INTEGER NOT NULL,"
	"	json TEXT NOT NULL,"
	"	UNIQUE (incident, mountpoint, inode, file_offset_bytes, length_bytes));";

/* steps[n] leads from version n + 1 to the next. */
static const char *const steps[SCHEMA_VERSION - 1] = {
	"ALTER TABLE salvage ADD COLUMN restored_sectors INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE incident ADD COLUMN updated_usec INTEGER NOT NULL DEFAULT 0;"
	"UPDATE incident SET updated_usec = coalesce(json_extract(json, '$.updated_usec'), 0)"
	"	WHERE json_valid(json);"
	"CREATE INDEX incident_ended ON incident (updated_usec) WHERE NOT open;",
	INTENT_PAGE,
};

static int run_steps(sqlite3 *db, int64_t version)
{
	int r = 0;

	if (version == 0)
		return database_script(db, tables);
	for (; r == 0 && version < SCHEMA_VERSION; version++)
		r = database_script(db, steps[version - 1]);
	return r;
}

/* One transaction: a file with some of our tables would be taken for damaged. */
int schema_prepare(sqlite3 *db, int64_t version)
{
	char marks[128];
	int r;

	if (version == SCHEMA_VERSION)
		return 0;
	snprintf(marks, sizeof(marks), "PRAGMA application_id=%d; PRAGMA user_version=%d;",
		 APPLICATION_ID, SCHEMA_VERSION);

	r = database_script(db, "BEGIN IMMEDIATE");
	if (r < 0)
		return r;
	r = run_steps(db, version);
	if (r == 0)
		r = database_script(db, marks);
	if (r == 0)
		r = database_script(db, "COMMIT");
	if (r < 0 && !sqlite3_get_autocommit(db))
		database_script(db, "ROLLBACK");
	return r;
}
