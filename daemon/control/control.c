// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * control: the service io.hwpoisond: its methods, and who may call them.
 *
 *   hwpoisonctl -> varlink -> [control] -> flow, ledger, feed, source/scrub, workers
 *
 * In:   calls whose parameters are of the right type and nothing more.
 * Out:  answers from what the stations know. Only flow changes anything: control orders.
 *
 * What a method answers is in incidents.c, watch.c, scrubs.c, repairs.c and lookups.c.
 */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "control/control_private.h"
#include "log.h"

#define SOCKET_NAME   "io.hwpoisond"
#define READERS_GROUP "hwpoisond"

static const char description[] =
#include "control/io.hwpoisond.varlink.inc"
	;

static const struct varlink_method methods[] = {
	{ "Status", control_status, 0, {} },
	{ "List", control_list, 0, { { "all", VARLINK_BOOL, false } } },
	{ "Export", control_export, VARLINK_NEEDS_MORE, {} },
	{ "Show", control_show, 0, { { "incident", VARLINK_INT, true } } },
	{ "Watch", control_watch, VARLINK_NEEDS_MORE, {} },
	{ "Scrub",
	  control_scrub,
	  VARLINK_CHANGES,
	  { { "buses", VARLINK_STRINGS, false }, { "wait", VARLINK_BOOL, false } } },
	{ "ScrubStatus", control_scrub_status, 0, {} },
	{ "Resolve",
	  control_resolve,
	  0,
	  { { "phys_start", VARLINK_STRING, false },
	    { "length_bytes", VARLINK_INT, false },
	    { "device", VARLINK_STRING, false },
	    { "sector", VARLINK_INT, false },
	    { "n_sectors", VARLINK_INT, false } } },
	{ "Holders",
	  control_holders,
	  0,
	  { { "file", VARLINK_STRING, true },
	    { "offset_bytes", VARLINK_INT, false },
	    { "length_bytes", VARLINK_INT, false } } },
	{ "Files",
	  control_files,
	  0,
	  { { "files", VARLINK_STRINGS, true }, { "files_hex", VARLINK_STRINGS, false } } },
	{ "Repair",
	  control_repair,
	  VARLINK_CHANGES,
	  { { "incident", VARLINK_INT, true }, { "dry_run", VARLINK_BOOL, false } } },
	{ "PolicyCheck", control_policy_check, 0, {} },
	{ "PolicyExplain",
	  control_policy_explain,
	  0,
	  { { "file", VARLINK_STRING, false }, { "pid", VARLINK_INT, false } } },
	{ "Reload", control_reload, VARLINK_CHANGES, {} },
	{},
};

const struct varlink_interface control_interface = {
	.name = CONTROL_INTERFACE,
	.description = description,
	.vendor = "hwpoisond",
	.product = "hwpoisond",
	.version = PACKAGE_VERSION,
	.url = "man:hwpoisond(8)",
	.methods = methods,
};

void control_error(struct varlink_call *call, const char *error, struct json_fields *f)
{
	char full_name[128];

	snprintf(full_name, sizeof(full_name), CONTROL_INTERFACE ".%s", error);
	varlink_error(call, full_name, f->r < 0 ? NULL : f->object);
	json_object_put(f->object);
}

void control_fail(struct varlink_call *call, int r)
{
	struct json_fields f = json_fields_new();

	field_put_uint(&f, "errno", (uint64_t)-r);
	field_put_string(&f, "message", strerror(-r));
	control_error(call, "Failed", &f);
}

void control_reply(struct varlink_call *call, struct json_fields *f)
{
	if (f->r < 0)
		control_fail(call, f->r);
	else
		varlink_reply(call, f->object);
	json_object_put(f->object);
}

void control_error_string(struct varlink_call *call, const char *error, const char *name,
			  const char *value)
{
	struct json_fields f = json_fields_new();

	field_put_string(&f, name, value);
	control_error(call, error, &f);
}

/*
 * The user that we run as could do to us what it likes without asking, so it counts as root: in a
 * real installation it is root.
 */
static bool may_call(const struct varlink_peer *peer, bool change, void *userdata)
{
	const struct control *c = userdata;

	if (peer->uid == 0 || peer->uid == geteuid())
		return true;
	return !change && c->readers != (gid_t)-1 && varlink_peer_in_group(peer, c->readers);
}

/* Without the group, and as an ordinary user, the socket is for root or for that user alone. */
static int listen_in(struct control *c, const char *runtime_dir)
{
	const struct group *group = getgrnam(READERS_GROUP);
	_cleanup_(freep) char *path = NULL;
	int r;

	if (asprintf(&path, "%s/" SOCKET_NAME, runtime_dir) < 0)
		return -ENOMEM;
	c->readers = group ? group->gr_gid : (gid_t)-1;
	if (group) {
		r = varlink_server_listen(c->server, path, 0660, c->readers);
		if (r != -EPERM)
			return r;
		c->readers = (gid_t)-1;
	} else {
		log_info(0, "There is no group " READERS_GROUP ": only root can use %s", path);
	}
	return varlink_server_listen(c->server, path, 0600, (gid_t)-1);
}

int control_new(const struct control_parts *parts, struct control **ret)
{
	_cleanup_(control_freep) struct control *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->parts = *parts;
	r = varlink_server_new(parts->event, &control_interface, may_call, c, &c->server);
	if (r < 0)
		return r;
	r = listen_in(c, parts->runtime_dir);
	if (r < 0)
		return r;
	*ret = TAKE(c);
	return 0;
}

struct control *control_free(struct control *c)
{
	if (!c)
		return NULL;

	/* Calls whose clients are gone end by themselves, but for what flow still works on. */
	varlink_server_free(c->server);
	control_orders_forget(c);
	free(c);
	return NULL;
}

size_t control_clients(const struct control *c, pid_t *ret, size_t n)
{
	return varlink_server_pids(c->server, ret, n);
}
