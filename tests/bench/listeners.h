/* SPDX-License-Identifier: GPL-2.0-or-later */
/* listeners: who hears of a memory error, and how we hear of it from them. */
#pragma once

#include <stdint.h>

#include "tests/bench/events.h"

enum who {
	BARE,		/* reads the ring by epoll, and does nothing else: we ourselves */
	RELAY,		/* does that and sends a line that was ready before: the least that can be done
			 * for somebody who reads from a socket */
	HWPOISOND,
	RASDAEMON,
	N_LISTENERS
};

struct listener;

/* Started, and quiet. -ENOENT: it is not installed; -EOPNOTSUPP: no BPF programs can be loaded. */
int listener_new(enum who who, const char *hwpoisond, struct listener **ret);
struct listener *listener_free(struct listener *l); /* stopped */

struct heard {
	double sent_usec; /* a line of it was in a socket; 0: there is no socket */
	double read_usec; /* we had read of it */
};

/* Fires an event and waits until it is heard of: how long after the kernel saw it. False: it was not. */
bool listener_hear(struct listener *l, enum event_kind kind, unsigned number, struct heard *ret);
