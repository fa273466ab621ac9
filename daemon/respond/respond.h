/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * respond: do to holders what policy said.
 *
 *   policy -> [respond] -> repair
 *
 * pidfd_open first, then check that this process (same start time) still holds the lost bytes, then signal: a reused pid or
 * a process that let go meanwhile is never hit. All holders of the incident are handled at once, so one grace period
 * serves all. Blocks for up to the longest grace period: call it in a worker.
 */
#pragma once

#include <stdbool.h>

#include "incident.h"

/*
 * Called when one holder's outcome is known (holder.reported, .signalled, .terminated, .survived: `event`). The holder's `outcome` is set.
 */
typedef void (*respond_each)(const struct incident *in, const struct holder *holder, const char *event,
			     void *userdata);

/* 0, or negative errno if anything could not be done (said in that holder's outcome and reason). dry_run: only say what would be done. */
int respond_to_holders(int proc_fd, struct incident *in, bool dry_run, respond_each each, void *userdata);
