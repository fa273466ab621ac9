/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimms: which DIMMs of an interleave set hold a range? */
#pragma once

#include <stddef.h>

#include "incident.h"

/*
 * Where device.dimms of an incident names several, leave those that hold bytes of its range, as far
 * as the platform tells (NFIT: translate SPA). Else all of the set stay named: each may be the one.
 * Asks firmware: for a worker. 0 or -ENOMEM.
 */
int dimms_narrow(struct incident **incidents, size_t n_incidents);
