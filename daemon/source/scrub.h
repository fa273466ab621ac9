/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scrub: start an address range scrub (ARS) of a bus, and see whether one runs. */
#pragma once

#include <stdbool.h>

struct scrub_state {
	char bus[32];		/* "ndbus0" */
	char provider[64];
	bool supported;
	bool active;
	unsigned count;		/* finished scrubs since the bus came up */
};

/* States of all buses, *ret is the caller's to free(). Number of buses or negative errno. */
int scrub_states(struct scrub_state **ret);

/*
 * bus is a name ("ndbus0") or provider. 0; -EBUSY: one runs; -EOPNOTSUPP: this bus has none;
 * -ENODEV: no such bus.
 */
int scrub_start(const char *bus);
