/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * units: ask systemd, over D-Bus, to stop or start units, and wait for its jobs.
 *
 * Of the system's manager alone. Calls block for as long as systemd takes to answer a call (at most
 * 5 s), never for a job: call them in a worker.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-bus.h>

#include "cleanup.h"

struct units;

/* 0 or negative errno: nobody answers on the system bus. */
int units_open(struct units **ret);
struct units *units_free(struct units *u); /* NULL is fine; returns NULL; jobs go on */
DEFINE_CLEANUP(struct units *, units_free);

/*
 * Begin to stop or start a unit; to do so again for the same unit is to wait for the same job. 0,
 * or negative errno: -ENOENT: systemd has no such unit; -EACCES; ...
 */
int units_stop(struct units *u, const char *unit);
int units_start(struct units *u, const char *unit);

/* For other calls: the connection, and a job that one of them began, which is waited for like ours. */
sd_bus *units_bus(struct units *u);
int units_follow(struct units *u, const char *unit, const char *job_path); /* 0, -ENOMEM */

/* 1: the job is done; 0: it is under way; -ECANCELED, -ETIME, -EIO: how else it ended. */
int units_result(struct units *u, const char *unit);

/* Wait for news of a job, for at most this long. 0 or negative errno. */
int units_wait(struct units *u, uint64_t usec);
