// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/search: the owners that only a search through all inodes can find.
 *
 *   flow/resolve -> [flow/search] -> owners, holders (in the worker) -> policy -> flow/respond
 *
 * On a filesystem without a reverse map, holders of open files were found at once and are being
 * answered while this goes on; the repair waits for it. One search at a time, for all incidents
 * that need one then; those that come meanwhile are the next. It ends early when the last of its
 * incidents does.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flow/flow-private.h"
#include "holders/holders.h"
#include "json-fields.h"
#include "log.h"
#include "owners/owners.h"

/* Tens of millions of inodes on a slow disk. */
#define SEARCH_TIMEOUT_USEC (12 * 3600 * USEC_PER_SEC)

struct search_batch {
	struct flow *flow;
	struct worker *worker;
	struct incident **incidents; /* borrowed; for the child of the fork alone */
	uint64_t *numbers;
	size_t n;
};

static void batch_free(struct search_batch *batch)
{
	worker_free(batch->worker);
	free(batch->incidents);
	free(batch->numbers);
	free(batch);
}

/* ---- in the worker ---- */

struct progress {
	struct worker_link *link;
	time_t told; /* CLOCK_MONOTONIC, whole seconds: told once in each */
};

static void tell_progress(uint64_t n_done, uint64_t n_total, void *userdata)
{
	struct json_fields f = { 0 };
	struct progress *p = userdata;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec == p->told)
		return;
	p->told = now.tv_sec;
	f = json_fields_new();
	field_put_uint(&f, "n_done", n_done);
	field_put_uint(&f, "n_total", n_total);
	if (f.r == 0)
		worker_tell(p->link, f.object);
	json_object_put(f.object);
}

static int tell_found(struct worker_link *link, uint64_t number, const struct incident *in)
{
	_cleanup_(json_object_putp) struct json_object *message = json_object_new_object();
	struct json_object *incident = incident_to_json(in);

	if (!message || !incident) {
		json_object_put(incident);
		return -ENOMEM;
	}
	json_object_object_add(message, "number", json_object_new_uint64(number));
	json_object_object_add(message, "incident", incident);
	return worker_tell(link, message);
}

static int run(struct worker_link *link, void *job)
{
	const struct search_batch *batch = job;
	_cleanup_(closep) int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct progress progress = { .link = link };
	struct scan_how how = {
		.hints_directory = batch->flow->parts.state_dir,
		.progress = tell_progress,
		.userdata = &progress,
	};
	int r;

	if (proc_fd < 0)
		return -errno;
	r = owners_find(batch->incidents, batch->n, &how);
	if (r >= 0)
		r = holders_find(proc_fd, batch->incidents, batch->n);
	for (size_t i = 0; r >= 0 && i < batch->n; i++)
		r = tell_found(link, batch->numbers[i], batch->incidents[i]);
	return r;
}

/* ---- in the daemon ---- */

static void on_progress(const struct search_batch *batch, uint64_t n_done, uint64_t n_total)
{
	char reason[128];

	snprintf(reason, sizeof(reason),
		 "no reverse map: %" PRIu64 " of about %" PRIu64 " inodes searched so far", n_done,
		 n_total);
	for (size_t i = 0; i < batch->n; i++) {
		struct journey *j = journey_find(batch->flow, batch->numbers[i]);

		if (j && j->in->owners_searching)
			string_set(&j->in->owners_reason, reason);
	}
}

static void take_found(struct journey *j)
{
	struct incident *found = TAKE(j->found);

	journey_take_findings(j, found);
	incident_free(found);
	j->in->owners_searching = false;
	journey_resolved(j, NULL);
}

static void on_found(struct search_batch *batch, uint64_t number, struct json_object *incident)
{
	struct journey *j = journey_find(batch->flow, number);
	struct incident *found;
	int r;

	if (!j || !j->in->owners_searching)
		return;
	r = incident_from_json(incident, &found);
	if (r < 0) {
		log_err(r, "Cannot read what the search found about incident %" PRIu64, number);
		return;
	}
	incident_free(j->found);
	j->found = found;
	if (!j->busy)
		take_found(j);
}

static void on_message(struct worker *w, struct json_object *message, bool wants_reply,
		       void *userdata)
{
	struct json_fields f = { .object = message };
	struct search_batch *batch = userdata;
	uint64_t number = 0, n_done = 0, n_total = 0;
	struct json_object *incident;

	if (json_object_object_get_ex(message, "incident", &incident)) {
		field_get_uint(&f, "number", &number);
		on_found(batch, number, incident);
		return;
	}
	field_get_uint(&f, "n_done", &n_done);
	field_get_uint(&f, "n_total", &n_total);
	on_progress(batch, n_done, n_total);
}

/* What is left without an answer stays as it was found at once. */
static void give_up(struct journey *j, int r)
{
	j->in->owners_searching = false;
	string_set(&j->in->owners_reason, r == -ETIME
						  ? "the search through all inodes took too long"
						  : "the search through all inodes failed");
	flow_save(j->flow, j->in);
}

static void on_done(struct worker *w, int r, void *userdata)
{
	struct search_batch *batch = userdata;
	struct flow *f = batch->flow;

	if (r < 0)
		log_warn(r, "The search for owners failed, going on without them");
	for (size_t i = 0; i < batch->n; i++) {
		struct journey *j = journey_find(f, batch->numbers[i]);

		if (j && j->in->owners_searching && !j->found)
			give_up(j, r);
	}
	f->searching = NULL;
	batch_free(batch);
	flow_rescan(f);
}

static const struct worker_ops ops = {
	.name = "hwp-search",
	.run = run,
	.on_message = on_message,
	.on_done = on_done,
	.timeout_usec = SEARCH_TIMEOUT_USEC,
	.only_reads = true,
};

static bool wants_search(const struct journey *j)
{
	return j->in->owners_searching && !j->found && j->stage != STAGE_RESOLVE;
}

static int start(struct flow *f)
{
	struct search_batch *batch = calloc(1, sizeof(*batch));
	int r = -ENOMEM;

	if (!batch)
		return r;
	batch->flow = f;
	batch->incidents = calloc(f->n_journeys, sizeof(*batch->incidents));
	batch->numbers = calloc(f->n_journeys, sizeof(*batch->numbers));
	for (size_t i = 0; batch->incidents && batch->numbers && i < f->n_journeys; i++) {
		struct journey *j = f->journeys[i];

		if (!wants_search(j))
			continue;
		batch->incidents[batch->n] = j->in;
		batch->numbers[batch->n++] = j->in->number;
	}
	if (batch->n)
		r = worker_start(f->parts.event, &ops, batch, batch, &batch->worker);
	if (r < 0) {
		batch_free(batch);
		return r;
	}
	f->searching = batch;
	return 0;
}

static bool is_needed(const struct search_batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		if (journey_find(batch->flow, batch->numbers[i]))
			return true;
	return false;
}

void search_pump(struct flow *f)
{
	bool wanted = false;
	int r;

	for (size_t i = 0; i < f->n_journeys; i++) {
		if (f->journeys[i]->found && !f->journeys[i]->busy)
			take_found(f->journeys[i]);
		wanted = wanted || wants_search(f->journeys[i]);
	}
	if (f->searching && !is_needed(f->searching))
		search_cancel(f);
	if (f->searching || !wanted)
		return;
	r = start(f);
	if (r < 0)
		log_err(r, "Cannot start to search for owners, the next change tries again");
}

void search_cancel(struct flow *f)
{
	if (f->searching)
		batch_free(TAKE(f->searching));
}
