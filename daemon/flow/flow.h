/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flow: takes incidents from station to station.
 *
 * Holds the open incidents in memory, compares them with what the sources say is bad now, runs each
 * long step in a worker, and writes the ledger and the feed around every step. It decides the order
 * of things and nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>
#include <systemd/sd-event.h>

#include "cleanup.h"
#include "hearing/correlate.h"
#include "feed/feed.h"
#include "incident.h"
#include "ledger/ledger.h"
#include "policy/config.h"
#include "source/nvdimm.h"

struct flow;

struct flow_parts { /* all stay the caller's and outlive the flow; ledger may be NULL */
	sd_event *event;
	const struct config *config;
	struct ledger *ledger;
	struct feed *feed;
	struct nvdimm *nvdimm;
	const struct correlate *correlate;
	int proc_fd;
	const char *state_dir;
	const char *runtime_dir;
	/* pids on the control socket, never acted upon: fills up to n, returns how many */
	size_t (*control_clients)(void *userdata, pid_t *ret, size_t n);
	/* Something can't be done (any more), or can again; told once each, by main. */
	void (*degraded)(const char *what, const char *reason, void *userdata);
	void (*restored)(const char *what, void *userdata);
	void *userdata;
};

/* Loads the open incidents from the ledger and continues what a crash left paused. 0 or negative
 * errno. */
int flow_new(const struct flow_parts *parts, struct flow **ret);
struct flow *flow_free(struct flow *f); /* ends workers; the next start goes on from the ledger */
DEFINE_CLEANUP(struct flow *, flow_free);

/* Something may have changed: read what is bad and go on from there. Never blocks for long. */
void flow_rescan(struct flow *f);

/* Devices came or went: the same, and incidents learn what their devices are called now. */
void flow_topology_changed(struct flow *f);

/*
 * Reports of the kernel were lost, or this is the start: look for pages of plain memory that it calls
 * poisoned, in a worker.
 */
void flow_ram_rescan(struct flow *f);

/* A filesystem came or went: what nobody owned, or could not be repaired, is looked at again. */
void flow_mounts_changed(struct flow *f);

/* ARS records are fresh again. */
void flow_scrub_finished(struct flow *f);

/*
 * Other rules are in force from now on. If they differ from the old ones, each open incident gets a
 * new verdict, by owners and holders as they are now; what is under way ends first. See
 * flow/judge.c.
 */
void flow_set_config(struct flow *f, const struct config *config);

/* The kernel has reported more about this range: ask correlate. */
void flow_heard(struct flow *f, struct range phys);

/* A page of it is no longer poisoned, says who made it so for a test. */
void flow_given_back(struct flow *f, struct range phys);

/* The kernel is through with this page. In plain memory, which no list is about, that is how an
 * incident begins. */
void flow_failed(struct flow *f, const struct failure_case *c);

/* For control: open incidents in order of number; each is borrowed. */
size_t flow_n_open(const struct flow *f);
const struct incident *flow_open_at(const struct flow *f, size_t i);
const struct incident *flow_get(const struct flow *f, uint64_t number); /* NULL: not open */

/*
 * An administrator orders the repair of incident N with Repair=zero, whatever the rules say. `done`
 * is called once, with the outcome: 0 repaired, or negative errno with reason a machine word and
 * detail a sentence (or NULL). -ENOENT: no such open incident; -EBUSY: it is under way already;
 * -EPERM: DryRun=yes (`done` is not called then). Forget an asker that is gone with
 * flow_forget_order().
 */
typedef void (*flow_repaired)(const struct incident *in, int r, const char *reason,
			      const char *detail, void *userdata);
int flow_order_repair(struct flow *f, uint64_t number, flow_repaired done, void *userdata);
void flow_forget_order(struct flow *f, void *userdata);

/* What a repair would do (see repair_preview()), without doing it. Same contract. */
typedef void (*flow_planned)(struct json_object *plan, int r, const char *reason, void *userdata);
int flow_plan_repair(struct flow *f, uint64_t number, flow_planned done, void *userdata);
