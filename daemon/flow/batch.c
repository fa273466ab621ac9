// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/batch: many incidents at once, with one wait for the disk.
 *
 *   flow, flow/ram, flow/resolve -> [flow/batch] -> ledger, feed
 *
 * In:   incidents to be saved, by the hundred when a DIMM dies.
 * Out:  one commit for all that came in the same turn of the loop, and only then the news of those
 *       that begin: what was told is on record.
 *
 * A commit takes milliseconds. One for each page that fails would keep everybody else waiting for
 * as long as the storm lasts.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "flow/flow-private.h"
#include "log.h"

static void note_ledger(struct flow *f, int r)
{
	if (r < 0 && !f->ledger_failed && f->parts.ledger)
		f->parts.degraded("ledger", strerror(-r), f->parts.userdata);
	if (r >= 0 && f->ledger_failed)
		f->parts.restored("ledger", f->parts.userdata);
	f->ledger_failed = r < 0;
}

bool flow_save(struct flow *f, struct incident *in)
{
	int r;

	in->updated_usec = now_usec();
	/* Where no batch can begin, each is on record by itself. */
	if (f->in_batch && f->parts.ledger)
		ledger_begin(f->parts.ledger);
	r = f->parts.ledger ? ledger_put_incident(f->parts.ledger, in) : -ENODEV;
	if (in->number == 0)
		in->number = f->last_number + 1; /* an alert needs a number in any case */
	if (in->number > f->last_number)
		f->last_number = in->number;

	/* In a batch, that it went well is told by the commit. */
	f->n_batched += f->in_batch;
	if (r < 0 || !f->in_batch)
		note_ledger(f, r);
	return r >= 0;
}

static void tell(struct journey *j)
{
	const struct device *device = &j->in->device;

	j->untold = false;
	log_notice(0, "Poison at 0x%" PRIx64 ", %" PRIu64 " bytes, on %s: incident %" PRIu64 " begins",
		   j->in->phys.start_bytes, j->in->phys.length_bytes,
		   device->blockdev ?: device->region ?: device->mode ?: "an unknown device",
		   j->in->number);
	feed_send_incident(j->flow->parts.feed, "poison.found", SEVERITY_CRITICAL, j->in, NULL);
}

void flow_tell_begun(struct journey *j)
{
	if (j->flow->in_batch)
		j->untold = true;
	else
		tell(j);
}

static int on_soon(sd_event_source *source, void *userdata)
{
	struct flow *f = userdata;
	bool scan = f->scan_soon;

	f->scan_soon = false;
	f->soon = sd_event_source_disable_unref(f->soon);
	flow_settle(f);
	if (scan)
		flow_rescan(f);
	else
		flow_pump(f);
	return 0;
}

/* Before all others: a worker is answered only when what was saved before is on record. */
static int come_back(struct flow *f)
{
	int r = 0;

	if (!f->soon)
		r = sd_event_add_defer(f->parts.event, &f->soon, on_soon, f);
	if (r >= 0)
		r = sd_event_source_set_priority(f->soon, f->in_batch ? SD_EVENT_PRIORITY_IMPORTANT
								      : SD_EVENT_PRIORITY_NORMAL);
	return r;
}

void flow_batch(struct flow *f)
{
	if (f->in_batch)
		return;
	f->in_batch = true;
	if (come_back(f) < 0)
		flow_settle(f);
}

static void commit(struct flow *f)
{
	size_t n = f->n_batched;

	f->n_batched = 0;
	if (n && f->parts.ledger)
		note_ledger(f, ledger_commit(f->parts.ledger));
}

/* Begun ones are the youngest, and those are the last in the table. */
void flow_settle(struct flow *f)
{
	size_t first = f->n_journeys;

	if (!f->in_batch)
		return;
	f->in_batch = false;
	commit(f);
	while (first > 0 && f->journeys[first - 1]->untold)
		first--;
	for (size_t i = first; i < f->n_journeys; i++)
		tell(f->journeys[i]);
	/* Those that begin want to go on. */
	if (!f->scan_soon && first == f->n_journeys)
		f->soon = sd_event_source_disable_unref(f->soon);
}

void flow_rescan_soon(struct flow *f)
{
	f->scan_soon = true;
	if (come_back(f) < 0)
		flow_rescan(f);
}
