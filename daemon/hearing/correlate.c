// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * correlate: see correlate.h.
 *
 * What belongs together runs in one task: the kernel's worker, or the process that met the lost
 * bytes. So the thread id joins reports, within a second. Anybody can send himself the signal that
 * the kernel sends: one without a failure in the same task is dropped, silently, as it is nothing.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hearing/correlate.h"
#include "incident.h"

#define N_CASES	  64u
#define N_CHECKS  64u
#define N_SIGNALS 64u

#define NEAR_USEC 1000000u

struct waiting_signal {
	struct kernel_report report; /* its comm points to the copy below */
	char comm[32];
	bool used;
};

struct correlate {
	struct correlate_callbacks callbacks;
	void *userdata;
	struct failure_case cases[N_CASES];
	pid_t tids[N_CASES]; /* of cases, together: looked through for each report */
	size_t n_cases; /* ever; the oldest makes room */
	struct range checks[N_CHECKS];
	size_t n_checks;
	struct waiting_signal signals[N_SIGNALS];
	size_t n_signals, n_waiting;
};

struct correlate *correlate_new(const struct correlate_callbacks *callbacks, void *userdata)
{
	struct correlate *c = calloc(1, sizeof(*c));

	assert(callbacks);
	if (!c)
		return NULL;
	c->callbacks = *callbacks;
	c->userdata = userdata;
	return c;
}

struct correlate *correlate_free(struct correlate *c)
{
	free(c);
	return NULL;
}

/* ---- cases ---- */

static bool is_near(uint64_t a_usec, uint64_t b_usec)
{
	return a_usec > b_usec ? a_usec - b_usec <= NEAR_USEC : b_usec - a_usec <= NEAR_USEC;
}

static size_t n_kept(size_t n, size_t room)
{
	return n < room ? n : room;
}

/* The i-th youngest. */
static struct failure_case *case_at(const struct correlate *c, size_t i)
{
	return (struct failure_case *)&c->cases[(c->n_cases - 1 - i) % N_CASES];
}

static bool is_of(const struct correlate *c, size_t i, pid_t tid)
{
	return c->tids[(c->n_cases - 1 - i) % N_CASES] == tid;
}

static struct failure_case *case_new(struct correlate *c, const struct kernel_report *report)
{
	size_t i = c->n_cases++ % N_CASES;
	struct failure_case *new = &c->cases[i];

	c->tids[i] = report->running_tid;
	/* Not all of it: what it touches has been shared with a worker since, and is copied. */
	memset(new, 0, offsetof(struct failure_case, page.name));
	new->page.name[0] = '\0';
	new->phys_start = report->phys.start_bytes;
	new->running_tid = report->running_tid;
	return new;
}

static bool covers(const struct failure_case *f, uint64_t usec)
{
	if (f->begun_usec && usec < f->begun_usec)
		return false;
	if (f->ended_usec && usec > f->ended_usec)
		return false;
	/* Where one end is not known, only what is near the other belongs to it. */
	if (f->begun_usec && f->ended_usec)
		return true;
	return f->ended_usec ? is_near(usec, f->ended_usec)
			     : f->begun_usec && is_near(usec, f->begun_usec);
}

/* The case in whose time this task was at it. */
static struct failure_case *case_during(const struct correlate *c, pid_t tid, uint64_t usec)
{
	for (size_t i = 0; i < n_kept(c->n_cases, N_CASES); i++)
		if (is_of(c, i, tid) && covers(case_at(c, i), usec))
			return case_at(c, i);
	return NULL;
}

/* The one that this end belongs to: begun by the same task for the same page, and not over. */
static struct failure_case *case_to_end(const struct correlate *c,
					const struct kernel_report *report)
{
	for (size_t i = 0; i < n_kept(c->n_cases, N_CASES); i++) {
		struct failure_case *f;

		if (!is_of(c, i, report->running_tid))
			continue;
		f = case_at(c, i);
		if (f->phys_start != report->phys.start_bytes || f->has_returned)
			continue;
		if (!f->ended_usec || is_near(f->ended_usec, report->seen_usec))
			return f;
	}
	return NULL;
}

/* ---- signals ---- */

static bool has_signal(const struct failure_case *f, const struct kernel_report *signal)
{
	for (unsigned i = 0; i < f->n_signals; i++)
		if (f->signals[i].pid == signal->pid &&
		    f->signals[i].start_ticks == signal->start_ticks &&
		    f->signals[i].code == signal->code)
			return true;
	return false;
}

static void attach(struct correlate *c, struct failure_case *f, const struct kernel_report *signal)
{
	struct case_signal *new;

	if (has_signal(f, signal))
		return;
	if (f->n_signals < CASE_MAX_SIGNALS) {
		new = &f->signals[f->n_signals++];
		*new = (struct case_signal){ .pid = signal->pid,
					     .start_ticks = signal->start_ticks,
					     .code = signal->code,
					     .virt_start = signal->virt_start };
		snprintf(new->comm, sizeof(new->comm), "%s", signal->comm ? signal->comm : "");
	}
	c->callbacks.on_signalled(f, signal, c->userdata);
}

static void attach_waiting(struct correlate *c, struct failure_case *f)
{
	for (size_t i = 0; c->n_waiting && i < N_SIGNALS; i++) {
		struct waiting_signal *w = &c->signals[i];

		if (!w->used || w->report.running_tid != f->running_tid ||
		    !covers(f, w->report.seen_usec))
			continue;
		w->used = false;
		c->n_waiting--;
		attach(c, f, &w->report);
	}
}

static void take_signal(struct correlate *c, const struct kernel_report *report)
{
	struct failure_case *f = case_during(c, report->running_tid, report->seen_usec);
	struct waiting_signal *w;

	if (f) {
		attach(c, f, report);
		return;
	}
	w = &c->signals[c->n_signals++ % N_SIGNALS];
	c->n_waiting += !w->used;
	w->report = *report;
	snprintf(w->comm, sizeof(w->comm), "%s", report->comm ? report->comm : "");
	w->report.comm = w->comm;
	w->used = true;
}

/* ---- reports ---- */

static void take_check(struct correlate *c, const struct kernel_report *report)
{
	if (report->corrected)
		return;
	c->checks[c->n_checks++ % N_CHECKS] = report->phys;
	c->callbacks.on_heard(report->phys, c->userdata);
}

/*
 * The case that this report begins. Its end may have come first, from another processor; and two
 * programs see the same beginning, in an order that is the kernel's.
 */
static struct failure_case *begin_case(struct correlate *c, const struct kernel_report *report)
{
	struct failure_case *f = case_to_end(c, report);

	if (f && f->begun_usec && !f->ended_usec && is_near(f->begun_usec, report->seen_usec)) {
		if (report->seen_usec < f->begun_usec)
			f->begun_usec = report->seen_usec;
		return f;
	}
	if (!f || f->begun_usec || !f->ended_usec || f->ended_usec < report->seen_usec)
		f = case_new(c, report);
	f->begun_usec = report->seen_usec;
	return f;
}

static void take_entry(struct correlate *c, const struct kernel_report *report)
{
	struct failure_case *f = begin_case(c, report);

	attach_waiting(c, f);
}

static void tell(struct correlate *c, struct failure_case *f, const char *page_type,
		 const char *result)
{
	if (f->told)
		return;
	f->told = true;
	stpncpy(f->page_type, page_type, sizeof(f->page_type) - 1);
	stpncpy(f->result, result, sizeof(f->result) - 1);
	c->callbacks.on_failure(f, c->userdata);
}

static void take_end(struct correlate *c, const struct kernel_report *report)
{
	struct failure_case *f = case_to_end(c, report);
	bool is_news = true;

	if (!f)
		f = case_new(c, report);
	if (f->ended_usec < report->seen_usec)
		f->ended_usec = report->seen_usec;
	if (report->kind == REPORT_FAILURE) {
		tell(c, f, report->page_type, report->result);
	} else {
		f->has_returned = true;
		/* The tracepoint is passed over for a page that was poisoned before. */
		is_news = !f->told;
		if (report->error == -EHWPOISON)
			tell(c, f, "unknown", "already-poisoned");
	}
	attach_waiting(c, f);
	if (is_news)
		c->callbacks.on_heard((struct range){ f->phys_start, PAGE_BYTES }, c->userdata);
}

static void take_dax(struct correlate *c, const struct kernel_report *report)
{
	struct failure_case *f = case_during(c, report->running_tid, report->seen_usec);

	if (f && f->n_files < CASE_MAX_FILES)
		f->files[f->n_files++] = (struct case_file){ report->dev, report->inode,
							     report->file_range };
}

/* Which page it is, only one of the two programs that may tell it knows; the other is within. */
static void take_page(struct correlate *c, const struct kernel_report *report)
{
	struct failure_case *f = report->phys.length_bytes
					 ? begin_case(c, report)
					 : case_during(c, report->running_tid, report->seen_usec);

	if (f && f->page.use == PAGE_UNSEEN)
		f->page = *report->page;
}

static void take_name(struct correlate *c, const struct kernel_report *report)
{
	struct failure_case *f = case_during(c, report->running_tid, report->seen_usec);

	if (f && f->page.use == PAGE_FILE)
		snprintf(f->page.name, sizeof(f->page.name), "%s", report->name);
}

void correlate_take(struct correlate *c, const struct kernel_report *report)
{
	switch (report->kind) {
	case REPORT_CHECK:
		take_check(c, report);
		break;
	case REPORT_ENTRY:
		take_entry(c, report);
		break;
	case REPORT_FAILURE:
	case REPORT_RETURN:
		take_end(c, report);
		break;
	case REPORT_SIGNAL:
		take_signal(c, report);
		break;
	case REPORT_DAX:
		take_dax(c, report);
		break;
	case REPORT_PAGE:
		take_page(c, report);
		break;
	case REPORT_NAME:
		take_name(c, report);
		break;
	case REPORT_UNPOISON:
		c->callbacks.on_given_back(report->phys, c->userdata);
		break;
	case REPORT_CORRECTED:
		break;
	}
}

/* ---- questions ---- */

static bool is_about(const struct failure_case *f, struct range phys)
{
	return range_overlaps(phys, (struct range){ f->phys_start, PAGE_BYTES });
}

const struct failure_case *correlate_case(const struct correlate *c, struct range phys)
{
	for (size_t i = 0; i < n_kept(c->n_cases, N_CASES); i++)
		if (case_at(c, i)->told && is_about(case_at(c, i), phys))
			return case_at(c, i);
	return NULL;
}

uint32_t correlate_sources(const struct correlate *c, struct range phys)
{
	uint32_t sources = 0;

	for (size_t i = 0; i < n_kept(c->n_checks, N_CHECKS); i++)
		if (range_overlaps(c->checks[i], phys))
			sources |= SOURCE_MCE;
	for (size_t i = 0; i < n_kept(c->n_cases, N_CASES); i++)
		if (case_at(c, i)->ended_usec && is_about(case_at(c, i), phys))
			sources |= SOURCE_MEMORY_FAILURE;
	return sources;
}

int correlate_signalled(const struct correlate *c, struct range phys, pid_t pid,
			uint64_t start_ticks)
{
	for (size_t i = 0; i < n_kept(c->n_cases, N_CASES); i++) {
		const struct failure_case *f = case_at(c, i);

		for (unsigned k = 0; is_about(f, phys) && k < f->n_signals; k++)
			if (f->signals[k].pid == pid && f->signals[k].start_ticks == start_ticks)
				return f->signals[k].code;
	}
	return 0;
}
