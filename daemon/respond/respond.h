/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * respond: do to holders what policy said.
 *
 *   policy -> [respond] -> repair
 *
 * pidfd_open first, then check that this process (same start time) still holds the lost bytes,
 * then signal: a reused pid or a process that let go meanwhile is never hit. A process that mapped
 * them holds them as long as it maps them; that it has the file open besides was judged by another
 * key. All holders of the incident are handled at once, so one grace period serves all. Blocks for
 * up to the longest grace period and 2 s more: call it in a worker.
 */
#pragma once

#include <stdbool.h>

#include "incident.h"

/*
 * Called when one holder's outcome is known; the holder's `outcome` and `reason` are set.
 *
 *   outcome       event               what happened
 *   "reported"    holder.reported     nothing was to be done but tell
 *   "dry-run"     holder.reported     nothing was done, the reason says what would have been
 *   "exited"      holder.reported     it was gone before we came
 *   "signalled"   holder.signalled    the signal is queued
 *   "terminated"  holder.terminated   it ended on SIGTERM
 *   "killed"      holder.terminated   it ended on SIGKILL
 *   "stopped"     holder.terminated   it ended because its unit was stopped
 *   "survived"    holder.survived     it lives, and holds the lost bytes no more
 *   "failed"      holder.survived     it lives, and may hold them still: the reason says why
 */
typedef void (*respond_each)(const struct incident *in, const struct holder *holder,
			     const char *event, void *userdata);

/*
 * 0, or the first negative errno if anything could not be done (said in that holder's outcome and
 * reason). dry_run: only say what would be done.
 */
int respond_to_holders(int proc_fd, struct incident *in, bool dry_run, respond_each each,
		       void *userdata);
