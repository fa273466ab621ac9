// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dm_table: how one device-mapper device is put together from others.
 *
 *   device-mapper -> [dm_table] -> stack
 *
 * In:   a device number; or the lines of a table, as text.
 * Out:  its targets, each with the devices below where these can be followed.
 *
 * The status of a device names its targets and nothing else, so it is asked first: the table of a
 * crypt target can hold its key, which we have no business to read. Neither makes the device do
 * anything: a status without the no-flush flag would make a thin pool write.
 *
 * Which devices lie on which, by name, is stack.c.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <libdevmapper.h>

#include "cleanup.h"
#include "locate/dm_table.h"

/* More than any volume has; what the kernel says is not to be trusted to end. */
#define MAX_TARGETS 65536u
#define MAX_LEGS    1024u

static void task_destroy(struct dm_task *task)
{
	dm_task_destroy(task);
}
DEFINE_CLEANUP(struct dm_task *, task_destroy);

/* ---- text ---- */

static int to_bytes(uint64_t n_sectors, uint64_t *ret)
{
	return __builtin_mul_overflow(n_sectors, SECTOR_BYTES, ret) ? -EBADMSG : 0;
}

static void target_done(struct dm_target *target)
{
	free(target->legs);
	target->legs = NULL;
	target->n_legs = 0;
}

/* "259:0 2048", and moves *params behind it. */
static int take_leg(const char **params, struct dm_leg *ret)
{
	unsigned device_major, device_minor;
	uint64_t start_sector;
	int n = 0;

	if (sscanf(*params, " %u:%u %" SCNu64 "%n", &device_major, &device_minor, &start_sector,
		   &n) != 3)
		return -EBADMSG;
	*params += n;
	ret->dev = makedev(device_major, device_minor);
	return to_bytes(start_sector, &ret->start_bytes);
}

static int take_legs(const char *params, size_t n_legs, struct dm_target *target)
{
	uint64_t share = target->bytes.length_bytes / n_legs;

	target->legs = calloc(n_legs, sizeof(*target->legs));
	if (!target->legs)
		return -ENOMEM;
	target->n_legs = n_legs;
	for (size_t i = 0; i < n_legs; i++) {
		int r = take_leg(&params, &target->legs[i]);

		if (r < 0)
			return r;
		if (target->legs[i].start_bytes + share < share)
			return -EBADMSG;
	}
	return params[strspn(params, " ")] ? -EBADMSG : 0;
}

static int parse_linear(const char *params, struct dm_target *target)
{
	target->chunk_bytes = target->bytes.length_bytes;
	return take_legs(params, 1, target);
}

/* "2 256 259:0 2048 259:1 2048": legs, sectors of a chunk, and each leg. */
static int parse_striped(const char *params, struct dm_target *target)
{
	uint64_t n_legs, chunk_sectors, row_bytes;
	int n = 0, r;

	if (sscanf(params, "%" SCNu64 " %" SCNu64 "%n", &n_legs, &chunk_sectors, &n) != 2)
		return -EBADMSG;
	if (!n_legs || n_legs > MAX_LEGS || !chunk_sectors)
		return -EBADMSG;
	r = to_bytes(chunk_sectors, &target->chunk_bytes);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(target->chunk_bytes, n_legs, &row_bytes) ||
	    target->bytes.length_bytes % row_bytes)
		return -EBADMSG;
	return take_legs(params + n, n_legs, target);
}

static int parse_target(const char *params, struct dm_target *target)
{
	if (!strcmp(target->type, "zero") || !strcmp(target->type, "error")) {
		target->kind = DM_TARGET_EMPTY;
		return 0;
	}
	if (!params || (strcmp(target->type, "linear") && strcmp(target->type, "striped"))) {
		target->kind = DM_TARGET_OPAQUE;
		return 0;
	}
	target->kind = DM_TARGET_STRIPED;
	return *target->type == 'l' ? parse_linear(params, target) : parse_striped(params, target);
}

int dm_table_add(struct dm_table *table, uint64_t start_sector, uint64_t n_sectors,
		 const char *type, const char *params)
{
	struct dm_target *grown, target = {};
	int r;

	assert(table);
	assert(type);

	if (to_bytes(start_sector, &target.bytes.start_bytes) < 0 ||
	    to_bytes(n_sectors, &target.bytes.length_bytes) < 0 || !range_valid(target.bytes) ||
	    table->n >= MAX_TARGETS)
		return -EBADMSG;
	snprintf(target.type, sizeof(target.type), "%s", type);

	grown = reallocarray(table->targets, table->n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	table->targets = grown;
	r = parse_target(params, &target);
	if (r < 0) {
		target_done(&target);
		return r;
	}
	table->targets[table->n++] = target;
	return 0;
}

void dm_table_done(struct dm_table *table)
{
	for (size_t i = 0; i < table->n; i++)
		target_done(&table->targets[i]);
	free(table->targets);
	*table = (struct dm_table){};
}

/* ---- the kernel ---- */

/* The library would write to stderr; what a failure means is the caller's to say. */
static void silent(int level, const char *file, int line, int errno_or_class, const char *f, ...)
{
}

static int run_task(int type, dev_t dev, struct dm_task **ret)
{
	_cleanup_(task_destroyp) struct dm_task *task = NULL;
	struct dm_info info;

	dm_log_with_errno_init(silent);
	task = dm_task_create(type);
	if (!task)
		return -ENOMEM;
	if (!dm_task_set_major_minor(task, (int)major(dev), (int)minor(dev), 0) ||
	    !dm_task_no_open_count(task) || !dm_task_no_flush(task) || !dm_task_secure_data(task))
		return -EINVAL;
	if (!dm_task_run(task))
		return dm_task_get_errno(task) > 0 ? -dm_task_get_errno(task) : -EIO;
	if (!dm_task_get_info(task, &info) || !info.exists || !info.live_table)
		return -ENXIO;
	*ret = TAKE(task);
	return 0;
}

static bool may_hold_keys(const char *type)
{
	return !strcmp(type, "crypt") || !strcmp(type, "integrity");
}

/* params of a status are no table: only the types are taken from there. */
static int take_targets(struct dm_task *task, bool with_params, struct dm_table *ret,
			bool *ret_secret)
{
	void *next = NULL;
	int r;

	do {
		uint64_t start, length;
		char *type = NULL, *params = NULL;

		next = dm_get_next_target(task, next, &start, &length, &type, &params);
		if (!type)
			break;
		*ret_secret = *ret_secret || may_hold_keys(type);
		r = dm_table_add(ret, start, length, type, with_params ? params : NULL);
		if (r < 0)
			return r;
	} while (next);
	return 0;
}

static int read_targets(int task_type, dev_t dev, struct dm_table *ret, bool *ret_secret)
{
	_cleanup_(task_destroyp) struct dm_task *task = NULL;
	_cleanup_(dm_table_done) struct dm_table table = {};
	int r;

	r = run_task(task_type, dev, &task);
	if (r < 0)
		return r;
	r = take_targets(task, task_type == DM_DEVICE_TABLE, &table, ret_secret);
	if (r < 0)
		return r;
	*ret = table;
	table = (struct dm_table){};
	return 0;
}

int dm_table_read(dev_t dev, struct dm_table *ret)
{
	_cleanup_(dm_table_done) struct dm_table table = {};
	bool secret = false;
	int r;

	assert(ret);

	r = read_targets(DM_DEVICE_STATUS, dev, &table, &secret);
	if (r >= 0 && !secret) {
		dm_table_done(&table);
		r = read_targets(DM_DEVICE_TABLE, dev, &table, &secret);
	}
	if (r < 0)
		return r;
	*ret = table;
	table = (struct dm_table){};
	return 0;
}
