/* SPDX-License-Identifier: GPL-2.0-or-later */
/* measure: what the metrics file says of the stations. */
#pragma once

#include "degraded.h"
#include "feed/metrics.h"
#include "flow/flow.h"
#include "hearing/hearing.h"

struct measured { /* all stay the caller's; any may be NULL while we start and end */
	const struct config *const *config;
	struct feed *feed;
	struct flow *const *flow;
	struct hearing *const *hearing;
	struct ledger *ledger;
	struct degraded *degraded;
};

void measure(const struct measured *of, struct metrics_values *ret);
