/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control: the Varlink service io.hwpoisond on RUNTIME_DIR/io.hwpoisond.
 *
 * Reading needs root or membership of group hwpoisond (the socket's mode and SO_PEERCRED), changing
 * anything needs root. Everything from a client is hostile: at most 1 MiB a message, 64
 * connections, bounded queues; a client that breaks the protocol is told once where the protocol
 * allows it, and closed.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "cleanup.h"
#include "flow/flow.h"

struct control;

struct control_parts {		/* all stay the caller's */
	sd_event *event;
	struct flow *flow;
	struct feed *feed;
	struct ledger *ledger;		/* NULL: `list --all` answers from memory */
	struct nvdimm *nvdimm;
	const char *const *config;	/* path of the configuration file, for PolicyCheck */
	const struct config *const *policy;	/* the configuration in force */
	const char *runtime_dir;
	const char *state_dir;		/* where searches leave their hints */
	/* More members for Status, {"sources":[...]}; new reference. The IDL must name them. */
	struct json_object *(*status)(void *userdata);
	/* As SIGHUP does; *ret_problems is the caller's. 1: in force; 0: refused for them. */
	int (*reload)(void *userdata, char ***ret_problems);
	void *userdata;
};

int control_new(const struct control_parts *parts, struct control **ret);
struct control *control_free(struct control *c);
DEFINE_CLEANUP(struct control *, control_free);

/* Pids of connected clients, for policy. Fills up to n, returns how many. */
size_t control_clients(const struct control *c, pid_t *ret, size_t n);

/* A scrub began or ended on this bus: wakes clients that wait for it. */
void control_scrub_changed(struct control *c, const char *bus, bool started, unsigned count);
