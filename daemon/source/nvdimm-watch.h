/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvdimm-watch: be woken when a badblocks list or a scrub changes.
 *
 * One set watches the devices that exist when it is made; hotplug makes a new set.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <systemd/sd-event.h>

#include "cleanup.h"
#include "locate/address_map.h"

struct watches;

struct watch_callbacks {
	void (*on_badblocks)(void *userdata);
	void (*on_scrub)(const char *bus, bool started, unsigned count, void *userdata);
	void (*on_gone)(void *userdata);	/* a watched file vanished: make a new set */
	/* what: "badblocks of region0", "scrubs of ndbus0"; r is a negative errno. */
	void (*on_deaf)(const char *what, int r, void *userdata);
	void (*on_hearing)(const char *what, void *userdata);
};

/*
 * Watch all buses and regions in sysfs, and the block devices on the map. `old` (may be NULL) is
 * what the new set replaces: a scrub that went on meanwhile is told, and so is what became deaf or
 * hears again. 0 or negative errno; the caller frees `old`.
 */
int watches_new(sd_event *event, const struct address_map *map, const struct watches *old,
		const struct watch_callbacks *callbacks, void *userdata, struct watches **ret);
struct watches *watches_free(struct watches *w);

/* Look at every scrub now: the kernel does not wake anybody when one starts. */
void watches_read_scrubs(const struct watches *w);
DEFINE_CLEANUP(struct watches *, watches_free);
