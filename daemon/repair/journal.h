/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * journal: how a repair puts on record what it is about to do and what came of it.
 *
 * The repair runs in a worker, the ledger belongs to the daemon. An intent is a question over the
 * worker's link, answered when the ledger has committed: an error means "not on record, do not go
 * on": -EREMOTEIO the ledger did not take it, -EPIPE the daemon is gone.
 *
 * What must be on record before the next step only, an outcome or what was saved, is noted, and
 * goes with the next question: one commit for both. Who dies before has left a step without an
 * outcome, and the next start looks what became of it, as it must in any case. A step that failed,
 * or was not taken after all, is told at once: later it can look as if it had been.
 */
#pragma once

#include <stdint.h>

#include <json-c/json.h>

#include "incident.h"
#include "ledger/ledger.h"
#include "worker.h"

struct repair_journal {
	struct worker_link *link;
	struct json_object *notes; /* for the next question, NULL: none */
};

/* The step must not be taken unless this returns 0. detail is borrowed, may be NULL. */
int journal_intent(struct repair_journal *j, const char *step, struct json_object *detail,
		   int64_t *ret_intent);

/* Noted, or on record where result is negative. */
int journal_outcome(struct repair_journal *j, int64_t intent, int result,
		    struct json_object *detail);
int journal_put_salvage(struct repair_journal *j, const struct salvaged_page *pages, size_t n);

/* Put on record now what was noted. 0 or negative errno. */
int journal_flush(struct repair_journal *j);

int journal_get_salvage(struct repair_journal *j, uint64_t phys_start,
			struct salvaged_page *ret); /* -ENOENT */

/*
 * All steps about these pages so far, oldest first, as ledger_steps_of_pages() gives them:
 * [{"intent","step","detail","finished","result","outcome"}]. A new reference.
 */
int journal_history(struct repair_journal *j, struct range pages, struct json_object **ret);

/* The daemon's side: answer one question. A message that is none of the journal's: -ENOMSG. */
int journal_serve(struct ledger *ledger, struct worker *w, uint64_t incident,
		  struct json_object *question);
