// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * measure: what the metrics file says of the stations.
 *
 *   flow, ledger, feed, hearing, degraded -> [measure] -> feed/metrics
 */
#include "measure.h"

static void count_incidents(const struct flow *flow, struct metrics_values *ret)
{
	for (size_t i = 0; i < flow_n_open(flow); i++) {
		const struct incident *in = flow_open_at(flow, i);

		ret->n_open[in->state]++;
		ret->open_bytes += in->phys.length_bytes;
	}
}

void measure(const struct measured *of, struct metrics_values *ret)
{
	ret->dry_run = (*of->config)->dry_run;
	if (*of->flow)
		count_incidents(*of->flow, ret);
	if (of->ledger)
		ledger_lost_bytes(of->ledger, &ret->lost_bytes);
	ret->n_dropped_events = feed_n_dropped(of->feed);
	if (*of->hearing)
		ret->n_dropped_reports = hearing_n_lost(*of->hearing);
	ret->sources = degraded_sources_to_json(of->degraded);
}
