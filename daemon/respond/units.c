// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * units: see units.h.
 *
 *   respond, flow/units -> [units] -> systemd
 *
 * In:   names of units.
 * Out:  how systemd's jobs for them ended.
 *
 * A job is over when systemd says JobRemoved, and that can come before the answer to the call that
 * queued it is read: the match stands before the first call, and sd-bus keeps what arrives
 * meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "respond/units.h"

#define CALL_TIMEOUT_USEC (5 * 1000000ULL)
#define SERVICE		  "org.freedesktop.systemd1"
#define MANAGER_PATH	  "/org/freedesktop/systemd1"
#define MANAGER		  "org.freedesktop.systemd1.Manager"

struct units {
	sd_bus *bus;
	struct job {
		char *unit;
		char *path;
		bool over;
		int result;
	} * jobs;
	size_t n_jobs;
};

static int result_from_name(const char *name)
{
	if (!strcmp(name, "done") || !strcmp(name, "skipped"))
		return 1;
	if (!strcmp(name, "canceled") || !strcmp(name, "collected"))
		return -ECANCELED;
	return strcmp(name, "timeout") ? -EIO : -ETIME;
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct units *u = userdata;
	const char *path, *unit, *result;
	uint32_t id;

	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	for (size_t i = 0; i < u->n_jobs; i++) {
		struct job *job = &u->jobs[i];

		if (job->over || strcmp(job->path, path))
			continue;
		job->over = true;
		job->result = result_from_name(result);
	}
	return 0;
}

int units_open(struct units **ret)
{
	_cleanup_(units_freep) struct units *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	r = sd_bus_open_system(&u->bus);
	if (r < 0)
		return r;
	r = sd_bus_set_method_call_timeout(u->bus, CALL_TIMEOUT_USEC);
	if (r < 0)
		return r;
	r = sd_bus_match_signal(u->bus, NULL, SERVICE, MANAGER_PATH, MANAGER, "JobRemoved",
				on_job_removed, u);
	if (r < 0)
		return r;
	/* Without a subscriber systemd keeps its signals to itself. */
	r = sd_bus_call_method(u->bus, SERVICE, MANAGER_PATH, MANAGER, "Subscribe", NULL, NULL, "");
	if (r < 0)
		return r;
	*ret = TAKE(u);
	return 0;
}

struct units *units_free(struct units *u)
{
	if (!u)
		return NULL;
	sd_bus_flush_close_unref(u->bus);
	for (size_t i = 0; i < u->n_jobs; i++) {
		free(u->jobs[i].unit);
		free(u->jobs[i].path);
	}
	free(u->jobs);
	free(u);
	return NULL;
}

static struct job *find(struct units *u, const char *unit)
{
	for (size_t i = 0; i < u->n_jobs; i++)
		if (!strcmp(u->jobs[i].unit, unit))
			return &u->jobs[i];
	return NULL;
}

sd_bus *units_bus(struct units *u)
{
	return u->bus;
}

int units_follow(struct units *u, const char *unit, const char *path)
{
	struct job *grown = reallocarray(u->jobs, u->n_jobs + 1, sizeof(*grown));
	struct job job = { .unit = strdup(unit), .path = strdup(path) };

	if (grown)
		u->jobs = grown;
	if (!grown || !job.unit || !job.path) {
		free(job.unit);
		free(job.path);
		return -ENOMEM;
	}
	u->jobs[u->n_jobs++] = job;
	return 0;
}

static int begin(struct units *u, const char *method, const char *unit)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	const char *path;
	int r;

	if (find(u, unit))
		return 0;
	r = sd_bus_call_method(u->bus, SERVICE, MANAGER_PATH, MANAGER, method, &error, &reply, "ss",
			       unit, "replace");
	if (r < 0)
		return sd_bus_error_has_name(&error, "org.freedesktop.systemd1.NoSuchUnit")
			       ? -ENOENT
			       : r;
	r = sd_bus_message_read(reply, "o", &path);
	return r < 0 ? r : units_follow(u, unit, path);
}

int units_stop(struct units *u, const char *unit)
{
	return begin(u, "StopUnit", unit);
}

int units_start(struct units *u, const char *unit)
{
	return begin(u, "StartUnit", unit);
}

int units_result(struct units *u, const char *unit)
{
	const struct job *job = find(u, unit);

	if (!job)
		return -ENOENT;
	return job->over ? job->result : 0;
}

int units_wait(struct units *u, uint64_t usec)
{
	int r;

	do
		r = sd_bus_process(u->bus, NULL);
	while (r > 0);
	if (r < 0)
		return r;
	r = sd_bus_wait(u->bus, usec);
	if (r < 0)
		return r == -EINTR ? 0 : r;
	do
		r = sd_bus_process(u->bus, NULL);
	while (r > 0);
	return r;
}
