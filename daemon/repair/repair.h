/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * repair: make the media clean and the files whole, or leave everything as it was.
 *
 *   respond -> [repair]
 *
 * Runs in a worker. Before each irreversible step it asks the daemon, which commits the intent to
 * the ledger and answers; no answer, no step (journal.h). Who owns the block and whether it is
 * still bad is asked again right before it is changed, and everything is read back afterwards. A
 * repair that was cut off is finished by running it again: every step looks first at what is there
 * already.
 *
 * plan.h decides what is to be done page by page; remap.h, rewrite.h, clear-zero.h and clear.h do
 * it.
 */
#pragma once

#include "incident.h"
#include "locate/address_map.h"
#include "owners/scan_how.h"
#include "policy/policy.h"
#include "repair/journal.h"

struct restore;

struct repair_job {
	const struct address_map *map; /* all stay the caller's */
	const struct policy_context *policy; /* who must never be paused */
	struct repair_journal *journal; /* which keeps notes */
	const char *runtime_dir; /* where hooks leave what they give */
	const struct restore *restored; /* what one gave; NULL: nothing. repair_run()'s own */
	int proc_fd;
	struct scan_how how; /* to search for owners */
};

/* `done` has its outcome. 1: *ret, an index, is to be the next; 0: enough; negative errno: stop. */
typedef int (*repair_next)(struct incident *done, size_t *ret, void *userdata);

/*
 * Repair the first, and then those that `next` says, each as its in->repair.wish allows. in->owners
 * and in->holders are asked for anew, of all n at once before the first: `next` must end it when
 * that is too long ago. Sets in->repair: state "done", "waiting" or "failed" with reason, bytes and
 * losses. 0 when the outcome is known and recorded, whatever it is; negative errno when it is not
 * (the daemon is gone, out of memory).
 */
int repair_run(const struct repair_job *job, struct incident **incidents, size_t n,
	       repair_next next, void *userdata);

/*
 * What repair_run() would do now, touching nothing:
 * {"incident","wish","method","pages":[{"phys_start","method" or
 * "reason","steps","owners","zeroed_bytes","salvaged_bytes"}],"zeroed_bytes","salvaged_bytes","waits_for":[{"pid","comm"}]}.
 * Bytes are what badblocks promise; a read may still fail. 0 with a new reference, or negative
 * errno.
 */
int repair_preview(const struct repair_job *job, struct incident *in, struct json_object **ret);
