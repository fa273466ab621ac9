/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * losses: reports of the kernel that found no room on their way to us.
 *
 *   source/kernel -> [losses] -> degraded
 *
 * Told as soon as there is one, with sums since the start; as they grow, every two seconds. A
 * minute after the last one this is over.
 */
#pragma once

#include <systemd/sd-event.h>

#include "cleanup.h"
#include "degraded.h"
#include "source/kernel.h"

struct losses;

/* `on_told`: something was lost since it was last called, so look at what is bad. */
struct losses *losses_new(sd_event *event, struct degraded *degraded,
			  void (*on_told)(void *userdata), void *userdata);
struct losses *losses_free(
	struct losses *l); /* tells what is not told yet; NULL is fine; returns NULL */
DEFINE_CLEANUP(struct losses *, losses_free);

void losses_take(struct losses *l, const struct kernel_losses *total);
