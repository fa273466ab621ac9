/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvdimm: what every NVDIMM bus says is poisoned, and when that changed.
 *
 * Wakes on POLLPRI of the badblocks file of every region and pmem block device, on `nfit/scrub` of
 * every bus, and on uevents of subsystems nd, block and dax (hotplug): no timer runs while nothing
 * happens. The answer to "what is bad?" is always read anew: the union of region lists, block
 * device lists and, where a list was cut, ARS status records.
 */
#pragma once

#include <stdint.h>

#include <systemd/sd-event.h>

#include "cleanup.h"
#include "locate/address_map.h"
#include "source/badblocks.h"

struct nvdimm;

struct nvdimm_callbacks {
	void (*on_badblocks)(void *userdata);		/* some list changed: scan again */
	/* A device came or went; the map was rebuilt or kept. */
	void (*on_topology)(void *userdata);
	/* A start may go unseen; count is of finished scrubs since the bus came up. */
	void (*on_scrub)(const char *bus, bool started, unsigned count, void *userdata);
	/* what: "address map", "hotplug", "badblocks of region0", "scrubs of ndbus0". */
	void (*on_degraded)(const char *what, const char *reason, void *userdata);
	void (*on_restored)(const char *what, void *userdata);
};

/*
 * Starts also where there is no bus at all: 0, and nvdimm_n_buses() is 0. The map is there at once;
 * callbacks are called from the loop only, beginning with one on_topology.
 */
int nvdimm_new(sd_event *event, const struct nvdimm_callbacks *callbacks, void *userdata,
	       struct nvdimm **ret);
struct nvdimm *nvdimm_free(struct nvdimm *nv);
DEFINE_CLEANUP(struct nvdimm *, nvdimm_free);

size_t nvdimm_n_buses(const struct nvdimm *nv);

/*
 * We have just started a scrub, and the kernel wakes nobody for that: look, and tell on_scrub from
 * in here.
 */
void nvdimm_scrub_started(const struct nvdimm *nv);

/* The current address map; it stays nvdimm's, and is replaced in on_topology. */
const struct address_map *nvdimm_map(const struct nvdimm *nv);

/*
 * All poison now, as physical ranges, sorted and merged; `cut` if it is known to be incomplete:
 * then a range that is missing here need not have healed. *ret_ars (may be NULL) are those that
 * only ARS records showed, which are as old as the last scrub: one that was healed since is still
 * there. 0 or negative errno.
 */
int nvdimm_scan(struct nvdimm *nv, struct badblocks **ret, struct badblocks **ret_ars);

/*
 * What regions' lists alone have. A clear by command empties these, and leaves the block device's
 * as it was: so what is here is bad, also where a clear before has left an entry behind. 0 or
 * negative errno.
 */
int nvdimm_scan_regions(const struct nvdimm *nv, struct badblocks **ret);

/*
 * Only the bytes of `phys` that the kernel's lists call bad now. For decisions: any doubt is an
 * error, -EOVERFLOW where a list was cut before it came there, -ENODEV where part of phys is on no
 * region, -ENXIO where no list can be read. Usable in a worker. 0 or negative errno.
 */
int nvdimm_bad_within(const struct address_map *map, struct range phys, struct badblocks **ret);

/* Is any byte of this physical range bad, by any list? Errors are the same. 1, 0, negative errno. */
int nvdimm_is_bad(const struct address_map *map, struct range phys);
