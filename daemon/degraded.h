/* SPDX-License-Identifier: GPL-2.0-or-later */
/* degraded: what we can't hear or do at the moment; each told once when it begins and once when it
 * ends. */
#pragma once

#include <json-c/json.h>

#include "cleanup.h"
#include "feed/feed.h"

struct degraded;

struct degraded *degraded_new(void); /* NULL: out of memory */
struct degraded *degraded_free(struct degraded *d); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct degraded *, degraded_free);

/* From now on told to this feed too, beginning with what is degraded already. NULL: no longer. */
void degraded_set_feed(struct degraded *d, struct feed *feed);

void degraded_begin(struct degraded *d, const char *what, const char *reason);
/* lost is borrowed: numbers by name, for programs. */
void degraded_begin_lost(struct degraded *d, const char *what, const char *reason,
			 struct json_object *lost);
void degraded_end(struct degraded *d, const char *what); /* nothing happens if it was not */

/*
 * [{"name","state":"ok"|"degraded","reason"}]: what is degraded, and the parts of the service that
 * are not. A new reference; NULL: out of memory.
 */
struct json_object *degraded_sources_to_json(const struct degraded *d);
