/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ledger: incidents, intents and losses, in SQLite, so that a crash forgets nothing.
 *
 * Every call that writes is durable when it returns 0 (WAL, synchronous=FULL). Only the daemon opens
 * it for writing; workers ask the daemon. One thread.
 *
 * A ledger that can't be used (disk full, damaged, not ours) makes the calls fail with a negative
 * errno (-ENOSPC, -EUCLEAN, -EIO, ...): then no irreversible step may be taken, and alerts go on
 * without it. A failed call changed nothing, and the next may work: a full disk gets room again.
 */
#pragma once

#include <stdint.h>

#include <json-c/json.h>

#include "cleanup.h"
#include "incident.h"

struct ledger;

/*
 * Open or create DIR/ledger.sqlite. A file that is no ledger, or is damaged, is renamed to
 * ledger.sqlite.damaged-DATE beside it and a new one is begun: then 1 is returned, and
 * *ret_set_aside (if not NULL) is that name, the caller's to free. 0: opened as it was. Negative: none, *ret
 * untouched; -EPROTONOSUPPORT: a newer hwpoisond wrote it, and it stays where it is.
 */
int ledger_open(const char *dir, struct ledger **ret, char **ret_set_aside);

/*
 * Open it to read only, beside the daemon or without one: nothing in the directory is changed, and
 * only the calls that read may be made. 0; -ENOENT: there is none; -EUCLEAN: damaged, or no ledger;
 * -EPROTONOSUPPORT: of a newer version; or another negative errno.
 */
int ledger_open_to_read(const char *dir, struct ledger **ret);
struct ledger *ledger_free(struct ledger *l);	/* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct ledger *, ledger_free);

/*
 * The next event's sequence number, 1 first; never given twice, also across restarts. A crash may
 * skip some. Negative: *ret_seq is a new number all the same, but a crash could give it again.
 */
int ledger_next_seq(struct ledger *l, uint64_t *ret_seq);
/* Makes sure that the next ones need not wait for the disk: call it when nobody waits for you. */
int ledger_reserve_seq(struct ledger *l);

/*
 * Keep a number of the daemon's own under a name, and give back what was there: 0 if nothing. 0 or
 * negative errno.
 */
int ledger_swap_counter(struct ledger *l, const char *name, uint64_t value, uint64_t *ret_before);

/*
 * Insert (number 0: it gets the next one, never used before) or update. Negative: it is not on
 * record, but has its number all the same, which no other gets; put it again when that may work.
 */
int ledger_put_incident(struct ledger *l, struct incident *in);

/*
 * Many incidents at once: between these two, those that are put wait for one commit, which takes as
 * long as for one. Negative from the commit: they are not on record, though each was put. Whatever
 * else is written in between commits what is there first.
 */
int ledger_begin(struct ledger *l);
int ledger_commit(struct ledger *l);

int ledger_get_incident(struct ledger *l, uint64_t number, struct incident **ret);	/* -ENOENT */

/*
 * Call `each` for every incident in order of number, open ones only unless all. `each` takes the
 * incident, and may write to the ledger; a negative return ends the walk and is returned. -EUCLEAN:
 * some could not be read, and all others were walked.
 */
typedef int (*ledger_each_incident)(struct incident *in, void *userdata);
int ledger_incidents(struct ledger *l, bool all, ledger_each_incident each, void *userdata);

/* The same for at most n_max of all whose number is above `after`. */
int ledger_incidents_after(struct ledger *l, uint64_t after, size_t n_max,
			   ledger_each_incident each, void *userdata);

/*
 * An intent: "we are about to do STEP for incident N". Its outcome closes it. `detail` is the step's own
 * and is given back as it was; borrowed, may be NULL.
 */
int ledger_intent(struct ledger *l, uint64_t incident, const char *step, struct json_object *detail,
		  int64_t *ret_intent);
/* -ENOENT: there is no such intent, or it has its outcome. */
int ledger_outcome(struct ledger *l, int64_t intent, int result, struct json_object *detail);

/* Intents without an outcome, oldest first. Strings and detail are borrowed; `each` may write. */
typedef int (*ledger_each_intent)(int64_t intent, uint64_t incident, const char *step,
				  struct json_object *detail, void *userdata);
int ledger_unfinished(struct ledger *l, ledger_each_intent each, void *userdata);

/*
 * All intents of one incident, oldest first, as [{"intent":12,"step":"swap","detail":{...},"finished":true,
 * "result":0,"outcome":{...}}]; result and outcome only where finished. A new reference.
 */
int ledger_steps(struct ledger *l, uint64_t incident, struct json_object **ret);
/* Only those whose detail has this page as its "phys_start", as field_put_hex() writes it. */
int ledger_steps_of_page(struct ledger *l, uint64_t incident, uint64_t phys_start,
			 struct json_object **ret);

/* What was saved of a page, before anything that changes an owner. Bit n is for the n-th 512-byte
 * sector. */
struct salvaged_page {
	uint64_t phys_start;
	uint32_t length_bytes;		/* PAGE_BYTES */
	uint32_t bad_sectors;		/* was lost, and is zeros in data */
	uint32_t restored_sectors;	/* was lost, and is in data what a hook gave */
	uint8_t data[PAGE_BYTES];
};
/* Replaces what was saved of this page before. */
int ledger_put_salvage(struct ledger *l, uint64_t incident, const struct salvaged_page *page);
int ledger_get_salvage(struct ledger *l, uint64_t incident, uint64_t phys_start,
		       struct salvaged_page *ret);		/* -ENOENT */
int ledger_drop_salvage(struct ledger *l, uint64_t incident);	/* the repair is over */

/* File bytes that are lost for good; kept after the incident. The same loss again counts once. */
int ledger_add_loss(struct ledger *l, uint64_t incident, const struct loss *loss);

/*
 * Forget ended incidents, the oldest first, with their steps and losses: those that ended before
 * `oldest_usec`, and as many more as it takes for what is left to use max_bytes (0: no limit). Never an
 * open one, nor one with a step that has no outcome. At most n_max; how many, or negative errno.
 */
int ledger_prune(struct ledger *l, uint64_t oldest_usec, uint64_t max_bytes, unsigned n_max);

/* All losses on record together. 0 or negative errno. */
int ledger_lost_bytes(struct ledger *l, uint64_t *ret_bytes);

/* All losses of one incident, oldest first. The loss is borrowed; a negative return ends the walk. */
typedef int (*ledger_each_loss)(const struct loss *loss, uint64_t lost_usec, void *userdata);
int ledger_losses(struct ledger *l, uint64_t incident, ledger_each_loss each, void *userdata);
