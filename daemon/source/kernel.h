/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel: what the kernel's own error handling reports, by BPF.
 *
 * Optional in every part: a kernel without BTF, without the tracepoint or under lockdown makes
 * kernel_new() fail with a reason, and the daemon hears the rest.
 */
#pragma once

#include <stdint.h>

#include <systemd/sd-event.h>

#include "cleanup.h"

struct kernel_source;

struct kernel_callbacks {
	/*
	 * ras:memory_failure_event. Names are from the running kernel's BTF ("dax", "dirty-lru";
	 * "recovered", "failed", "delayed", "ignored"), "unknown" otherwise.
	 */
	void (*on_memory_failure)(uint64_t phys_start, const char *page_type, const char *result,
				  void *userdata);
	/* n_lost records did not fit into the ring. */
	void (*on_lost)(uint64_t n_lost, void *userdata);
};

/*
 * 0, or negative errno with *ret_reason a static sentence: -EOPNOTSUPP built without BPF, -ENOENT
 * no BTF or tracepoint, -EPERM not allowed to.
 */
int kernel_new(sd_event *event, const struct kernel_callbacks *callbacks, void *userdata,
	       struct kernel_source **ret, const char **ret_reason);
struct kernel_source *kernel_free(struct kernel_source *k);
DEFINE_CLEANUP(struct kernel_source *, kernel_free);
