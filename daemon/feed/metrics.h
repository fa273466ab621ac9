/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metrics: a file for Prometheus's node_exporter (collector "textfile"), written anew, whole, by
 * rename, when something has happened.
 *
 * At once after a quiet time, at most once a second in a storm; never while nothing happens.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>
#include <systemd/sd-event.h>

#include "cleanup.h"
#include "feed/feed.h"

struct metrics_values { /* what is so now; events are counted here */
	bool dry_run;
	uint64_t n_open[INCIDENT_GONE + 1]; /* by state */
	uint64_t open_bytes;
	uint64_t lost_bytes; /* of files, by the ledger */
	uint64_t n_dropped_events;
	uint64_t n_dropped_reports; /* of the kernel */
	struct json_object *sources; /* as in Status; freed here */
};

struct metrics_parts {
	sd_event *event;
	struct feed *feed;
	void (*values)(struct metrics_values *ret, void *userdata);
	/* It could not be written: negative errno; 0: it was. */
	void (*written)(int r, void *userdata);
	void *userdata;
};

struct metrics;

/* path NULL: it counts, and writes nothing. 0 or negative errno. */
int metrics_new(const struct metrics_parts *parts, const char *path, struct metrics **ret);
int metrics_set_path(struct metrics *m, const char *path); /* on a reload; removes the old file */
struct metrics *metrics_free(struct metrics *m); /* the last thing it writes is that we are down */
DEFINE_CLEANUP(struct metrics *, metrics_free);
