// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Claim: whatever power cut, what the ledger said is on record is on record.
 *
 * A VFS of our own stands below SQLite and writes down every write, truncation, sync and deletion,
 * besides passing it on. Then the media are made up as they could have been found after a cut at
 * each of these calls: what was synced is there, and of what was not, none, all, or any part, torn
 * at a sector.
 */
#include <errno.h>
#include <sqlite3.h>

#include "ledger/ledger.h"
#include "scratch.h"
#include "test.h"

enum call_kind {
	CALL_WRITE,
	CALL_TRUNCATE,
	CALL_SYNC,
	CALL_DELETE
};

static struct call {
	enum call_kind kind;
	char name[32]; /* of the file in its directory */
	int64_t offset; /* or the length, of a truncation */
	int n_bytes;
	char *data;
	unsigned n_promised; /* how much we were told to be on record by then */
} * calls;
static size_t n_calls;
static unsigned n_promised;
static bool watching;

static void note(enum call_kind kind, const char *path, int64_t offset, const void *data,
		 int n_bytes)
{
	struct call *grown, call = { kind, "", offset, n_bytes, NULL, n_promised };

	if (!watching || !path || strstr(path, "-shm"))
		return;
	snprintf(call.name, sizeof(call.name), "%s", strrchr(path, '/') + 1);
	call.data = n_bytes ? malloc((size_t)n_bytes) : NULL;
	grown = reallocarray(calls, n_calls + 1, sizeof(*grown));
	if (!grown || (n_bytes && !call.data))
		abort();
	if (n_bytes)
		memcpy(call.data, data, (size_t)n_bytes);
	calls = grown;
	calls[n_calls++] = call;
}

/* ---- the VFS ---- */

static sqlite3_vfs *below;

struct file {
	sqlite3_file base;
	const char *path; /* SQLite's own copy, good while it is open */
	sqlite3_file *real;
};

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct file *)f)->real;
}

static int f_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}
static int f_read(sqlite3_file *f, void *data, int n, sqlite3_int64 at)
{
	return real_of(f)->pMethods->xRead(real_of(f), data, n, at);
}
static int f_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
	note(CALL_WRITE, ((struct file *)f)->path, at, data, n);
	return real_of(f)->pMethods->xWrite(real_of(f), data, n, at);
}
static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	note(CALL_TRUNCATE, ((struct file *)f)->path, size, NULL, 0);
	return real_of(f)->pMethods->xTruncate(real_of(f), size);
}
static int f_sync(sqlite3_file *f, int flags)
{
	/* Power is cut on paper only: a note is enough. */
	note(CALL_SYNC, ((struct file *)f)->path, 0, NULL, 0);
	return SQLITE_OK;
}
static int f_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), ret);
}
static int f_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}
static int f_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}
static int f_reserved(sqlite3_file *f, int *ret)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret);
}
static int f_control(sqlite3_file *f, int op, void *data)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, data);
}
static int f_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}
/* The real one promises that a sector is never torn; a cut of power promises nothing. */
static int f_traits(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f)) &
	       ~SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}
static int f_shm_map(sqlite3_file *f, int page, int n, int extend, void volatile **ret)
{
	return real_of(f)->pMethods->xShmMap(real_of(f), page, n, extend, ret);
}
static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}
static void f_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}
static int f_shm_unmap(sqlite3_file *f, int delete)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), delete);
}

static const sqlite3_io_methods methods = {
	2,	  f_close,   f_read,	 f_write,	f_truncate,  f_sync,
	f_size,	  f_lock,    f_unlock,	 f_reserved,	f_control,   f_sector,
	f_traits, f_shm_map, f_shm_lock, f_shm_barrier, f_shm_unmap,
};

static int v_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags, int *ret_flags)
{
	struct file *file = (struct file *)f;
	int r;

	file->real = (sqlite3_file *)(file + 1);
	file->path = path;
	r = below->xOpen(below, path, file->real, flags, ret_flags);
	f->pMethods = file->real->pMethods ? &methods : NULL;
	return r;
}

static int v_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
	note(CALL_DELETE, path, 0, NULL, 0);
	return below->xDelete(below, path, sync);
}

static void stand_below_sqlite(void)
{
	static sqlite3_vfs ours;

	if (below)
		return;
	below = sqlite3_vfs_find(NULL);
	ours = *below;
	ours.zName = "power";
	ours.szOsFile = (int)sizeof(struct file) + below->szOsFile;
	ours.xOpen = v_open;
	ours.xDelete = v_delete;
	if (sqlite3_vfs_register(&ours, 1) != SQLITE_OK)
		abort();
}

/* ---- what is done, and promised ---- */

#define N_ROUNDS 6u

/* Each call of the ledger that returns is one promise more. */
static void promise(int r)
{
	if (r < 0)
		abort();
	n_promised++;
}

static void work(const char *dir)
{
	struct ledger *l = NULL;

	promise(ledger_open(dir, &l, NULL));
	for (unsigned i = 0; i < N_ROUNDS; i++) {
		struct incident *in = incident_new((struct range){ 4096, 512 }, 0);
		struct salvaged_page page = { .phys_start = 4096, .length_bytes = PAGE_BYTES };
		int64_t intent;

		memset(page.data, 'a' + (int)i, sizeof(page.data));
		promise(ledger_put_incident(l, in));
		promise(ledger_put_salvage(l, in->number, &page));
		promise(ledger_intent(l, in->number, "swap", NULL, &intent));
		promise(ledger_outcome(l, intent, 0, NULL));
		in->state = i % 3 ? INCIDENT_LEFT : INCIDENT_GONE;
		in->updated_usec = i + 1;
		promise(ledger_put_incident(l, in));
		incident_free(in);
	}
	promise(ledger_prune(l, 3, 0, 1)); /* the first */
	ledger_free(l);
}

static int count(struct incident *in, void *userdata)
{
	(*(unsigned *)userdata)++;
	incident_free(in);
	return 0;
}

/* Everything that was promised, and nothing half. Returns whether it is so. */
static bool keeps_promises(struct ledger *l, unsigned promised)
{
	unsigned done = promised ? promised - 1 : 0; /* the first was to open it */
	unsigned n_wanted = (done + 4) / 5, n = 0;
	bool pruned = done > 5 * N_ROUNDS;

	if (ledger_incidents(l, true, count, &n) < 0)
		return false;
	if (n_wanted > N_ROUNDS)
		n_wanted = N_ROUNDS;
	/* One may be further than its promise: that is no harm; the last may be gone already. */
	if (n + (done >= 5 * N_ROUNDS) < n_wanted)
		return false;
	for (unsigned i = pruned; i < n_wanted; i++) {
		unsigned of_it = done - 5 * i;
		struct salvaged_page page;
		struct json_object *steps = NULL;
		bool good = true;

		if (i == 0 && done >= 5 * N_ROUNDS)
			continue;
		if (of_it >= 2)
			good = ledger_get_salvage(l, i + 1, 4096, &page) == 0 &&
			       page.data[0] == 'a' + (int)i && page.data[4095] == 'a' + (int)i;
		if (good && of_it >= 3)
			good = ledger_steps(l, i + 1, &steps) == 0 &&
			       json_object_array_length(steps) == 1;
		if (good && of_it >= 4)
			good = json_object_get_boolean(json_object_object_get(
				json_object_array_get_idx(steps, 0), "finished"));
		json_object_put(steps);
		if (!good)
			return false;
	}
	return true;
}

/* ---- the media after a cut ---- */

enum fate {
	FATE_NONE,
	FATE_ALL,
	FATE_TORN,
	FATE_ANY
};

static unsigned seed = 20261123;

static bool is_synced(size_t i, size_t cut)
{
	for (size_t k = i + 1; k < cut; k++)
		if (calls[k].kind == CALL_SYNC && !strcmp(calls[k].name, calls[i].name))
			return true;
	return false;
}

static void apply(const struct scratch *dir, const struct call *call, int n_bytes)
{
	FILE *f;

	if (call->kind == CALL_DELETE) {
		unlink(scratch_file(dir, call->name));
		return;
	}
	f = fopen(scratch_file(dir, call->name), "r+");
	if (!f)
		f = fopen(scratch_file(dir, call->name), "w+");
	if (!f)
		abort();
	if (call->kind == CALL_WRITE &&
	    pwrite(fileno(f), call->data, (size_t)n_bytes, call->offset) != n_bytes)
		abort();
	if (call->kind == CALL_TRUNCATE && ftruncate(fileno(f), call->offset) < 0)
		abort();
	fclose(f);
}

static void make_media(const struct scratch *dir, size_t cut, enum fate fate)
{
	for (size_t i = 0; i < cut; i++) {
		const struct call *call = &calls[i];
		int n_bytes = call->n_bytes;

		if (call->kind == CALL_SYNC)
			continue;
		if (!is_synced(i, cut) && call->kind != CALL_DELETE) {
			if (fate == FATE_NONE || (fate == FATE_ANY && rand_r(&seed) % 2))
				continue;
			if (fate == FATE_TORN && i + 1 == cut)
				n_bytes = n_bytes / 1024 * 512;
		}
		apply(dir, call, n_bytes);
	}
}

static void cut_at(size_t cut, enum fate fate)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	_cleanup_(freep) char *aside = NULL;
	unsigned promised = cut < n_calls ? calls[cut].n_promised : n_promised;
	int r;

	make_media(&dir, cut, fate);
	r = ledger_open(dir.path, &l, &aside);
	if (r != 0 && !(r == 1 && !promised)) {
		printf("# cut %zu of %zu, fate %d: opened as %d\n", cut, n_calls, fate, r);
		CHECK(r == 0);
		return;
	}
	if (!keeps_promises(l, promised)) {
		printf("# cut %zu of %zu, fate %d: %u promises\n", cut, n_calls, fate, promised);
		CHECK(false);
	}
}

TEST(what_was_promised_outlives_any_power_cut)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();

	stand_below_sqlite();
	watching = true;
	work(dir.path);
	watching = false;
	CHECK(n_promised == 2 + 5 * N_ROUNDS);
	REQUIRE(n_calls > 5 * N_ROUNDS);
	printf("# %zu calls, %u promises\n", n_calls, n_promised);

	for (size_t cut = 0; cut <= n_calls; cut++)
		for (enum fate fate = FATE_NONE; fate <= FATE_ANY; fate++)
			cut_at(cut, fate);
}

/* The same shim, without its syncs: if nothing were synced, promises would be broken. */
TEST(a_ledger_that_did_not_sync_would_be_found_out)
{
	unsigned n_broken = 0;

	REQUIRE(n_calls);
	for (size_t i = 0; i < n_calls; i++)
		if (calls[i].kind == CALL_SYNC)
			calls[i].name[0] = '!';
	for (size_t cut = n_calls / 2; cut <= n_calls; cut += 10) {
		_cleanup_(scratch_done) struct scratch dir = scratch_new();
		_cleanup_(ledger_freep) struct ledger *l = NULL;
		unsigned promised = cut < n_calls ? calls[cut].n_promised : n_promised;

		make_media(&dir, cut, FATE_NONE);
		if (ledger_open(dir.path, &l, NULL) < 0 || !keeps_promises(l, promised))
			n_broken++;
	}
	CHECK(n_broken > 0);
	for (size_t i = 0; i < n_calls; i++)
		free(calls[i].data);
	free(calls);
}

TEST_MAIN()
