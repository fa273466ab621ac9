// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow: see flow.h. This file holds the table of journeys, and compares it with what is bad now.
 *
 *   source -> locate -> [flow: resolve, respond, repair] -> ledger, feed
 *
 * An event only wakes us; what is bad is read anew each time. An incident is over when no list
 * calls its range bad any more, asked for that range alone: that a cut list does not show it proves
 * nothing, and a device that is away proves nothing either.
 *
 * Each stage's worker and its messages are in flow/resolve.c, flow/respond.c and flow/repair.c,
 * what the kernel says of itself in flow/heard.c, and pages of plain memory in flow/ram.c.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flow/flow-private.h"
#include "log.h"
#include "owners/ram.h"
#include "reconcile.h"

/* A DIMM can fail with a hundred thousand ranges. What does not fit is told, and found again by the
 * next scan when there is room. */
#define MAX_OPEN_INCIDENTS 10000u

#define MAX_BEGUN_AT_ONCE 256u

/* Grace periods run side by side, but not without a bound. */
#define MAX_RESPONDING 8u

/* How many old incidents are forgotten at once. */
#define PRUNE_AT_START 1000u
#define PRUNE_AT_END   4u

uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000;
}

uint64_t monotonic_usec(const struct flow *f)
{
	uint64_t now = 0;

	sd_event_now(f->parts.event, CLOCK_MONOTONIC, &now);
	return now;
}

void flow_view(struct flow *f, struct flow_view *ret)
{
	*ret = (struct flow_view){
		.policy = {
			.config = f->parts.config,
			.proc_fd = f->parts.proc_fd,
			.self = getpid(),
			.control_clients = ret->clients,
			.cgroup_root = "/sys/fs/cgroup",
		},
	};
	if (f->parts.control_clients)
		ret->policy.n_control_clients = f->parts.control_clients(f->parts.userdata,
									 ret->clients, MAX_CLIENTS);
}

void flow_tell(struct journey *j, const char *type, enum severity severity, const char *reason)
{
	flow_settle(j->flow);
	feed_send_incident(j->flow->parts.feed, type, severity, j->in, reason);
}

/* ---- the table ---- */

struct journey *journey_new(struct flow *f, struct incident *in, enum stage stage)
{
	struct journey **grown, *j = calloc(1, sizeof(*j));

	grown = reallocarray(f->journeys, f->n_journeys + 1, sizeof(struct journey *));
	if (grown)
		f->journeys = grown;
	if (!grown || !j || index_make_room(f) < 0) {
		free(j);
		return NULL;
	}
	*j = (struct journey){ .flow = f, .in = in, .stage = stage };
	index_add(j);
	f->journeys[f->n_journeys++] = j;
	f->n_ram += incident_is_ram(in);
	return j;
}

static void journey_free(struct journey *j)
{
	struct flow *f = j->flow;
	size_t i = 0;

	while (f->journeys[i] != j)
		i++;
	index_remove(j);
	f->n_journeys--;
	f->n_ram -= incident_is_ram(j->in);
	memmove(&f->journeys[i], &f->journeys[i + 1],
		(f->n_journeys - i) * sizeof(struct journey *));
	wait_cancel(j);
	retry_done(j);
	worker_free(j->worker);
	incident_free(j->found);
	incident_free(j->in);
	free(j);
}

struct journey *journey_find(const struct flow *f, uint64_t number)
{
	for (size_t i = 0; i < f->n_journeys; i++)
		if (f->journeys[i]->in->number == number)
			return f->journeys[i];
	return NULL;
}

/* Some at a time, where the ledger grows anyway: years of a busy machine must not hold up the loop.
 */
static void prune(struct flow *f, unsigned n_max)
{
	const struct config *config = f->parts.config;
	uint64_t age_usec = config->ledger_max_age_days * 86400 * USEC_PER_SEC, now = now_usec();
	int r;

	if (!f->parts.ledger)
		return;
	r = ledger_prune(f->parts.ledger, age_usec && now > age_usec ? now - age_usec : 0,
			 config->ledger_max_size_bytes, n_max);
	if (r < 0)
		log_warn(r, "Cannot forget what ended long ago, the ledger grows");
}

void journey_end(struct journey *j, enum incident_state state)
{
	struct flow *f = j->flow;

	assert(!j->busy);
	if (j->untold)
		flow_settle(f);
	j->in->state = state;
	flow_save(f, j->in);
	if (f->parts.ledger)
		ledger_drop_salvage(f->parts.ledger, j->in->number);
	prune(f, PRUNE_AT_END);
	flow_tell(j, "poison.gone", SEVERITY_INFO, NULL);
	if (f->healed) {
		badblocks_add(f->healed, j->in->phys);
		badblocks_normalize(f->healed);
	}
	journey_free(j);
}

/* ---- what is bad now ---- */

static uint32_t sources_of(const struct flow *f, struct range phys, const struct badblocks *ars)
{
	uint32_t sources = SOURCE_BADBLOCKS;

	if (ars && badblocks_overlap(ars, phys))
		sources = SOURCE_ARS;
	return sources | correlate_sources(f->parts.correlate, phys);
}

int journey_begin(struct flow *f, struct incident **in)
{
	struct journey *j;

	if (f->n_journeys >= MAX_OPEN_INCIDENTS)
		return -ENOSPC;
	(*in)->state = INCIDENT_FOUND;
	(*in)->found_usec = now_usec();
	j = journey_new(f, *in, STAGE_RESOLVE);
	if (!j)
		return -ENOMEM;
	TAKE(*in);
	flow_note_kernel(j);
	flow_batch(f);
	flow_save(f, j->in);
	flow_tell_begun(j);
	return 0;
}

static int begin_at(struct flow *f, const struct place *place, struct range phys, uint32_t sources)
{
	_cleanup_(incident_freep) struct incident *in = incident_new(phys, sources);
	int r;

	if (!in)
		return -ENOMEM;
	r = place_to_device(place, phys, &in->device);
	return r < 0 ? r : journey_begin(f, &in);
}

/* A new range may lie on several devices: one incident for each. */
static int begin_range(struct flow *f, struct range phys, const struct badblocks *ars)
{
	const struct address_map *map = nvdimm_map(f->parts.nvdimm);

	while (phys.length_bytes) {
		const struct place *place;
		struct range piece;
		int r;

		place = address_map_find(map, phys, &piece);
		if (!place)
			return 0; /* its device went away since the scan */
		r = begin_at(f, place, piece, sources_of(f, piece, ars));
		if (r < 0)
			return r;
		phys = (struct range){ range_end(piece), range_end(phys) - range_end(piece) };
	}
	return 0;
}

/* So many at once that others get their turn, too; the rest soon. */
static int begin_new(struct flow *f, const struct badblocks *bad, const struct badblocks *ars)
{
	_cleanup_(badblocks_freep) struct badblocks *again = NULL, *known = NULL, *new = NULL;
	size_t n_before;
	int r;

	r = read_bad_again(f, &again);
	if (r < 0)
		return r;
	end_bad_again(f, again);
	known = known_ranges(f, ars, again);
	if (!known)
		return -ENOMEM;
	n_before = f->n_journeys;
	r = reconcile_subtract(bad, known, &new);
	for (size_t i = 0; r >= 0 && i < new->n_ranges; i++) {
		if (f->n_journeys - n_before >= MAX_BEGUN_AT_ONCE) {
			flow_rescan_soon(f);
			break;
		}
		r = begin_range(f, new->ranges[i], ars);
	}
	flow_settle(f);
	return r;
}

/*
 * A block in quarantine that could not be written is not whole, whatever the lists say: an order
 * ends that, when the write goes through.
 */
bool repair_is_in_quarantine(const struct repair *repair)
{
	return repair->method && !strcmp(repair->method, "remap") && repair->reason &&
	       !strcmp(repair->reason, "clear-refused");
}

/* Nor is a page that the kernel can't reach, which our write took from the lists. */
static bool is_not_whole(const struct repair *repair)
{
	return repair_is_in_quarantine(repair) ||
	       (repair->reason && !strcmp(repair->reason, "out-of-reach"));
}

static void end_gone(struct flow *f, const struct badblocks *bad)
{
	for (size_t i = f->n_journeys; i-- > 0;) {
		struct journey *j = f->journeys[i];
		const char *repair = j->in->repair.state;
		bool searches = j->in->owners_searching && !j->on_repaired;

		/* What a worker has, it looks after itself: it may be us who made it go. Not so
		 * where a repair waits for a search, which can take hours. */
		if (incident_is_ram(j->in))
			continue; /* no list is about it: see flow/ram.c */
		if (j->busy || (j->stage == STAGE_REPAIR && !searches) ||
		    badblocks_overlap(bad, j->in->phys) || is_not_whole(&j->in->repair))
			continue;
		if (nvdimm_is_bad(nvdimm_map(f->parts.nvdimm), j->in->phys) != 0)
			continue;
		if (repair_finish_cut_off(j))
			continue;
		journey_end(j,
			    repair && !strcmp(repair, "done") ? INCIDENT_REPAIRED : INCIDENT_GONE);
	}
}

static void tell_cut(struct flow *f, bool cut)
{
	if (cut && !f->cut)
		f->parts.degraded("badblocks",
				  "more ranges are bad than the kernel shows: the rest is found as "
				  "these end, or by the next scrub",
				  f->parts.userdata);
	else if (!cut && f->cut)
		f->parts.restored("badblocks", f->parts.userdata);
	f->cut = cut;
}

void flow_note_room(struct flow *f, int r)
{
	if (r == -ENOSPC && !f->too_many)
		f->parts.degraded("incidents",
				  "more ranges are bad than are kept open at once; the rest "
				  "follows as these end",
				  f->parts.userdata);
	else if (r >= 0 && f->too_many)
		f->parts.restored("incidents", f->parts.userdata);
	f->too_many = r == -ENOSPC;
}

void flow_rescan(struct flow *f)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL, *ars = NULL;
	int r;

	r = nvdimm_scan(f->parts.nvdimm, &bad, &ars);
	if (r < 0) {
		log_warn(r, "Cannot read what is bad, keeping what is known until the next change");
		return;
	}
	end_gone(f, bad);
	tell_cut(f, bad->cut);
	r = begin_new(f, bad, ars);
	flow_note_room(f, r);
	if (r < 0 && r != -ENOSPC)
		log_err(r, "Cannot begin an incident for every bad range, the next change tries "
			   "again");
	flow_pump(f);
}

/* ---- going on ---- */

void journey_rest(struct journey *j)
{
	j->stage = STAGE_REST;
	j->in->state = INCIDENT_LEFT;
	flow_save(j->flow, j->in);
	retry_later(j);
}

static void start_to_respond(struct journey *j)
{
	int r = respond_start(j);

	if (r >= 0)
		return;
	log_err(r, "Cannot respond to incident %" PRIu64 ", leaving it as it is", j->in->number);
	journey_rest(j);
}

/* A fork is not for nothing: two at a time, and each that ends brings us here again. */
static unsigned may_respond(const struct flow *f)
{
	unsigned n = f->n_responding + 2;

	return n < MAX_RESPONDING ? n : MAX_RESPONDING;
}

/* Can it be that what was mounted tells more about it, or lets it be repaired? */
static bool wants_mounts(const struct journey *j)
{
	bool unowned = j->in->n_owners == 1 && j->in->owners[0].kind == OWNER_RAW;
	const char *repair = j->in->repair.state ?: "";
	bool waiting = !strcmp(repair, "waiting");

	if (!strcmp(repair, "done") || (incident_is_ram(j->in) && !ram_wants_names(j->in)))
		return false;
	return unowned || waiting || !j->in->owners_complete;
}

/* What came while a worker looked for owners is not lost: it may have looked before it came. */
static void look_at_mounts(struct flow *f)
{
	for (size_t i = 0; i < f->n_journeys; i++) {
		struct journey *j = f->journeys[i];

		if (j->busy || j->stage != STAGE_REST || !j->remounted)
			continue;
		j->remounted = false;
		if (wants_mounts(j))
			j->stage = STAGE_RESOLVE;
	}
}

void flow_pump(struct flow *f)
{
	unsigned n_may_respond = may_respond(f);
	int r;

	look_at_mounts(f);
	if (!f->resolving) {
		r = resolve_start(f);
		if (r < 0)
			log_err(r, "Cannot start to look for owners, the next change tries again");
	}
	search_pump(f);
	flow_batch(f);
	for (size_t i = 0; i < f->n_journeys; i++) {
		struct journey *j = f->journeys[i];

		if (!j->busy && j->stage == STAGE_RESPOND && f->n_responding < n_may_respond)
			start_to_respond(j);
	}
	/* With nobody to respond to they are there already. */
	repair_pump(f);
	flow_settle(f);
	units_start_again(f);
}

void flow_mounts_changed(struct flow *f)
{
	/* A hook that runs may well mount something for itself: that is no reason to begin again.
	 */
	for (size_t i = 0; i < f->n_journeys; i++)
		f->journeys[i]->remounted = f->journeys[i]->remounted ||
					    f->journeys[i]->stage == STAGE_RESOLVE ||
					    f->journeys[i]->stage == STAGE_REST;
	flow_pump(f);
}

void flow_scrub_finished(struct flow *f)
{
	badblocks_free(f->healed);
	f->healed = calloc(1, sizeof(*f->healed));
}

/* ---- for control ---- */

size_t flow_n_open(const struct flow *f)
{
	return f->n_journeys;
}

const struct incident *flow_open_at(const struct flow *f, size_t i)
{
	return i < f->n_journeys ? f->journeys[i]->in : NULL;
}

const struct incident *flow_get(const struct flow *f, uint64_t number)
{
	struct journey *j = journey_find(f, number);

	return j ? j->in : NULL;
}

/* ---- start and end ---- */

static enum stage stage_to_resume(const struct incident *in)
{
	switch (in->state) {
	case INCIDENT_REPAIRING:
		return STAGE_REPAIR;
	case INCIDENT_LEFT:
		return STAGE_REST;
	default:
		/* Holders have come and gone since: look again before anybody is acted upon. */
		return STAGE_RESOLVE;
	}
}

static int resume(struct incident *in, void *userdata)
{
	struct flow *f = userdata;
	struct journey *j = journey_new(f, in, stage_to_resume(in));

	if (!j) {
		incident_free(in);
		return -ENOMEM;
	}
	j->resumed = true;
	retry_later(j);
	if (in->number > f->last_number)
		f->last_number = in->number;
	return 0;
}

int flow_new(const struct flow_parts *parts, struct flow **ret)
{
	_cleanup_(flow_freep) struct flow *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->parts = *parts;
	flow_scrub_finished(f);
	if (f->parts.ledger) {
		repair_continue_paused(f, 0);
		r = ledger_incidents(f->parts.ledger, false, resume, f);
		if (r < 0)
			return r;
		r = units_load(f);
		if (r < 0)
			return r;
		judge_after_start(f);
		prune(f, PRUNE_AT_START);
		ram_end_gone(f, (struct range){ 0, UINT64_MAX });
	}
	*ret = TAKE(f);
	return 0;
}

struct flow *flow_free(struct flow *f)
{
	if (!f)
		return NULL;
	ram_begin_rest(f);
	resolve_cancel(f);
	search_cancel(f);
	repair_cancel(f);
	worker_free(f->ram_scan);
	flow_settle(f);
	sd_event_source_disable_unref(f->soon);
	sd_event_source_disable_unref(f->retry);
	while (f->n_journeys)
		journey_free(f->journeys[f->n_journeys - 1]);
	if (f->parts.ledger)
		repair_continue_paused(f, 0);
	units_free_all(f);
	free(f->journeys);
	free(f->by_start);
	badblocks_free(f->healed);
	free(f);
	return NULL;
}
