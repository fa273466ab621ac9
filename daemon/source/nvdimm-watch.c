// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nvdimm-watch: be woken when a badblocks list or a scrub changes.
 *
 *   sysfs (POLLPRI) -> [nvdimm-watch] -> nvdimm
 *
 * In:   `badblocks` of regions and block devices, `nfit/scrub` of buses.
 * Out:  that something changed; for a scrub also what.
 *
 * A sysfs file wakes its poller until it is read again, and is armed by reading it
 * once first. The file of a vanished device wakes for ever: it is switched off, and
 * a new set is asked for.
 *
 * The kernel tells when a scrub ends, not always when it starts: a higher count is
 * the end of one, seen or not; a start is told only when we see it run.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "locate/sysfs.h"
#include "source/nvdimm-watch.h"

/* More devices than any machine has; a directory is not to be trusted to end. */
#define MAX_WATCHES 4096

enum watch_kind {
	WATCH_BADBLOCKS,
	WATCH_SCRUB,
};

static const char *const kind_names[] = {
	[WATCH_BADBLOCKS] = "badblocks",
	[WATCH_SCRUB] = "scrubs",
};

struct watch {
	struct watches *set;
	enum watch_kind kind;
	char device[64]; /* "region0", "pmem0", "ndbus0" */
	int fd; /* -1: deaf */
	bool deaf;
	sd_event_source *source;
	bool scrub_known;
	bool scrub_active;
	unsigned scrub_count;
};

struct watches {
	sd_event *event;
	struct watch_callbacks callbacks;
	void *userdata;
	struct watch **all;
	size_t n;
};

static struct watch *watch_free(struct watch *w)
{
	if (!w)
		return NULL;
	sd_event_source_disable_unref(w->source);
	closep(&w->fd);
	free(w);
	return NULL;
}
DEFINE_CLEANUP(struct watch *, watch_free);

/* "7" or, while one runs, "7+". */
static int parse_scrub(const char *line, bool *ret_active, unsigned *ret_count)
{
	unsigned count;
	char plus = 0, excess;
	int n;

	if (*line < '0' || *line > '9')
		return -EBADMSG;
	n = sscanf(line, "%u%c%c", &count, &plus, &excess);
	if (n < 1 || n > 2 || (n == 2 && plus != '+'))
		return -EBADMSG;
	*ret_active = n == 2;
	*ret_count = count;
	return 0;
}

static void tell_scrub(struct watch *w, bool active, unsigned count)
{
	const struct watches *set = w->set;
	bool ended = w->scrub_known && (count != w->scrub_count || (w->scrub_active && !active));
	bool started = active && (!w->scrub_known || !w->scrub_active || ended);

	w->scrub_known = true;
	w->scrub_active = active;
	w->scrub_count = count;
	if (ended)
		set->callbacks.on_scrub(w->device, false, count, set->userdata);
	if (started)
		set->callbacks.on_scrub(w->device, true, count, set->userdata);
}

static int read_scrub(struct watch *w)
{
	char line[32];
	unsigned count;
	bool active;
	ssize_t n;
	int r;

	do
		n = pread(w->fd, line, sizeof(line) - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';

	r = parse_scrub(line, &active, &count);
	if (r < 0)
		return r;
	tell_scrub(w, active, count);
	return 0;
}

/* Reading arms the next wake-up, and any read does; what the list says is for nvdimm-scan. */
static int read_badblocks(struct watch *w)
{
	char byte;
	ssize_t n;

	do
		n = pread(w->fd, &byte, sizeof(byte), 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* -ENXIO: a disabled device, which hotplug will tell about when it is enabled. */
static int watch_read(struct watch *w)
{
	int r;

	r = w->kind == WATCH_SCRUB ? read_scrub(w) : read_badblocks(w);
	return r == -ENXIO ? 0 : r;
}

static int on_changed(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct watch *w = userdata;
	const struct watches *set = w->set;
	int r;

	r = watch_read(w);
	if (r < 0) {
		/* It would wake us for ever. */
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
		set->callbacks.on_gone(set->userdata);
		return 0;
	}
	if (w->kind == WATCH_BADBLOCKS)
		set->callbacks.on_badblocks(set->userdata);
	return 0;
}

static const struct watch *find_watch(const struct watches *set, enum watch_kind kind,
				      const char *device)
{
	for (size_t i = 0; set && i < set->n; i++)
		if (set->all[i]->kind == kind && !strcmp(set->all[i]->device, device))
			return set->all[i];
	return NULL;
}

static int watch_open(struct watch *w, const char *path)
{
	int r;

	w->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (w->fd < 0)
		return -errno;
	r = watch_read(w);
	if (r < 0)
		return r;
	r = sd_event_add_io(w->set->event, &w->source, w->fd, EPOLLPRI, on_changed, w);
	if (r < 0)
		return r;
	sd_event_source_set_description(w->source, w->device);
	return 0;
}

static void tell_deaf(const struct watch *w, int r)
{
	char what[96];

	snprintf(what, sizeof(what), "%s of %s", kind_names[w->kind], w->device);
	if (r < 0)
		w->set->callbacks.on_deaf(what, r, w->set->userdata);
	else
		w->set->callbacks.on_hearing(what, w->set->userdata);
}

/* What was deaf and no longer is: heard again, or gone for good. */
static void tell_hearing(const struct watches *set, const struct watches *old)
{
	for (size_t i = 0; old && i < old->n; i++) {
		const struct watch *before = old->all[i];
		const struct watch *now = find_watch(set, before->kind, before->device);

		if (before->deaf && !(now && now->deaf))
			tell_deaf(before, 0);
	}
}

static int add_watch(struct watches *set, const struct watches *old, enum watch_kind kind,
		     const char *device, const char *path)
{
	const struct watch *before = find_watch(old, kind, device);
	_cleanup_(watch_freep) struct watch *w = NULL;
	struct watch **all;
	int r;

	if (strlen(device) >= sizeof(w->device) || set->n == MAX_WATCHES)
		return -E2BIG;
	all = reallocarray(set->all, set->n + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	set->all = all;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;

	w->set = set;
	w->kind = kind;
	w->fd = -1;
	strcpy(w->device, device);
	if (before) {
		w->scrub_known = before->scrub_known;
		w->scrub_active = before->scrub_active;
		w->scrub_count = before->scrub_count;
	}

	r = watch_open(w, path);
	if (r == -ENOENT || r == -ENODEV)
		return 0; /* this kind has none, or it has just gone */
	if (r == -ENOMEM)
		return r;
	w->deaf = r < 0;
	if (w->deaf && !(before && before->deaf))
		tell_deaf(w, r);
	set->all[set->n++] = TAKE(w);
	return 0;
}

static int watch_bus_or_region(struct watches *set, const struct watches *old, const char *name)
{
	char path[512];

	if (!strncmp(name, "ndbus", strlen("ndbus"))) {
		snprintf(path, sizeof(path), SYSFS_ND_DEVICES "/%s/nfit/scrub", name);
		return add_watch(set, old, WATCH_SCRUB, name, path);
	}
	if (!strncmp(name, "region", strlen("region"))) {
		snprintf(path, sizeof(path), SYSFS_ND_DEVICES "/%s/badblocks", name);
		return add_watch(set, old, WATCH_BADBLOCKS, name, path);
	}
	return 0;
}

static int watch_buses(struct watches *set, const struct watches *old)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	struct dirent *entry;
	int r;

	dir = opendir(SYSFS_ND_DEVICES);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((errno = 0, entry = readdir(dir))) {
		r = watch_bus_or_region(set, old, entry->d_name);
		if (r < 0)
			return r;
	}
	return -errno;
}

static int watch_disks(struct watches *set, const struct watches *old,
		       const struct address_map *map)
{
	char path[512];
	int r;

	for (size_t i = 0; i < map->n_places; i++) {
		const char *disk = map->places[i].device.blockdev;

		if (!disk || find_watch(set, WATCH_BADBLOCKS, disk))
			continue;
		snprintf(path, sizeof(path), SYSFS_BLOCK "/%s/badblocks", disk);
		r = add_watch(set, old, WATCH_BADBLOCKS, disk, path);
		if (r < 0)
			return r;
	}
	return 0;
}

int watches_new(sd_event *event, const struct address_map *map, const struct watches *old,
		const struct watch_callbacks *callbacks, void *userdata, struct watches **ret)
{
	_cleanup_(watches_freep) struct watches *set = NULL;
	int r;

	assert(event);
	assert(map);
	assert(callbacks);
	assert(ret);

	set = calloc(1, sizeof(*set));
	if (!set)
		return -ENOMEM;
	set->event = sd_event_ref(event);
	set->callbacks = *callbacks;
	set->userdata = userdata;

	r = watch_buses(set, old);
	if (r < 0)
		return r;
	r = watch_disks(set, old, map);
	if (r < 0)
		return r;
	tell_hearing(set, old);

	*ret = TAKE(set);
	return 0;
}

/* What can't be read says so by itself: its poll tells, or it was deaf before. */
void watches_read_scrubs(const struct watches *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->all[i]->kind == WATCH_SCRUB && !w->all[i]->deaf)
			watch_read(w->all[i]);
}

struct watches *watches_free(struct watches *w)
{
	if (!w)
		return NULL;
	for (size_t i = 0; i < w->n; i++)
		watch_free(w->all[i]);
	free(w->all);
	sd_event_unref(w->event);
	free(w);
	return NULL;
}
