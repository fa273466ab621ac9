// SPDX-License-Identifier: GPL-2.0-or-later
/* hearing: see hearing.h. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "hearing/corrected.h"
#include "hearing/failures.h"
#include "flow/flow.h"
#include "hearing/hearing.h"
#include "json-fields.h"
#include "json-text.h"
#include "hearing/losses.h"
#include "source/kernel.h"

#define CORRECTED_PERIOD_USEC 60000000u
#define FAILURES_PERIOD_USEC  1000000u

struct hearing {
	struct feed *feed;
	struct degraded *degraded;
	struct flow *flow;
	struct kernel_source *kernel;
	struct correlate *correlate;
	struct corrected *corrected;
	struct failures *failures;
	struct losses *losses;
	sd_event *event;
	sd_event_source *corrected_end, *failures_end; /* of a period, else NULL */
	uint64_t n_lost; /* reports that did not fit into the ring */
};

/* ---- what is told ---- */

static struct json_object *file_to_json(const struct case_file *file)
{
	struct json_fields f = json_fields_new();
	char dev[32];

	snprintf(dev, sizeof(dev), "%u:%u", major(file->dev), minor(file->dev));
	field_put_string(&f, "dev", dev);
	field_put_uint(&f, "inode", file->inode);
	field_put_uint(&f, "file_offset_bytes", file->bytes.start_bytes);
	field_put_uint(&f, "length_bytes", file->bytes.length_bytes);
	return json_fields_done(&f);
}

/* All that the kernel tried; or the one that had a page of plain memory in the cache. */
static struct json_object *files_to_json(const struct failure_case *c)
{
	struct case_file cached = { c->page.dev,
				    c->page.inode,
				    { c->page.offset_bytes, PAGE_BYTES } };
	struct json_object *files;

	if (!c->n_files && (c->page.use != PAGE_FILE || !strcmp(c->page_type, "dax")))
		return NULL;
	files = json_object_new_array();
	if (files && !c->n_files)
		json_object_array_add(files, file_to_json(&cached));
	for (unsigned i = 0; files && i < c->n_files; i++)
		json_object_array_add(files, file_to_json(&c->files[i]));
	return files;
}

static void on_heard(struct range phys, void *userdata)
{
	struct hearing *h = userdata;

	if (h->flow)
		flow_heard(h->flow, phys);
}

static void on_given_back(struct range phys, void *userdata)
{
	struct hearing *h = userdata;

	if (h->flow)
		flow_given_back(h->flow, phys);
}

static struct json_object *ranges_to_json(const struct failure_run *runs, size_t n_runs)
{
	struct json_object *ranges = json_object_new_array_ext((int)n_runs);

	for (size_t i = 0; ranges && i < n_runs; i++) {
		struct json_fields f = json_fields_new();

		field_put_hex(&f, "phys_start", runs[i].phys.start_bytes);
		field_put_uint(&f, "length_bytes", runs[i].phys.length_bytes);
		json_object_array_add(ranges, json_fields_done(&f));
	}
	return ranges;
}

static void tell_failure(const struct failure_run *runs, size_t n_runs,
			 const struct failure_case *one, void *userdata)
{
	struct hearing *h = userdata;
	_cleanup_(json_text_free) struct json_text t = json_text_new();
	uint64_t n = 0, length_bytes = 0;

	for (size_t i = 0; i < n_runs; i++) {
		n += runs[i].n;
		length_bytes += runs[i].phys.length_bytes;
	}
	text_put_hex(&t, "phys_start", runs[0].phys.start_bytes);
	text_put_uint(&t, "length_bytes", length_bytes);
	text_put_string(&t, "page_type", runs[0].page_type);
	text_put_string(&t, "result", runs[0].result);
	text_put_uint(&t, "count", n);
	if (one)
		text_put_object(&t, "files", files_to_json(one));
	if (n_runs > 1)
		text_put_object(&t, "ranges", ranges_to_json(runs, n_runs));
	feed_send_text(h->feed, "kernel.memory_failure", SEVERITY_CRITICAL, json_text_done(&t));
}

static void on_signalled(const struct failure_case *c, const struct kernel_report *signal,
			 void *userdata)
{
	struct hearing *h = userdata;
	struct json_fields f = json_fields_new();

	field_put_uint(&f, "pid", (uint64_t)signal->pid);
	field_put_uint(&f, "start_ticks", signal->start_ticks);
	field_put_string(&f, "comm", signal->comm);
	field_put_string(&f, "code",
			 signal->code == BUS_MCEERR_AR ? "BUS_MCEERR_AR" : "BUS_MCEERR_AO");
	field_put_hex(&f, "virt_start", signal->virt_start);
	field_put_hex(&f, "phys_start", c->phys_start);
	feed_send(h->feed, "kernel.signalled", SEVERITY_WARNING, 0, f.object);
	json_object_put(f.object);
	on_heard((struct range){ c->phys_start, PAGE_BYTES }, h);
}

static void tell_corrected(const struct corrected_count *count, void *userdata)
{
	struct hearing *h = userdata;
	_cleanup_(json_text_free) struct json_text t = json_text_new();

	text_put_uint(&t, "count", count->n);
	text_put_string(&t, "label", count->label);
	if (count->controller >= 0)
		text_put_uint(&t, "memory_controller", (uint64_t)count->controller);
	if (count->phys_start)
		text_put_hex(&t, "phys_start", count->phys_start);
	feed_send_text(h->feed, "kernel.corrected", SEVERITY_WARNING, json_text_done(&t));
}

/* ---- what is heard ---- */

static int begin_period(struct hearing *h, sd_event_source **source, uint64_t usec,
			sd_event_time_handler_t end)
{
	*source = sd_event_source_disable_unref(*source);
	return sd_event_add_time_relative(h->event, source, CLOCK_MONOTONIC, usec, 0, end, h);
}

/* With others in between. */
static int on_failures_end(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct hearing *h = userdata;
	bool more = failures_flush(h->failures);

	if (more && begin_period(h, &h->failures_end, 0, on_failures_end) >= 0)
		return 0;
	while (more)
		more = failures_flush(h->failures);
	h->failures_end = sd_event_source_disable_unref(h->failures_end);
	return 0;
}

/* As long as there are sums there is another period, since the kernel counts on before it tells. */
static int on_corrected_end(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct hearing *h = userdata;
	bool any;

	h->corrected_end = sd_event_source_disable_unref(h->corrected_end);
	any = kernel_take_sums(h->kernel);
	corrected_flush(h->corrected);
	if (any)
		begin_period(h, &h->corrected_end, CORRECTED_PERIOD_USEC, on_corrected_end);
	return 0;
}

static void on_sums(void *userdata)
{
	struct hearing *h = userdata;

	if (!h->corrected_end)
		begin_period(h, &h->corrected_end, CORRECTED_PERIOD_USEC, on_corrected_end);
}

/* Where there can be no period, each one is told by itself. */
static void take_corrected(struct hearing *h, const struct kernel_report *report)
{
	if (corrected_take(h->corrected, report) &&
	    begin_period(h, &h->corrected_end, CORRECTED_PERIOD_USEC, on_corrected_end) < 0)
		corrected_flush(h->corrected);
}

static void on_failure(const struct failure_case *c, void *userdata)
{
	struct hearing *h = userdata;

	if (failures_take(h->failures, c) &&
	    begin_period(h, &h->failures_end, FAILURES_PERIOD_USEC, on_failures_end) < 0)
		while (failures_flush(h->failures))
			;
	if (h->flow)
		flow_failed(h->flow, c);
}

static void on_report(const struct kernel_report *report, void *userdata)
{
	struct hearing *h = userdata;

	if (report->kind == REPORT_CORRECTED || report->corrected)
		take_corrected(h, report);
	else
		correlate_take(h->correlate, report);
}

static void on_lost(const struct kernel_losses *total, void *userdata)
{
	struct hearing *h = userdata;

	h->n_lost = total->n_reports;
	losses_take(h->losses, total);
}

/* What was lost may have been about a range that a list knows. */
static void on_losses_told(void *userdata)
{
	struct hearing *h = userdata;

	if (h->flow) {
		flow_rescan(h->flow);
		flow_ram_rescan(h->flow);
	}
}

static void on_degraded(const char *what, const char *reason, void *userdata)
{
	struct hearing *h = userdata;

	degraded_begin(h->degraded, what, reason);
}

int hearing_new(sd_event *event, struct feed *feed, struct degraded *degraded,
		uint32_t skip_programs, struct hearing **ret)
{
	static const struct kernel_callbacks kernel_callbacks = { on_report, on_sums, on_lost,
								  on_degraded };
	static const struct correlate_callbacks correlate_callbacks = { on_failure, on_signalled,
									on_heard, on_given_back };
	_cleanup_(hearing_freep) struct hearing *h = calloc(1, sizeof(*h));
	const char *reason = NULL;
	int r;

	if (!h)
		return -ENOMEM;
	h->event = event;
	h->feed = feed;
	h->degraded = degraded;
	h->correlate = correlate_new(&correlate_callbacks, h);
	h->corrected = corrected_new(tell_corrected, h);
	h->losses = losses_new(event, degraded, on_losses_told, h);
	h->failures = failures_new(tell_failure, h);
	if (!h->correlate || !h->corrected || !h->failures || !h->losses)
		return -ENOMEM;
	r = kernel_new(event, &kernel_callbacks, h, skip_programs, &h->kernel, &reason);
	if (r < 0)
		degraded_begin(degraded, "kernel events", reason ?: strerror(-r));
	*ret = TAKE(h);
	return 0;
}

struct hearing *hearing_free(struct hearing *h)
{
	if (!h)
		return NULL;
	kernel_free(h->kernel); /* tells what it has lost */
	losses_free(h->losses);
	sd_event_source_disable_unref(h->corrected_end);
	sd_event_source_disable_unref(h->failures_end);
	corrected_free(h->corrected); /* tells what is counted */
	failures_free(h->failures); /* as well */
	correlate_free(h->correlate);
	free(h);
	return NULL;
}

void hearing_set_flow(struct hearing *h, struct flow *flow)
{
	h->flow = flow;
}

const struct correlate *hearing_correlate(const struct hearing *h)
{
	return h->correlate;
}

bool hearing_is_deaf(const struct hearing *h)
{
	return !h->kernel;
}

uint64_t hearing_n_lost(const struct hearing *h)
{
	return h->n_lost;
}
