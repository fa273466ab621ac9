/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * journal: how a repair puts on record what it is about to do and what came of it.
 *
 * The repair runs in a worker, the ledger belongs to the daemon. Each call here is a question over
 * the worker's link, answered when the ledger has committed: an error means "not on record, do not
 * go on": -EREMOTEIO the ledger did not take it, -EPIPE the daemon is gone.
 */
#pragma once

#include <stdint.h>

#include <json-c/json.h>

#include "incident.h"
#include "ledger/ledger.h"
#include "worker.h"

struct repair_journal {
	struct worker_link *link;
	uint64_t incident;
};

/* The step must not be taken unless this returns 0. detail is borrowed, may be NULL. */
int journal_intent(const struct repair_journal *j, const char *step, struct json_object *detail,
		   int64_t *ret_intent);
int journal_outcome(const struct repair_journal *j, int64_t intent, int result,
		    struct json_object *detail);

int journal_put_salvage(const struct repair_journal *j, const struct salvaged_page *page);
int journal_get_salvage(const struct repair_journal *j, uint64_t phys_start,
			struct salvaged_page *ret); /* -ENOENT */

/*
 * All steps of this page so far, oldest first: [{"intent","step","detail","finished","result",
 * "outcome"}]. A new reference.
 */
int journal_history(const struct repair_journal *j, uint64_t phys_start, struct json_object **ret);

/* The daemon's side: answer one question. A message that is none of the journal's: -ENOMSG. */
int journal_serve(struct ledger *ledger, struct worker *w, uint64_t incident,
		  struct json_object *question);
