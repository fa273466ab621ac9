/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hearing: what the kernel reports, told and passed on.
 *
 *   source/kernel -> correlate, corrected -> [hearing] -> feed, flow
 *
 * It writes the kernel.* events, and tells the flow when more is known about a range.
 */
#pragma once

#include <systemd/sd-event.h>

#include "cleanup.h"
#include "hearing/correlate.h"
#include "degraded.h"
#include "feed/feed.h"

struct flow;
struct hearing;

/* Without BPF it is deaf, which is told as degraded, and correlates nothing. skip_programs: as
 * kernel_new(). 0, -ENOMEM. */
int hearing_new(sd_event *event, struct feed *feed, struct degraded *degraded,
		uint32_t skip_programs, struct hearing **ret);
struct hearing *hearing_free(struct hearing *h); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct hearing *, hearing_free);

void hearing_set_flow(struct hearing *h, struct flow *flow); /* NULL: none any more */
const struct correlate *hearing_correlate(const struct hearing *h);
bool hearing_is_deaf(const struct hearing *h);

/* Reports of the kernel that did not fit into the ring, since the start. */
uint64_t hearing_n_lost(const struct hearing *h);
