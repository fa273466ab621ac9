/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ndctl_context: libndctl as we want it: silent, and given back when its variable leaves scope.
 *
 * A context is a snapshot, read as one walks it. Make a new one for each walk.
 */
#pragma once

#include <errno.h>
#include <string.h>

#include <ndctl/libndctl.h>

#include "cleanup.h"

/* These return what they free: always NULL in the end, of no use to anybody. */
static inline void ndctl_context_free(struct ndctl_ctx *ctx)
{
	ndctl_unref(ctx);
}
DEFINE_CLEANUP(struct ndctl_ctx *, ndctl_context_free);
DEFINE_CLEANUP(struct ndctl_cmd *, ndctl_cmd_unref);

/* 0 or negative errno. */
static inline int ndctl_context_new(struct ndctl_ctx **ret)
{
	int r;

	r = ndctl_new(ret);
	if (r < 0)
		return r;
	/* Its default is to write errors to stderr; whoever decides what they mean logs them. */
	ndctl_set_log_priority(*ret, 0);
	return 0;
}

/* "ndbus0"; NULL: there is none of this name. */
static inline struct ndctl_bus *ndctl_context_bus(struct ndctl_ctx *ctx, const char *name)
{
	struct ndctl_bus *bus;

	ndctl_bus_foreach (ctx, bus) {
		const char *devname = ndctl_bus_get_devname(bus);

		if (devname && !strcmp(devname, name))
			return bus;
	}
	return NULL;
}
