/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mount_watch: wakes when something is mounted or unmounted in our mount namespace. */
#pragma once

#include <systemd/sd-event.h>

#include "cleanup.h"

struct mount_watch;

/* 0 or negative errno. */
int mount_watch_new(sd_event *event, void (*on_change)(void *userdata), void *userdata,
		    struct mount_watch **ret);
struct mount_watch *mount_watch_free(struct mount_watch *w);
DEFINE_CLEANUP(struct mount_watch *, mount_watch_free);
