// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * database: opens the one SQLite file and speaks errno for it.
 *
 *   ledger -> [database] -> sqlite3
 *
 * In:   the state directory.
 * Out:  a database with our tables, whole, durable at each commit.
 *
 * A file that is not ours, or damaged, is moved aside and never written to: it may be all that is
 * left of somebody's record. One of a newer version is left in place and refused, since it is
 * whole. No checkpoint runs while we look, so that its write-ahead log moves with it untouched.
 *
 * What the tables mean is in the ledger-*.c files.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "ledger/schema.h"

#define FILE_NAME  "ledger.sqlite"
#define CHECK_USEC 5000000 /* that the start may take for a look at the whole file */

uint64_t realtime_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/*
 * SQLite tells EFBIG and EDQUOT apart from a full disk; whoever waits for room does not. It
 * remembers the errno of some failures only (not of a commit), so the callers clear errno before
 * each call.
 */
static int io_errno(sqlite3 *db)
{
	int why = sqlite3_system_errno(db) ? sqlite3_system_errno(db) : errno;

	return why == ENOSPC || why == EDQUOT || why == EFBIG ? -ENOSPC : -EIO;
}

static int sqlite_errno(sqlite3 *db, int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_IOERR:
		return io_errno(db);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CANTOPEN:
		return sqlite3_system_errno(db) ? -sqlite3_system_errno(db) : -EIO;
	case SQLITE_INTERRUPT:
		return -EINTR;
	case SQLITE_TOOBIG:
		return -E2BIG;
	default:
		return -EIO;
	}
}

static int bind_values(sqlite3_stmt *s, const char *types, va_list values)
{
	int code = SQLITE_OK;

	for (int i = 1; types[i - 1] && code == SQLITE_OK; i++) {
		if (types[i - 1] == 'i') {
			code = sqlite3_bind_int64(s, i, va_arg(values, int64_t));
		} else if (types[i - 1] == 's') {
			code = sqlite3_bind_text(s, i, va_arg(values, const char *), -1,
						 SQLITE_STATIC);
		} else {
			const void *blob = va_arg(values, const void *);

			assert(types[i - 1] == 'b');
			code = sqlite3_bind_blob64(s, i, blob, va_arg(values, size_t),
						   SQLITE_STATIC);
		}
	}
	return sqlite_errno(sqlite3_db_handle(s), code);
}

static int prepare_values(sqlite3 *db, sqlite3_stmt **ret, const char *sql, const char *types,
			  va_list values)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	int code, r;

	code = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
	if (code != SQLITE_OK)
		return sqlite_errno(db, code);
	r = bind_values(s, types, values);
	if (r < 0)
		return r;

	*ret = TAKE(s);
	return 0;
}

int database_prepare(sqlite3 *db, sqlite3_stmt **ret, const char *sql, const char *types, ...)
{
	va_list values;
	int r;

	va_start(values, types);
	r = prepare_values(db, ret, sql, types, values);
	va_end(values);
	return r;
}

int statement_step(sqlite3_stmt *s)
{
	int code;

	errno = 0;
	code = sqlite3_step(s);
	if (code == SQLITE_ROW)
		return 1;
	return sqlite_errno(sqlite3_db_handle(s), code);
}

int statement_again(sqlite3_stmt *s, const char *types, ...)
{
	va_list values;
	int r;

	sqlite3_reset(s);
	va_start(values, types);
	r = bind_values(s, types, values);
	va_end(values);
	if (r < 0)
		return r;
	r = statement_step(s);
	sqlite3_clear_bindings(s); /* what they point to may go */
	return r;
}

int database_run(sqlite3 *db, const char *sql, const char *types, ...)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	va_list values;
	int r;

	va_start(values, types);
	r = prepare_values(db, &s, sql, types, values);
	va_end(values);
	if (r < 0)
		return r;

	do
		r = statement_step(s);
	while (r > 0);
	return r < 0 ? r : sqlite3_changes(db);
}

static int read_number(sqlite3 *db, const char *sql, int64_t *ret)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	int r;

	r = database_prepare(db, &s, sql, "");
	if (r < 0)
		return r;
	r = statement_step(s);
	if (r <= 0)
		return r < 0 ? r : -EUCLEAN;
	*ret = sqlite3_column_int64(s, 0);
	return 0;
}

static uint64_t monotonic_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int is_over(void *deadline_usec)
{
	return monotonic_usec() >= *(uint64_t *)deadline_usec;
}

static int quick_check(sqlite3 *db)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *s = NULL;
	const char *verdict;
	int r;

	r = database_prepare(db, &s, "PRAGMA quick_check(1)", "");
	if (r < 0)
		return r;
	r = statement_step(s);
	if (r < 0)
		return r;
	verdict = r > 0 ? (const char *)sqlite3_column_text(s, 0) : NULL;
	return verdict && !strcmp(verdict, "ok") ? 0 : -EUCLEAN;
}

/* As far as that is to be known in a few seconds: alerts can't wait for a look at years of pages.
 */
static int check_whole(sqlite3 *db)
{
	uint64_t deadline_usec = monotonic_usec() + CHECK_USEC;
	int r;

	sqlite3_progress_handler(db, 10000, is_over, &deadline_usec);
	r = quick_check(db);
	sqlite3_progress_handler(db, 0, NULL, NULL);
	return r == -EINTR ? 0 : r;
}

/* 0: a whole ledger of *ret_version, or an empty file (version 0), to become one; -EUCLEAN:
 * neither. */
static int recognize(sqlite3 *db, int64_t *ret_version)
{
	int64_t application_id, version, n_tables;
	int r;

	r = read_number(db, "PRAGMA application_id", &application_id);
	if (r < 0)
		return r;
	r = read_number(db, "PRAGMA user_version", &version);
	if (r < 0)
		return r;
	r = read_number(db, "SELECT count(*) FROM sqlite_schema", &n_tables);
	if (r < 0)
		return r;

	*ret_version = version;
	if (application_id == 0 && version == 0 && n_tables == 0)
		return 0;
	if (application_id != APPLICATION_ID || version < 1)
		return -EUCLEAN;
	if (version > SCHEMA_VERSION)
		return -EPROTONOSUPPORT;
	return check_whole(db);
}

int database_script(sqlite3 *db, const char *sql)
{
	errno = 0;
	return sqlite_errno(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

/*
 * FULL: a commit is on the media when it returns, also in WAL mode. The cache and the log are
 * small, since the daemon is to fit beside anything. A reader with sqlite3(1) never blocks us in
 * WAL mode, save for moments; one second bounds how long a rude one can.
 */
static int configure(sqlite3 *db)
{
	return database_script(db, "PRAGMA synchronous=FULL;"
				   "PRAGMA cache_size=-256;"
				   "PRAGMA wal_autocheckpoint=256;"
				   "PRAGMA journal_size_limit=1048576;");
}

/* Salvaged bytes of users' files will be in it: nobody but root reads it. SQLite gives its log and
 * index files the mode of this one. */
static int create_private(int dir_fd)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	/* Only what could be a ledger is opened at all: a FIFO would block, a device could act. */
	if (fstatat(dir_fd, FILE_NAME, &st, 0) == 0)
		return S_ISREG(st.st_mode) ? 0 : -EUCLEAN;
	if (errno != ENOENT)
		return -errno;
	fd = openat(dir_fd, FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	return fsync(dir_fd) < 0 ? -errno : 0;
}

static int prepare_file(sqlite3 *db)
{
	int64_t version = 0;
	int r;

	sqlite3_extended_result_codes(db, 1);
	sqlite3_busy_timeout(db, 1000);
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);

	r = recognize(db, &version);
	if (r < 0)
		return r;
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);

	r = schema_prepare(db, version);
	if (r < 0)
		return r;
	/* Where there is no shared memory for WAL it stays a rollback journal, as durable. */
	r = database_script(db, "PRAGMA journal_mode=WAL");
	if (r < 0)
		return r;
	return configure(db);
}

/* alone: nobody else can read it meanwhile, and no file is needed for an index of the log. */
static int open_file(const char *path, bool alone, sqlite3 **ret)
{
	sqlite3 *db = NULL;
	int code, r = 0;

	code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code != SQLITE_OK)
		r = db ? sqlite_errno(db, code) : -ENOMEM;
	if (r == 0 && alone)
		r = database_script(db, "PRAGMA locking_mode=EXCLUSIVE");
	if (r == 0)
		r = prepare_file(db);
	if (r < 0) {
		sqlite3_close(db);
		return r;
	}
	*ret = db;
	return 0;
}

static int try_open(const char *dir, int dir_fd, sqlite3 **ret)
{
	_cleanup_(freep) char *path = NULL;
	int r;

	r = create_private(dir_fd);
	if (r < 0)
		return r;
	if (asprintf(&path, "%s/" FILE_NAME, dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}

	/* On a full disk what is known can still be read, and numbers go on where they were. */
	r = open_file(path, false, ret);
	return r == -ENOSPC ? open_file(path, true, ret) : r;
}

static int rename_if_there(int dir_fd, const char *from, const char *to)
{
	if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

/* By the day, and by a number from the second of a day on. NULL: out of memory. */
static char *name_aside(unsigned n)
{
	time_t now = time(NULL);
	struct tm day = {};
	char *name = NULL, number[16] = "";

	gmtime_r(&now, &day);
	if (n > 1)
		snprintf(number, sizeof(number), "-%u", n);
	if (asprintf(&name, FILE_NAME ".damaged-%04d-%02d-%02d%s", day.tm_year + 1900,
		     day.tm_mon + 1, day.tm_mday, number) < 0)
		return NULL;
	return name;
}

/* The log goes first: one that outlived its file would be replayed into the new, empty one. */
static int move_aside(int dir_fd, const char *name)
{
	char log_name[80];
	int r;

	snprintf(log_name, sizeof(log_name), "%s-wal", name);
	r = rename_if_there(dir_fd, FILE_NAME "-wal", log_name);
	if (r >= 0)
		r = rename_if_there(dir_fd, FILE_NAME, name);
	if (r < 0)
		return r;
	unlinkat(dir_fd, FILE_NAME "-shm", 0);
	return fsync(dir_fd) < 0 ? -errno : 0;
}

static int set_aside(int dir_fd, char **ret_name)
{
	for (unsigned n = 1; n < 10000; n++) {
		_cleanup_(freep) char *name = name_aside(n);
		int r;

		if (!name)
			return -ENOMEM;
		if (faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		r = move_aside(dir_fd, name);
		if (r < 0)
			return r;
		*ret_name = TAKE(name);
		return 0;
	}
	return -EEXIST;
}

int database_open(const char *dir, sqlite3 **ret, char **ret_set_aside)
{
	_cleanup_(freep) char *aside = NULL;
	_cleanup_(closep) int dir_fd = -1;
	int r;

	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;

	r = try_open(dir, dir_fd, ret);
	if (r != -EUCLEAN)
		return r;

	r = set_aside(dir_fd, &aside);
	if (r < 0)
		return r;
	r = try_open(dir, dir_fd, ret);
	if (r < 0)
		return r;
	if (ret_set_aside)
		*ret_set_aside = TAKE(aside);
	return 1;
}

int database_open_to_read(const char *dir, sqlite3 **ret)
{
	_cleanup_(freep) char *path = NULL;
	sqlite3 *db = NULL;
	int64_t version = 0;
	struct stat st;
	int code, r = 0;

	if (asprintf(&path, "%s/" FILE_NAME, dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EUCLEAN;
	code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
	if (code != SQLITE_OK)
		r = db ? sqlite_errno(db, code) : -ENOMEM;
	if (r == 0) {
		sqlite3_busy_timeout(db, 1000);
		r = recognize(db, &version);
	}
	if (r < 0 || !version) {
		sqlite3_close(db);
		return r < 0 ? r : -ENOENT; /* an empty file: nothing was ever written */
	}
	*ret = db;
	return 0;
}
