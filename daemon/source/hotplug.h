/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hotplug: a device of an NVDIMM bus came, went, or was enabled or disabled. */
#pragma once

#include <systemd/sd-event.h>

#include "cleanup.h"

struct hotplug;

/* What happened is not told: whoever hears it looks for himself. */
typedef void (*hotplug_changed)(void *userdata);

/* 0 or negative errno. */
int hotplug_new(sd_event *event, hotplug_changed changed, void *userdata, struct hotplug **ret);
struct hotplug *hotplug_free(struct hotplug *h);	/* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct hotplug *, hotplug_free);
