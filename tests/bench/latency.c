// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * latency: how long from the kernel's event until somebody reads of it?
 *
 *   [latency] ──► events, listeners ──► a table, and JSON
 *
 * Listeners take turns, so that what else the machine does meanwhile is the same for each. Each
 * event comes alone, after a pause in which everybody went to sleep. In a guest with edacbed events
 * are the kernel's own, and rasdaemon hears them too; elsewhere a program in the kernel puts the
 * records into the ring, and what is left out is the few microseconds before.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/events.h"
#include "tests/bench/listeners.h"
#include "tests/bench/measure.h"

/* The daemon tells so many corrected errors at once, and sums up the rest of a minute. */
#define N_IN_TURN 16u
#define N_TURNS	  12u
#define N_ALL	  (N_IN_TURN * N_TURNS)

static const char *const event_names[] = { "mc_event", "memory_failure" };
static const char *const listener_names[] = {
	"the bare ring",
	"the bare ring, and a line to a socket",
	"hwpoisond's JSON line",
	"rasdaemon's line, buffer_percent 0",
};

struct samples {
	double usec[N_ALL];
	size_t n;
};

static struct {
	struct samples sent, read;
} results[N_EVENT_KINDS][N_LISTENERS];

static unsigned n_fired;

static void add(struct samples *s, double usec)
{
	if (usec > 0)
		s->usec[s->n++] = usec;
}

static void take_samples(struct listener *l, enum who who, enum event_kind kind)
{
	for (unsigned i = 0; i < N_IN_TURN; i++) {
		struct heard heard;

		if (!listener_hear(l, kind, ++n_fired, &heard))
			continue;
		add(&results[kind][who].sent, heard.sent_usec);
		add(&results[kind][who].read, heard.read_usec);
	}
}

/* 0; -ENOENT: there is no such listener here. */
static int take_turn(enum who who, const char *hwpoisond)
{
	struct listener *l;
	int r;

	r = listener_new(who, hwpoisond, &l);
	if (r < 0)
		return r;
	take_samples(l, who, CORRECTED);
	if (who != RASDAEMON) /* Debian's does not listen to the other one */
		take_samples(l, who, FAILURE);
	listener_free(l);
	return 0;
}

static double at(struct samples *s, double percent)
{
	return s->n ? percentile(s->usec, s->n, percent) : 0;
}

static void print_row(const char *benchmark, enum event_kind kind, enum who who)
{
	struct samples *sent = &results[kind][who].sent, *read = &results[kind][who].read;
	double bare = at(&results[kind][BARE].read, 50);
	struct json_object *row;
	char name[96];

	if (!read->n)
		return;
	snprintf(name, sizeof(name), "%s, %s", event_names[kind], listener_names[who]);
	row = row_new(benchmark, name);
	if (sent->n) {
		row_put(row, "sent_p50_usec", at(sent, 50));
		row_put(row, "sent_p99_usec", at(sent, 99));
		row_put(row, "sent_x_bare", at(sent, 50) / bare);
	}
	row_put(row, "read_p50_usec", at(read, 50));
	row_put(row, "read_p90_usec", at(read, 90));
	row_put(row, "read_p99_usec", at(read, 99));
	row_put(row, "read_x_bare", at(read, 50) / bare);
	row_put(row, "heard", (double)read->n);
	row_print(row);
}

static void claim(const char *benchmark, enum event_kind kind)
{
	double ours = at(&results[kind][HWPOISOND].read, 50),
	       rasdaemon = at(&results[kind][RASDAEMON].sent, 50);
	char text[128];

	snprintf(text, sizeof(text), "%s: heard of, all of them", event_names[kind]);
	claim_at_least(benchmark, text, (double)results[kind][HWPOISOND].read.n, N_ALL);
	snprintf(text, sizeof(text), "%s: in the socket, of the bare ring's time",
		 event_names[kind]);
	claim_at_most(benchmark, text,
		      at(&results[kind][HWPOISOND].sent, 50) / at(&results[kind][BARE].read, 50),
		      1.5);
	snprintf(text, sizeof(text), "%s: read, of the least for a line by a socket",
		 event_names[kind]);
	claim_at_most(benchmark, text, ours / at(&results[kind][RELAY].read, 50), 1.5);
	snprintf(text, sizeof(text), "%s: sent, rasdaemon's time of ours", event_names[kind]);
	if (rasdaemon > 0)
		claim_at_least(benchmark, text, rasdaemon / at(&results[kind][HWPOISOND].sent, 50),
			       10);
}

static void print_all(void)
{
	const char *benchmark = events_are_real() ? "latency" : "latency-from-ring";

	print_title(benchmark,
		    events_are_real()
			    ? "From the kernel's event until a sleeping reader has read of it"
			    : "From the ring until a sleeping reader has read of it");
	for (enum event_kind kind = 0; kind < N_EVENT_KINDS; kind++)
		for (enum who who = 0; who < N_LISTENERS; who++)
			print_row(benchmark, kind, who);
	for (enum event_kind kind = 0; kind < N_EVENT_KINDS; kind++)
		claim(benchmark, kind);
}

int main(void)
{
	char hwpoisond[4096];
	const char *build = getenv("BUILDDIR");

	snprintf(hwpoisond, sizeof(hwpoisond), "%s/hwpoisond", build ? build : ".");
	signal(SIGPIPE, SIG_IGN);
	for (unsigned turn = 0; turn < N_TURNS; turn++)
		for (enum who who = 0; who < N_LISTENERS; who++) {
			int r;

			if (who == RASDAEMON && !events_are_real())
				continue;
			r = take_turn(who, hwpoisond);
			if (r == -EOPNOTSUPP) {
				printf("SKIP: no BPF programs can be loaded here\n");
				return 77;
			}
			if (r < 0 && (who != RASDAEMON || r != -ENOENT))
				die(listener_names[who], r);
		}
	print_all();
	return 0;
}
