// SPDX-License-Identifier: GPL-2.0-or-later
/* losses: see losses.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json-fields.h"
#include "hearing/losses.h"

#define WHAT "kernel events"

#define GROWS_USEC 2000000u
#define QUIET_USEC 60000000u

struct losses {
	struct degraded *degraded;
	void (*on_told)(void *userdata);
	void *userdata;
	sd_event *event;
	sd_event_source *timer; /* while there is something to wait for, else NULL */
	struct kernel_losses total, told;
	bool is_quiet; /* what the timer waits for: nothing more, for a minute */
};

struct losses *losses_new(sd_event *event, struct degraded *degraded,
			  void (*on_told)(void *userdata), void *userdata)
{
	struct losses *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->event = event;
	l->degraded = degraded;
	l->on_told = on_told;
	l->userdata = userdata;
	return l;
}

static bool has_grown(const struct losses *l)
{
	return memcmp(&l->total, &l->told, sizeof(l->total)) != 0;
}

static void tell(struct losses *l)
{
	_cleanup_(json_object_putp) struct json_object *lost = NULL;
	struct json_fields f = json_fields_new();
	char reason[256];

	l->told = l->total;
	snprintf(reason, sizeof(reason),
		 "since the start, %" PRIu64 " reports of the kernel did not fit into the ring, "
		 "%" PRIu64 " memory failures among them; of %" PRIu64
		 " corrected errors only the number is known",
		 l->told.n_reports, l->told.n_failures, l->told.n_corrected);
	field_put_uint(&f, "reports", l->told.n_reports);
	field_put_uint(&f, "memory_failures", l->told.n_failures);
	field_put_uint(&f, "corrected_errors", l->told.n_corrected);
	lost = json_fields_done(&f);
	degraded_begin_lost(l->degraded, WHAT, reason, lost);
	l->on_told(l->userdata);
}

static void wait_for(struct losses *l, bool is_quiet);

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct losses *l = userdata;
	bool was_quiet = l->is_quiet;

	l->timer = sd_event_source_disable_unref(l->timer);
	if (has_grown(l)) {
		tell(l);
		wait_for(l, false);
	} else if (!was_quiet) {
		wait_for(l, true);
	} else {
		degraded_end(l->degraded, WHAT);
	}
	return 0;
}

/* Without a timer the next loss is told at once, and the end never. */
static void wait_for(struct losses *l, bool is_quiet)
{
	l->is_quiet = is_quiet;
	l->timer = sd_event_source_disable_unref(l->timer);
	if (sd_event_add_time_relative(l->event, &l->timer, CLOCK_MONOTONIC,
				       is_quiet ? QUIET_USEC : GROWS_USEC, 0, on_time, l) < 0)
		l->timer = NULL;
}

void losses_take(struct losses *l, const struct kernel_losses *total)
{
	l->total = *total;
	if (!has_grown(l) || (l->timer && !l->is_quiet))
		return;
	tell(l);
	wait_for(l, false);
}

struct losses *losses_free(struct losses *l)
{
	if (!l)
		return NULL;
	sd_event_source_disable_unref(l->timer);
	if (has_grown(l))
		tell(l);
	free(l);
	return NULL;
}
