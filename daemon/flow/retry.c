// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/retry: a repair that waits for what nobody tells us of is tried again by itself.
 *
 *   flow/repair -> [flow/retry] -> flow/repair, or flow/resolve where the owner is not known
 *
 * In:   the outcome of each repair.
 * Out:  the next try, after 15 seconds at first, then ever later, up to half an hour; and an
 *       administrator's order that came while one ran, when it has ended.
 *
 * That a filesystem is thawed, has room again, or that a file is writable is no event anywhere. A
 * try that ends like the one before tells nothing. With nothing to wait for there is no timer.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "flow/flow-private.h"
#include "log.h"

#define FIRST_USEC    (15 * USEC_PER_SEC)
#define MAX_DOUBLINGS 7u
#define ACCURACY_USEC USEC_PER_SEC

/* What XFS keeps for copies on write is a file's or free after half an hour
 * (speculative_cow_prealloc_lifetime): these tries take one. */
#define MAX_TRIES_OF_NOBODYS 8u

/* What passes some day, often soon. A worker that died may do so each time. */
static const struct {
	const char *state, *reason;
	unsigned max_tries;
} passing[] = {
	{ "waiting", "frozen", UINT_MAX },	{ "waiting", "no-space", UINT_MAX },
	{ "waiting", "held", UINT_MAX },	{ "waiting", "busy", UINT_MAX },
	{ "waiting", "moved", UINT_MAX },	{ "waiting", "immutable", UINT_MAX },
	{ "waiting", "ledger", UINT_MAX },	{ "waiting", "list-cut", UINT_MAX },
	{ "waiting", "append-only", UINT_MAX }, { "waiting", "swap-file", UINT_MAX },
	{ "waiting", "text-busy", UINT_MAX },	{ "failed", "worker", 3 },
};

static bool is(const char *word, const char *other)
{
	return word && !strcmp(word, other);
}

/* The filesystem could not say whose it is, and no search is about to. */
static bool is_nobodys(const struct incident *in)
{
	for (size_t i = 0; i < in->n_owners; i++)
		if (in->owners[i].kind == OWNER_UNKNOWN && is(in->owners[i].method, "fsmap"))
			return !in->owners_searching;
	return false;
}

static unsigned max_tries(const struct incident *in)
{
	const struct repair *repair = &in->repair;

	/* The owners of what is done stay those that it had. */
	if (incident_is_ram(in) || is(repair->state, "done"))
		return 0;
	/* Whatever the rules wish: they may have more to say about a file. */
	if (is_nobodys(in))
		return MAX_TRIES_OF_NOBODYS;
	if (repair->wish == REPAIR_NONE)
		return 0;
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		if (is(repair->state, passing[i].state) && is(repair->reason, passing[i].reason))
			return passing[i].max_tries;
	return 0;
}

/* ---- the timer ---- */

static int on_time(sd_event_source *source, uint64_t usec, void *userdata);

static int set_timer(struct flow *f)
{
	int r;

	if (!f->retry)
		return sd_event_add_time(f->parts.event, &f->retry, CLOCK_MONOTONIC, f->retry_usec,
					 ACCURACY_USEC, on_time, f);
	r = sd_event_source_set_time(f->retry, f->retry_usec);
	return r < 0 ? r : sd_event_source_set_enabled(f->retry, SD_EVENT_ONESHOT);
}

static void wait_until(struct flow *f, uint64_t at_usec)
{
	int r;

	if (f->retry_usec && f->retry_usec <= at_usec)
		return;
	f->retry_usec = at_usec;
	r = set_timer(f);
	if (r < 0)
		log_warn(r, "Cannot set a timer, what waits goes on by order only");
}

static void begin(struct journey *j)
{
	struct repair *repair = &j->in->repair;

	j->retry.at_usec = 0;
	if (j->busy || j->stage != STAGE_REST || j->flow->parts.config->dry_run)
		return;
	/* Without these a try tells more than it must, no worse. */
	string_set(&j->retry.reason, repair->reason);
	string_set(&j->retry.detail, repair->detail);
	j->retry.runs = true;
	j->stage = is_nobodys(j->in) ? STAGE_RESOLVE : STAGE_REPAIR;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct flow *f = userdata;
	uint64_t now = monotonic_usec(f);

	f->retry_usec = 0;
	for (size_t i = 0; i < f->n_journeys; i++) {
		struct journey *j = f->journeys[i];

		if (j->retry.at_usec && j->retry.at_usec <= now)
			begin(j);
		if (j->retry.at_usec)
			wait_until(f, j->retry.at_usec);
	}
	flow_pump(f);
	return 0;
}

/* ---- for the stations ---- */

void retry_later(struct journey *j)
{
	struct retry *retry = &j->retry;
	unsigned doublings = retry->n_tries < MAX_DOUBLINGS ? retry->n_tries : MAX_DOUBLINGS;

	retry->runs = false;
	retry->at_usec = 0;
	if (retry->n_tries >= max_tries(j->in)) {
		retry->n_tries = 0;
		return;
	}
	retry->n_tries++;
	retry->at_usec = monotonic_usec(j->flow) + (FIRST_USEC << doublings);
	wait_until(j->flow, retry->at_usec);
}

bool retry_tells_nothing_new(const struct journey *j)
{
	const struct repair *repair = &j->in->repair;

	return j->retry.runs && is(j->retry.reason, repair->reason ?: "") &&
	       is(j->retry.detail ?: "", repair->detail ?: "");
}

bool retry_found_nothing(const struct journey *j)
{
	return j->retry.runs && is_nobodys(j->in);
}

void retry_done(struct journey *j)
{
	free(TAKE(j->retry.reason));
	free(TAKE(j->retry.detail));
}
