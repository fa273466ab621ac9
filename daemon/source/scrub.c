// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * scrub: start an address range scrub (ARS) of a bus, and see whether one runs.
 *
 *   control -> [scrub] -> bus
 *
 * In:   an administrator's order, or the question.
 * Out:  states of all buses. That a scrub ended is heard by nvdimm-watch.c.
 *
 * A bus that keeps no scrub count has no scrub: e820 memory, QEMU's own NVDIMM.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "locate/ndctl_context.h"
#include "source/scrub.h"

/* Names are for showing: a longer one is cut. */
static void copy_name(char *ret, size_t n_bytes, const char *name)
{
	size_t n = name ? strnlen(name, n_bytes - 1) : 0;

	if (n)
		memcpy(ret, name, n);
	ret[n] = '\0';
}

/* -EOPNOTSUPP: this bus has no scrub. */
static int read_state(struct ndctl_bus *bus, bool *ret_active, unsigned *ret_count)
{
	unsigned count;
	int r;

	count = ndctl_bus_get_scrub_count(bus);
	if (count == UINT_MAX)
		return -EOPNOTSUPP;
	r = ndctl_bus_get_scrub_state(bus);
	if (r < 0)
		return r;
	*ret_active = r > 0;
	*ret_count = count;
	return 0;
}

static int append_state(struct scrub_state **states, size_t *n_states, struct ndctl_bus *bus)
{
	struct scrub_state *grown, state = { 0 };
	int r;

	grown = reallocarray(*states, *n_states + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	*states = grown;

	copy_name(state.bus, sizeof(state.bus), ndctl_bus_get_devname(bus));
	copy_name(state.provider, sizeof(state.provider), ndctl_bus_get_provider(bus));
	r = read_state(bus, &state.active, &state.count);
	state.supported = r >= 0;
	grown[(*n_states)++] = state;
	return 0;
}

int scrub_states(struct scrub_state **ret)
{
	_cleanup_(ndctl_context_freep) struct ndctl_ctx *ctx = NULL;
	_cleanup_(freep) struct scrub_state *states = NULL;
	struct ndctl_bus *bus;
	size_t n_states = 0;
	int r;

	assert(ret);

	r = ndctl_context_new(&ctx);
	if (r < 0)
		return r;
	ndctl_bus_foreach (ctx, bus) {
		r = append_state(&states, &n_states, bus);
		if (r < 0)
			return r;
	}
	*ret = TAKE(states);
	return (int)n_states;
}

static struct ndctl_bus *find_bus(struct ndctl_ctx *ctx, const char *name)
{
	struct ndctl_bus *bus;

	ndctl_bus_foreach (ctx, bus) {
		const char *devname = ndctl_bus_get_devname(bus);
		const char *provider = ndctl_bus_get_provider(bus);

		if ((devname && !strcmp(devname, name)) || (provider && !strcmp(provider, name)))
			return bus;
	}
	return NULL;
}

int scrub_start(const char *name)
{
	_cleanup_(ndctl_context_freep) struct ndctl_ctx *ctx = NULL;
	struct ndctl_bus *bus;
	unsigned count;
	bool active;
	int r;

	assert(name);

	r = ndctl_context_new(&ctx);
	if (r < 0)
		return r;
	bus = find_bus(ctx, name);
	if (!bus)
		return -ENODEV;

	/* Asked first, because libndctl waits a second before it says that one runs. */
	r = read_state(bus, &active, &count);
	if (r < 0)
		return r;
	if (active)
		return -EBUSY;
	return ndctl_bus_start_scrub(bus);
}
