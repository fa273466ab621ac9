// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * degraded: see degraded.h.
 *
 * Trouble begins before there is a feed to tell it to (a ledger that does not open, no BPF), so it
 * is kept and told when the feed comes.
 */
#include <string.h>

#include "degraded.h"
#include "json-fields.h"
#include "log.h"

struct degraded {
	struct feed *feed;
	struct trouble {
		char *what, *reason;
	} * all;
	size_t n;
};

struct degraded *degraded_new(void)
{
	return calloc(1, sizeof(struct degraded));
}

static void trouble_done(struct trouble *t)
{
	free(t->what);
	free(t->reason);
}

struct degraded *degraded_free(struct degraded *d)
{
	if (!d)
		return NULL;
	for (size_t i = 0; i < d->n; i++)
		trouble_done(&d->all[i]);
	free(d->all);
	free(d);
	return NULL;
}

static struct json_object *to_json(const char *what, const char *reason)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, "what", what);
	field_put_string(&f, "reason", reason);
	return f.object;
}

static void tell(struct degraded *d, const char *type, enum severity severity, const char *what,
		 const char *reason, struct json_object *lost)
{
	_cleanup_(json_object_putp) struct json_object *data = to_json(what, reason);

	if (data && lost)
		json_object_object_add(data, "lost", json_object_get(lost));
	if (d->feed)
		feed_send(d->feed, type, severity, 0, data);
}

void degraded_set_feed(struct degraded *d, struct feed *feed)
{
	d->feed = feed;
	for (size_t i = 0; feed && i < d->n; i++)
		tell(d, "source.degraded", SEVERITY_WARNING, d->all[i].what, d->all[i].reason,
		     NULL);
}

static struct trouble *find(const struct degraded *d, const char *what)
{
	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->all[i].what, what))
			return &d->all[i];
	return NULL;
}

static void add(struct degraded *d, const char *what, const char *reason)
{
	struct trouble t = { strdup(what), strdup(reason) }, *grown;

	grown = reallocarray(d->all, d->n + 1, sizeof(*grown));
	if (grown)
		d->all = grown;
	if (!t.what || !t.reason || !grown) {
		trouble_done(&t);
		return; /* it was told; only the status will not show it */
	}
	d->all[d->n++] = t;
}

void degraded_begin(struct degraded *d, const char *what, const char *reason)
{
	degraded_begin_lost(d, what, reason, NULL);
}

void degraded_begin_lost(struct degraded *d, const char *what, const char *reason,
			 struct json_object *lost)
{
	struct trouble *known = find(d, what);

	if (known && !strcmp(known->reason, reason))
		return;
	log_warn(0, "Degraded, %s: %s", what, reason);
	tell(d, "source.degraded", SEVERITY_WARNING, what, reason, lost);
	if (known) {
		trouble_done(known);
		*known = d->all[--d->n];
	}
	add(d, what, reason);
}

void degraded_end(struct degraded *d, const char *what)
{
	struct trouble *known = find(d, what);

	if (!known)
		return;
	log_info(0, "Restored, %s", what);
	tell(d, "source.restored", SEVERITY_INFO, what, NULL, NULL);
	trouble_done(known);
	*known = d->all[--d->n];
}

static void add_source(struct json_object *list, const char *name, const char *reason)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, "name", name);
	field_put_string(&f, "state", reason ? "degraded" : "ok");
	field_put_string(&f, "reason", reason);
	json_object_array_add(list, f.object);
}

struct json_object *degraded_sources_to_json(const struct degraded *d)
{
	static const char *const parts[] = { "configuration",  "nvdimm", "kernel events",
					     "holders by BPF", "mounts", "ledger" };
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!find(d, parts[i]))
			add_source(list, parts[i], NULL);
	for (size_t i = 0; list && i < d->n; i++)
		add_source(list, d->all[i].what, d->all[i].reason);
	return list;
}
