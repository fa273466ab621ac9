// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hook-service: run a hook as a transient service of systemd.
 *
 *   hook -> [hook-service] -> systemd
 *
 * A service and not a scope: what is in a scope is forked by us, and keeps our system call filter,
 * our bounding set and our address families for good. It could neither become another user nor ask
 * a replica over the network. The service's type is oneshot, so the end of its start job is the
 * end of the program, and its time to start is the time that it has.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <systemd/sd-bus.h>

#include "cleanup.h"
#include "respond/hook.h"
#include "respond/units.h"

#define SERVICE		"org.freedesktop.systemd1"
#define MANAGER_PATH	"/org/freedesktop/systemd1"
#define MANAGER		"org.freedesktop.systemd1.Manager"
#define STOP_USEC	(5 * 1000000ull) /* from SIGTERM to SIGKILL, for what is left of it */
#define PATIENCE_USEC	(30 * 1000000ull) /* with systemd itself, beyond all that */
#define LOOK_EVERY_USEC 50000

static uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int append_program(sd_bus_message *m, const struct hook_job *job)
{
	_cleanup_(freep) char *number = NULL, *directory = NULL;
	int r;

	if (asprintf(&number, "HWPOISOND_INCIDENT=%" PRIu64, job->incident) < 0 ||
	    asprintf(&directory, "HWPOISOND_RESTORE_DIRECTORY=%s", job->directory) < 0)
		return -ENOMEM;
	r = sd_bus_message_append(m, "(sv)", "ExecStart", "a(sasb)", 1, job->path, 1, job->path,
				  false);
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "Environment", "as", 2, number, directory);
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "StandardInputFileDescriptor", "h",
					  job->input_fd);
	if (r >= 0 && job->user)
		r = sd_bus_message_append(m, "(sv)", "User", "s", job->user);
	return r;
}

static int append_properties(sd_bus_message *m, const struct hook_job *job)
{
	int r;

	r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Description",
				  "s", "Restore hook of hwpoisond", "Type", "s", "oneshot",
				  "CollectMode", "s", "inactive-or-failed", "TimeoutStartUSec", "t",
				  job->timeout_usec, "TimeoutStopUSec", "t", (uint64_t)STOP_USEC,
				  "MemoryMax", "t", (uint64_t)HOOK_MEMORY_BYTES, "TasksMax", "t",
				  (uint64_t)HOOK_TASKS, "LimitFSIZE", "t",
				  (uint64_t)HOOK_FILE_SIZE_BYTES, "LimitCORE", "t", (uint64_t)0,
				  "UMask", "u", (uint32_t)077, "NoNewPrivileges", "b", true);
	return r < 0 ? r : append_program(m, job);
}

static int start(sd_bus *bus, const char *unit, const struct hook_job *job, char **ret_job)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
	const char *path;
	int r;

	r = sd_bus_message_new_method_call(bus, &m, SERVICE, MANAGER_PATH, MANAGER,
					   "StartTransientUnit");
	if (r >= 0)
		r = sd_bus_message_append(m, "ss", unit, "fail");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(sv)");
	if (r >= 0)
		r = append_properties(m, job);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	if (r >= 0)
		r = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r >= 0)
		r = sd_bus_call(bus, m, 0, NULL, &reply);
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path);
	if (r < 0)
		return r;
	*ret_job = strdup(path);
	return *ret_job ? 0 : -ENOMEM;
}

/* 1: nothing of it is left; 0: it is there still, or being ended. */
static int has_ended(sd_bus *bus, const char *unit)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	_cleanup_(freep) char *state = NULL;
	const char *path;
	int r;

	r = sd_bus_call_method(bus, SERVICE, MANAGER_PATH, MANAGER, "GetUnit", &error, &reply, "s",
			       unit);
	if (r < 0)
		return sd_bus_error_has_name(&error, "org.freedesktop.systemd1.NoSuchUnit") ? 1 : r;
	r = sd_bus_message_read(reply, "o", &path);
	if (r >= 0)
		r = sd_bus_get_property_string(bus, SERVICE, path, "org.freedesktop.systemd1.Unit",
					       "ActiveState", NULL, &state);
	if (r < 0)
		return r == -ENOENT ? 1 : r;
	return !strcmp(state, "inactive") || !strcmp(state, "failed");
}

static int wait_for_end(sd_bus *bus, const char *unit)
{
	uint64_t end = now_usec() + STOP_USEC + PATIENCE_USEC;
	int r;

	while ((r = has_ended(bus, unit)) == 0) {
		if (now_usec() >= end)
			return -EBUSY;
		usleep(LOOK_EVERY_USEC);
	}
	return r < 0 ? r : 0;
}

static int wait_for_job(struct units *units, const char *unit, const struct hook_job *job,
			uint64_t started)
{
	uint64_t end = started + job->timeout_usec + STOP_USEC + PATIENCE_USEC;
	int r;

	while ((r = units_result(units, unit)) == 0) {
		if (now_usec() >= end)
			return -ETIME;
		r = units_wait(units, 1000000);
		if (r < 0)
			return r;
	}
	if (r > 0)
		return 0;
	return now_usec() >= started + job->timeout_usec ? -ETIME : -EPROTO;
}

int hook_run_as_service(const struct hook_job *job)
{
	_cleanup_(units_freep) struct units *units = NULL;
	_cleanup_(freep) char *job_path = NULL;
	uint64_t started = now_usec();
	char unit[96];
	int r, ended;

	snprintf(unit, sizeof(unit), "hwpoisond-hook-%" PRIu64 "-%d.service", job->incident,
		 getpid());
	r = units_open(&units);
	if (r >= 0)
		r = start(units_bus(units), unit, job, &job_path);
	if (r >= 0)
		r = units_follow(units, unit, job_path);
	if (r < 0)
		return r;
	r = wait_for_job(units, unit, job, started);
	ended = wait_for_end(units_bus(units), unit);
	return r < 0 ? r : ended;
}
