/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow-private: what the files of flow/ share. */
#pragma once

#include "flow/flow.h"
#include "policy/policy.h"
#include "repair/repair.h"
#include "worker.h"

#define USEC_PER_SEC 1000000ULL

/* More clients than this are not on the control socket at once. */
#define MAX_CLIENTS 64

enum stage {
	STAGE_RESOLVE,
	STAGE_RESPOND,
	STAGE_REPAIR,
	STAGE_REST, /* nothing more to do without a change or an order */
};

/* When a repair that waits is tried again, see flow/retry.c. */
struct retry {
	uint64_t at_usec; /* CLOCK_MONOTONIC, 0: not by itself */
	unsigned n_tries;
	bool runs; /* the try, that is */
	char *reason, *detail; /* of the one before it */
};

/* An incident on its way. */
struct journey {
	struct flow *flow;
	struct incident *in;
	enum stage stage;
	bool busy; /* some worker has it */
	bool untold; /* begun in a batch that is not on record yet */
	bool remounted; /* something was mounted or unmounted since a worker began to look */
	bool stale; /* its verdict is by rules that are no longer in force */
	bool anew; /* it is being judged once more, by other rules than the last time */
	bool resumed; /* it comes from an earlier run: who was answered then is not answered again
		       */
	struct incident *found; /* by a search, while some worker had it */
	unsigned n_finishing; /* begun because the repair was cut off */
	struct worker *worker; /* respond or preview; the others work in batches */
	int64_t intent; /* "respond", while that runs */
	struct waits *waits; /* for holders to end; see flow/wait.c */
	struct retry retry;
	flow_repaired on_repaired; /* an order */
	bool order_waits; /* for a try to end */
	flow_planned on_planned;
	void *order_userdata;
};

struct flow {
	struct flow_parts parts;
	struct journey **journeys; /* by number */
	struct journey **by_start; /* the same, by where they begin: see flow/index.c */
	uint64_t longest_bytes; /* of their ranges, ever */
	size_t n_journeys;
	struct resolve_batch *resolving; /* one at a time */
	struct search_batch *searching; /* one at a time */
	struct repair_batch *repairing; /* one at a time */
	struct stopped_unit **units; /* see flow/units.c */
	size_t n_units;
	struct worker *ram_scan; /* NULL: none runs */
	unsigned n_responding;
	uint64_t last_number;
	bool ledger_failed;
	bool cut; /* some list does not show all that is bad */
	bool too_many, too_much_ram;
	size_t n_ram; /* of journeys: pages of plain memory */
	struct failed_pages *failed; /* that are to become some: see flow/ram.c; NULL: none */
	bool in_batch;
	size_t n_batched; /* saved in it */
	sd_event_source *retry; /* the next of all, or NULL */
	uint64_t retry_usec; /* when that is */
	sd_event_source *soon; /* the end of the batch, or another scan, or NULL */
	bool scan_soon;
	struct badblocks *healed; /* since the last scrub: ARS records do not know yet */
};

/* What a worker may look at; points into the flow, so it is for the child of a fork. */
struct flow_view {
	struct policy_context policy;
	pid_t clients[MAX_CLIENTS];
};
void flow_view(struct flow *f, struct flow_view *ret);

uint64_t now_usec(void);
uint64_t monotonic_usec(const struct flow *f); /* CLOCK_MONOTONIC, of this turn of the loop */

/* Write the incident to the ledger; a failure is told once, and so is its end. True: it is on
 * record. */
bool flow_save(struct flow *f, struct incident *in);

/*
 * Between these two, what is saved waits for one commit, and then incidents that are begun are told.
 * flow_settle() comes by itself before anything else happens, if not sooner, and before any event.
 */
void flow_batch(struct flow *f);
void flow_settle(struct flow *f);

/* It has begun: tell that, when it is on record. */
void flow_tell_begun(struct journey *j);

/* flow_rescan(), once for all that ask for it in a burst. */
void flow_rescan_soon(struct flow *f);

void flow_tell(struct journey *j, const char *type, enum severity severity, const char *reason);

/* Start what can be started. Never calls back into the caller's journey. */
void flow_pump(struct flow *f);

/* Nothing more to do without a change or an order, for all we know. */
void journey_rest(struct journey *j);

/* The journey is over: its incident is `state` now, on record and told. Frees the journey. */
void journey_end(struct journey *j, enum incident_state state);

/*
 * Where the range lies now: names can have changed since, and belong to others by now. False: its
 * device is away, and nobody can be asked about it.
 */
bool flow_find_device(struct journey *j);

/* The next one of those that overlap with this range, from *at = 0 on; NULL: no more. Good until one
 * begins or ends. */
struct journey *journey_next_in(const struct flow *f, struct range phys, size_t *at);

/* For those who own the table: before one is in it, and before it is out of it again. */
int index_make_room(struct flow *f);
void index_add(struct journey *j);
void index_remove(struct journey *j);

struct journey *journey_find(const struct flow *f, uint64_t number); /* NULL: it has ended */

/* Owners and holders are known, or more of them: judge, put on record, tell, go on to respond. */
void journey_resolved(struct journey *j, const char *reason);

/* Replace what one station found out by what a worker sent back. Who was answered already keeps
 * that outcome. */
void journey_take_findings(struct journey *j, struct incident *from);

/* May a repair that an administrator orders pause the holders? */
bool order_may_pause(struct flow *f, const struct incident *in);

/*
 * Note with the incident what the kernel has done about its range, and with the holders whom it has
 * signalled. True: something is new.
 */
bool flow_note_kernel(struct journey *j);

/* NULL: out of memory, and the incident stays the caller's. */
struct journey *journey_new(struct flow *f, struct incident *in, enum stage stage);

/*
 * What is bad now of what was mended, among other things: there is nothing in it if no mended
 * incident is open. 0 or negative errno.
 */
int read_bad_again(const struct flow *f, struct badblocks **ret);

/* Where all of it is bad again, a mended incident is over: it is about the loss before. */
void end_bad_again(struct flow *f, const struct badblocks *again);

/* What open incidents cover, but for what is bad again; and what only ARS records still call bad.
 * Sorted; NULL: out of memory. */
struct badblocks *known_ranges(const struct flow *f, const struct badblocks *ars,
			       const struct badblocks *again);

/* Found: on record, told, and on its way. Takes *in if 0; -ENOSPC: too many are open. */
int journey_begin(struct flow *f, struct incident **in);

/* r of a beginning: told when there is no room for more, and again when there is. */
void flow_note_room(struct flow *f, int r);

/* flow/ram.c: end those of plain memory in this range that the kernel no longer calls poisoned. */
void ram_end_gone(struct flow *f, struct range phys);
extern const char ram_why_not_repaired[];

/* This page is poisoned, and nobody has told: begin an incident if there is none. */
void ram_begin_unheard(struct flow *f, uint64_t phys_start);

/* All that wait to begin, now: this is the end. */
void ram_begin_rest(struct flow *f);

/* The next stage; if other rules are in force by now, it is judged by them first. */
void journey_go_on(struct journey *j, enum stage next);

/* Holders that were answered already, but now by a verdict that asks for more or for another. */
void judge_answers(struct journey *j, const enum verb *before);

/* Incidents that an earlier run left have a new verdict if the rules have changed since. */
void judge_after_start(struct flow *f);

/*
 * Did the repair's worker end in the middle? Then it is begun once more, to its end, now that
 * nothing of the range is bad: what was done, and whose bytes were lost, only its steps in the
 * ledger tell. True: the incident is not over.
 */
bool repair_finish_cut_off(struct journey *j);

/* The files are whole, but the platform does not clear their old block. */
bool repair_is_in_quarantine(const struct repair *repair);

/* Units that are to be started again go on record before they are stopped. 0 or negative errno. */
int units_about_to_stop(struct journey *j);
void units_were_stopped(struct journey *j); /* all holders are answered */
void units_start_again(struct flow *f); /* what can be */
int units_load(struct flow *f); /* what an earlier run stopped. 0 or negative errno */
void units_free_all(struct flow *f);

int resolve_start(struct flow *f); /* 0, also when there is nothing to resolve */
void resolve_cancel(struct flow *f);

/* Search on where that may find more owners, take what was found, and end what nobody needs. */
void search_pump(struct flow *f);
void search_cancel(struct flow *f);
int respond_start(struct journey *j);
int preview_start(struct journey *j);

/* Begin to repair what waits for that; what is not to be repaired rests. */
void repair_pump(struct flow *f);
void repair_cancel(struct flow *f);
/* Its repair is under way, it does not only wait for others. */
bool repair_runs(const struct journey *j);

/* In a worker: what a repair works with, or the plan of one. 0 or negative errno. */
int flow_repair_job(struct flow *f, struct flow_view *view, struct repair_journal *journal,
		    struct repair_job *ret);

/* The repair was tried: set when it is again, if it may end otherwise then. */
void retry_later(struct journey *j);
/* A try ended like the one before. */
bool retry_tells_nothing_new(const struct journey *j);
/* Nobody can say yet who owns the range for which that is asked again. */
bool retry_found_nothing(const struct journey *j);
void retry_done(struct journey *j);

/* The repair ended, well or not: answer who ordered it, or begin what was ordered meanwhile. */
void order_repair_ended(struct journey *j);
/* If there was an order, that is what came of it: as flow_repaired. */
void order_answer(struct journey *j, int r, const char *reason, const char *detail);

/* If the repair waits for holders, go on when one of those that `in` names ends. */
void wait_for_holders(struct journey *j, const struct incident *in);
void wait_cancel(struct journey *j);

/* SIGCONT to processes that a repair of this incident (0: of any) left stopped. */
void repair_continue_paused(struct flow *f, uint64_t incident);
