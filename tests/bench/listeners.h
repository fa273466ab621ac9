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

/* Fires an event and waits until it is heard of: how long after the kernel saw it; 0: it was not. */
double listener_hear_usec(struct listener *l, enum event_kind kind, unsigned number);
