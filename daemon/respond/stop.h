/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stop: the unit of a process is being stopped. */
#pragma once

#include "respond/victim.h"

/* Ask systemd to stop its unit, for its grace period. It is a victim in phase VICTIM_UNIT then, or
 * done. */
void stop_begin(struct respond_job *job, struct victim *t);

/* Look how far that is; over: the grace period is. */
void stop_look(struct respond_job *job, struct victim *t, bool over);
