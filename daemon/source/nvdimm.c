// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nvdimm: what every NVDIMM bus says is poisoned, and when that changed.
 *
 *   nvdimm-watch, hotplug -> [nvdimm] -> flow
 *
 * In:   wake-ups. They only say that something changed.
 * Out:  one on_badblocks for a burst of them; a new map after hotplug.
 *
 * The map and its watches are made beside the old ones and swapped when both are
 * whole. Devices come and go in steps, so a map that cannot be made at once is
 * tried again a few times before anybody is told; then the old one stays, since
 * an address that was on a dax device a second ago is not suddenly plain memory.
 *
 * Timers run only for a moment after an uevent. Nothing is told from inside
 * nvdimm_new(): what it found out is told from the loop.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "locate/sysfs.h"
#include "log.h"
#include "source/hotplug.h"
#include "source/nvdimm-scan.h"
#include "source/nvdimm-watch.h"
#include "source/nvdimm.h"

/* A namespace that is made sends some ten uevents within this time. */
#define SETTLE_USEC 50000u
/* After the last, 50 ms << 5, the old map is kept and that is told. */
#define MAX_TRIES 6

struct nvdimm {
	sd_event *event;
	struct nvdimm_callbacks callbacks;
	void *userdata;
	struct address_map *map; /* never NULL */
	struct watches *watches;
	struct hotplug *hotplug;
	int hotplug_error;
	sd_event_source *settle; /* one shot, armed by a change */
	sd_event_source *changed; /* one shot, after all that waits now */
	sd_event_source *begin;
	unsigned n_failures; /* of the map, in a row */
	bool told_map; /* that it is old */
};

/* --- what the watches hear */

static void on_badblocks(void *userdata)
{
	struct nvdimm *nv = userdata;

	/* A region and its disk change together, a scrub changes all: one call for them. */
	sd_event_source_set_enabled(nv->changed, SD_EVENT_ONESHOT);
}

static int on_badblocks_settled(sd_event_source *source, void *userdata)
{
	struct nvdimm *nv = userdata;

	nv->callbacks.on_badblocks(nv->userdata);
	return 0;
}

static void on_scrub(const char *bus, bool started, unsigned count, void *userdata)
{
	struct nvdimm *nv = userdata;

	nv->callbacks.on_scrub(bus, started, count, nv->userdata);
}

static void on_deaf(const char *what, int r, void *userdata)
{
	struct nvdimm *nv = userdata;

	nv->callbacks.on_degraded(what, strerror(-r), nv->userdata);
}

static void on_hearing(const char *what, void *userdata)
{
	struct nvdimm *nv = userdata;

	nv->callbacks.on_restored(what, nv->userdata);
}

static void settle_in(struct nvdimm *nv, uint64_t usec)
{
	int r;

	r = sd_event_source_set_time_relative(nv->settle, usec);
	if (r >= 0)
		r = sd_event_source_set_enabled(nv->settle, SD_EVENT_ONESHOT);
	if (r < 0)
		log_warn(r, "Cannot wait for devices to settle, keeping the old map");
}

/* The first of a burst arms the timer; the others find it armed. */
static void on_topology(void *userdata)
{
	struct nvdimm *nv = userdata;
	int enabled = SD_EVENT_OFF;

	if (sd_event_source_get_enabled(nv->settle, &enabled) > 0 && enabled != SD_EVENT_OFF)
		return;
	nv->n_failures = 0;
	settle_in(nv, SETTLE_USEC);
}

/* --- the map */

static int rebuild(struct nvdimm *nv)
{
	static const struct watch_callbacks callbacks = {
		.on_badblocks = on_badblocks,
		.on_scrub = on_scrub,
		.on_gone = on_topology,
		.on_deaf = on_deaf,
		.on_hearing = on_hearing,
	};
	_cleanup_(address_map_freep) struct address_map *map = NULL;
	_cleanup_(watches_freep) struct watches *watches = NULL;
	int r;

	r = address_map_build(&map);
	if (r < 0)
		return r;
	r = watches_new(nv->event, map, nv->watches, &callbacks, nv, &watches);
	if (r < 0)
		return r;

	watches_free(nv->watches);
	nv->watches = TAKE(watches);
	address_map_free(nv->map);
	nv->map = TAKE(map);
	return 0;
}

static void rebuild_failed(struct nvdimm *nv, int r)
{
	nv->n_failures++;

	/* No permission will not come by waiting. */
	if (nv->n_failures < MAX_TRIES && r != -EACCES && r != -EPERM) {
		settle_in(nv, (uint64_t)SETTLE_USEC << nv->n_failures);
		return;
	}
	nv->n_failures = 0;
	if (!nv->told_map)
		nv->callbacks.on_degraded("address map", strerror(-r), nv->userdata);
	nv->told_map = true;
	nv->callbacks.on_topology(nv->userdata);
}

static int on_settled(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct nvdimm *nv = userdata;
	int r;

	r = rebuild(nv);
	if (r < 0) {
		rebuild_failed(nv, r);
		return 0;
	}
	nv->n_failures = 0;
	if (nv->told_map)
		nv->callbacks.on_restored("address map", nv->userdata);
	nv->told_map = false;
	nv->callbacks.on_topology(nv->userdata);
	return 0;
}

/* --- coming and going */

static int on_begin(sd_event_source *source, void *userdata)
{
	struct nvdimm *nv = userdata;

	if (nv->hotplug_error < 0)
		nv->callbacks.on_degraded("hotplug", strerror(-nv->hotplug_error), nv->userdata);
	return on_settled(source, 0, nv);
}

static int add_sources(struct nvdimm *nv)
{
	int r;

	r = sd_event_add_time_relative(nv->event, &nv->settle, CLOCK_MONOTONIC, 0, 1000, on_settled,
				       nv);
	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(nv->settle, SD_EVENT_OFF);
	if (r < 0)
		return r;

	r = sd_event_add_defer(nv->event, &nv->changed, on_badblocks_settled, nv);
	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(nv->changed, SD_EVENT_OFF);
	if (r < 0)
		return r;
	r = sd_event_source_set_priority(nv->changed, SD_EVENT_PRIORITY_NORMAL + 1);
	if (r < 0)
		return r;

	return sd_event_add_defer(nv->event, &nv->begin, on_begin, nv);
}

int nvdimm_new(sd_event *event, const struct nvdimm_callbacks *callbacks, void *userdata,
	       struct nvdimm **ret)
{
	_cleanup_(nvdimm_freep) struct nvdimm *nv = NULL;
	int r;

	assert(event);
	assert(callbacks);
	assert(ret);

	nv = calloc(1, sizeof(*nv));
	if (!nv)
		return -ENOMEM;
	nv->event = sd_event_ref(event);
	nv->callbacks = *callbacks;
	nv->userdata = userdata;
	r = add_sources(nv);
	if (r < 0)
		return r;

	/* Before the first look at sysfs, so that nothing comes between the two. */
	nv->hotplug_error = hotplug_new(event, on_topology, nv, &nv->hotplug);

	/* on_begin makes it again, with watches and somebody to tell. */
	if (address_map_build(&nv->map) < 0) {
		r = address_map_new(&nv->map);
		if (r < 0)
			return r;
	}

	*ret = TAKE(nv);
	return 0;
}

struct nvdimm *nvdimm_free(struct nvdimm *nv)
{
	if (!nv)
		return NULL;
	hotplug_free(nv->hotplug);
	watches_free(nv->watches);
	sd_event_source_disable_unref(nv->begin);
	sd_event_source_disable_unref(nv->changed);
	sd_event_source_disable_unref(nv->settle);
	address_map_free(nv->map);
	sd_event_unref(nv->event);
	free(nv);
	return NULL;
}

/* Asked anew: a bus without any device is on no map. */
size_t nvdimm_n_buses(const struct nvdimm *nv)
{
	_cleanup_(closedirp) DIR *dir = opendir(SYSFS_ND_DEVICES);
	struct dirent *entry;
	size_t n = 0;

	while (dir && (entry = readdir(dir)))
		n += !strncmp(entry->d_name, "ndbus", strlen("ndbus"));
	return n;
}

void nvdimm_scrub_started(const struct nvdimm *nv)
{
	assert(nv);

	if (nv->watches)
		watches_read_scrubs(nv->watches);
}

const struct address_map *nvdimm_map(const struct nvdimm *nv)
{
	assert(nv);

	return nv->map;
}

int nvdimm_scan(struct nvdimm *nv, struct badblocks **ret, struct badblocks **ret_ars)
{
	_cleanup_(list_dirs_done) struct list_dirs dirs;

	assert(nv);

	list_dirs_open(&dirs);
	return nvdimm_scan_map(&dirs, nv->map, ret, ret_ars);
}

int nvdimm_scan_regions(const struct nvdimm *nv, struct badblocks **ret)
{
	_cleanup_(list_dirs_done) struct list_dirs dirs;

	assert(nv);

	list_dirs_open(&dirs);
	return nvdimm_scan_regions_at(&dirs, nv->map, ret);
}
