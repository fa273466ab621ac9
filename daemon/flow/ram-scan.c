// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow/ram-scan: pages of plain memory that were lost when nobody heard of it.
 *
 *   /proc/kpageflags (in a worker) -> [flow/ram-scan] -> flow/resolve
 *
 * An event can be lost, and a page can have been given up before the daemon started. What the
 * kernel calls poisoned is the state to go by: all pages are looked at then, unless the kernel
 * counts none as lost. What such a page was used for is not seen any more; who has lost it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "flow/flow-private.h"
#include "json-fields.h"
#include "log.h"
#include "source/kpageflags.h"

/* A terabyte's flags are two gigabytes to read. */
#define SCAN_TIMEOUT_USEC (10 * 60 * USEC_PER_SEC)

/* More than are kept open at once. */
#define MAX_FOUND 20000u

struct found {
	struct worker_link *link;
	unsigned n;
};

static int tell_page(uint64_t phys_start, void *userdata)
{
	struct found *found = userdata;
	struct json_fields f = json_fields_new();
	int r;

	field_put_hex(&f, "phys_start", phys_start);
	r = f.r < 0 ? f.r : worker_tell(found->link, f.object);
	json_object_put(f.object);
	return r < 0 ? r : ++found->n == MAX_FOUND;
}

static int run(struct worker_link *link, void *job)
{
	_cleanup_(closep) int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct found found = { .link = link };
	int r;

	if (proc_fd < 0)
		return -errno;
	r = poisoned_pages_find(proc_fd, tell_page, &found);
	return r < 0 ? r : 0;
}

static void on_message(struct worker *w, struct json_object *message, bool wants_reply,
		       void *userdata)
{
	struct json_fields f = { .object = message };
	uint64_t phys_start = 0;

	field_get_hex(&f, "phys_start", &phys_start);
	if (f.r == 0)
		ram_begin_unheard(userdata, phys_start);
}

static void on_done(struct worker *w, int r, void *userdata)
{
	struct flow *f = userdata;

	f->ram_scan = worker_free(w);
	if (r < 0)
		log_warn(r, "Cannot look for pages that were lost before, they stay unknown");
	flow_pump(f);
}

static const struct worker_ops ops = {
	.name = "hwp-ram-scan",
	.run = run,
	.on_message = on_message,
	.on_done = on_done,
	.timeout_usec = SCAN_TIMEOUT_USEC,
	.only_reads = true,
};

void flow_ram_rescan(struct flow *f)
{
	int r;

	if (f->ram_scan || !any_page_is_poisoned(f->parts.proc_fd))
		return;
	r = worker_start(f->parts.event, &ops, f, f, &f->ram_scan);
	if (r < 0)
		log_warn(r, "Cannot look for pages that were lost before, they stay unknown");
}
