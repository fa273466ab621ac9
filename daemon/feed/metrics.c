// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * metrics: see metrics.h.
 *
 *   feed -> [metrics] -> a file -> node_exporter -> Prometheus
 *
 * In:   every event, and what is open and degraded now.
 * Out:  one file in the text format of Prometheus.
 *
 * node_exporter reads all *.prom of a directory at any time, so the file must never be seen half
 * written, nor under a temporary name that ends like that. It runs as a user of its own: the file
 * is readable for all, and names no file and no process.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "config.h"
#include "feed/message.h"
#include "feed/metrics.h"

#define PERIOD_USEC 1000000u
#define TYPES_MAX   64u

struct metrics {
	struct metrics_parts parts;
	char *path;
	uint64_t subscription;
	uint64_t counts[TYPES_MAX]; /* in the order of message_type_at() */
	uint64_t started_sec;
	uint64_t written_usec;
	sd_event_source *timer; /* armed while there is something to write */
};

/* ---- the text ---- */

static void head(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP hwpoisond_%s %s\n# TYPE hwpoisond_%s %s\n", name, help, name, type);
}

static void put(FILE *f, const char *name, const char *type, const char *help, uint64_t value)
{
	head(f, name, type, help);
	fprintf(f, "hwpoisond_%s %" PRIu64 "\n", name, value);
}

static void put_label(FILE *f, const char *name, const char *label, const char *text,
		      uint64_t value)
{
	fprintf(f, "hwpoisond_%s{%s=\"", name, label);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', f);
		if (*text == '\n')
			fputs("\\n", f);
		else
			fputc(*text, f);
	}
	fprintf(f, "\"} %" PRIu64 "\n", value);
}

static void put_events(FILE *f, const struct metrics *m)
{
	const char *type;

	head(f, "events_total", "counter", "Events since the start of the daemon, by type.");
	for (size_t i = 0; i < TYPES_MAX && (type = message_type_at(i)); i++)
		put_label(f, "events_total", "type", type, m->counts[i]);
}

static void put_incidents(FILE *f, const struct metrics_values *v)
{
	head(f, "incidents_open", "gauge", "Poisoned ranges that are not dealt with, by state.");
	for (unsigned s = INCIDENT_FOUND; s <= INCIDENT_LEFT; s++)
		if (s != INCIDENT_REPAIRED)
			put_label(f, "incidents_open", "state", incident_state_name(s),
				  v->n_open[s]);
	put(f, "poisoned_bytes", "gauge", "Bytes of memory in open incidents.", v->open_bytes);
	put(f, "lost_file_bytes", "gauge",
	    "Bytes of files that repairs turned into zeros, as far as the ledger remembers.",
	    v->lost_bytes);
}

static void put_repairs(FILE *f, const struct metrics *m)
{
	static const char *const results[] = { "done", "failed", "waiting" };
	const char *type;

	head(f, "repairs_total", "counter",
	     "Repairs since the start of the daemon, by how they ended.");
	for (size_t k = 0; k < 3; k++)
		for (size_t i = 0; i < TYPES_MAX && (type = message_type_at(i)); i++)
			if (!strncmp(type, "repair.", 7) && !strcmp(type + 7, results[k]))
				put_label(f, "repairs_total", "result", results[k], m->counts[i]);
}

static void put_sources(FILE *f, struct json_object *sources)
{
	size_t n = sources ? json_object_array_length(sources) : 0;

	head(f, "source_degraded", "gauge", "1: without this part, or with less of it.");
	for (size_t i = 0; i < n; i++) {
		struct json_object *source = json_object_array_get_idx(sources, i);
		const char *name = json_object_get_string(json_object_object_get(source, "name"));
		const char *state = json_object_get_string(json_object_object_get(source, "state"));

		put_label(f, "source_degraded", "source", name ?: "",
			  strcmp(state ?: "", "ok") != 0);
	}
}

static void render(FILE *f, const struct metrics *m, const struct metrics_values *v, bool up)
{
	head(f, "info", "gauge", "The version that runs.");
	put_label(f, "info", "version", PACKAGE_VERSION, 1);
	put(f, "up", "gauge", "0: the daemon has ended, and in good order.", up);
	put(f, "start_time_seconds", "gauge", "When it started, in seconds since 1970.",
	    m->started_sec);
	put(f, "dry_run", "gauge", "1: everything is told and nothing is done.", v->dry_run);
	put_incidents(f, v);
	put_events(f, m);
	put_repairs(f, m);
	put(f, "dropped_events_total", "counter", "Events that slow readers did not get.",
	    v->n_dropped_events);
	put(f, "dropped_kernel_reports_total", "counter",
	    "Reports of the kernel that came faster than they were read.", v->n_dropped_reports);
	put_sources(f, v->sources);
}

/* ---- the file ---- */

static int write_to(const char *path, const struct metrics *m, const struct metrics_values *v,
		    bool up)
{
	_cleanup_(fclosep) FILE *f = NULL;
	int fd, r;

	/* One that a crash left behind is ours to replace, whatever it is. */
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	f = fdopen(fd, "w");
	if (!f) {
		r = -errno;
		close(fd);
		return r;
	}
	render(f, m, v, up);
	if (fflush(f) != 0 || ferror(f) || fchmod(fd, 0644) < 0)
		return errno ? -errno : -EIO;
	return 0;
}

static int write_file(const struct metrics *m, bool up)
{
	_cleanup_(freep) char *temporary = NULL;
	struct metrics_values values = {};
	int r;

	if (asprintf(&temporary, "%s.new", m->path) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	m->parts.values(&values, m->parts.userdata);
	r = write_to(temporary, m, &values, up);
	json_object_put(values.sources);
	if (r >= 0 && rename(temporary, m->path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

static uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct metrics *m = userdata;

	m->written_usec = now_usec();
	m->parts.written(m->path ? write_file(m, true) : 0, m->parts.userdata);
	return 0;
}

/* As soon as this turn of the loop is over, but not sooner than a second after the last time. */
static void write_soon(struct metrics *m)
{
	uint64_t when = m->written_usec ? m->written_usec + PERIOD_USEC : 0;
	int enabled = SD_EVENT_OFF;

	if (!m->path || sd_event_source_get_enabled(m->timer, &enabled) < 0 ||
	    enabled != SD_EVENT_OFF)
		return;
	sd_event_source_set_time(m->timer, when);
	sd_event_source_set_enabled(m->timer, SD_EVENT_ONESHOT);
}

static void on_event(struct json_object *event, void *userdata)
{
	static const char prefix[] = "io.hwpoisond.";
	struct metrics *m = userdata;
	const char *name = json_object_get_string(json_object_object_get(event, "type"));
	const char *type;

	if (!name || strncmp(name, prefix, strlen(prefix)))
		return;
	for (size_t i = 0; i < TYPES_MAX && (type = message_type_at(i)); i++)
		if (!strcmp(type, name + strlen(prefix)))
			m->counts[i]++;
	write_soon(m);
}

int metrics_new(const struct metrics_parts *parts, const char *path, struct metrics **ret)
{
	_cleanup_(metrics_freep) struct metrics *m = calloc(1, sizeof(*m));
	int r;

	assert(parts->values && parts->written);
	if (!m)
		return -ENOMEM;
	m->parts = *parts;
	m->started_sec = (uint64_t)time(NULL);
	r = sd_event_add_time(parts->event, &m->timer, CLOCK_MONOTONIC, 0, 100000, on_time, m);
	if (r >= 0)
		r = sd_event_source_set_enabled(m->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = feed_subscribe(parts->feed, on_event, m, &m->subscription);
	if (r >= 0)
		r = metrics_set_path(m, path);
	if (r < 0)
		return r;
	*ret = TAKE(m);
	return 0;
}

int metrics_set_path(struct metrics *m, const char *path)
{
	int r;

	if (m->path && (!path || strcmp(m->path, path)))
		unlink(m->path);
	r = string_set(&m->path, path);
	write_soon(m);
	return r;
}

struct metrics *metrics_free(struct metrics *m)
{
	if (!m)
		return NULL;
	if (m->subscription)
		feed_unsubscribe(m->parts.feed, m->subscription);
	sd_event_source_disable_unref(m->timer);
	if (m->path && m->parts.values)
		write_file(m, false);
	free(m->path);
	free(m);
	return NULL;
}
