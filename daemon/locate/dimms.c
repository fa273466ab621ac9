// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dimms: which DIMMs of an interleave set hold a range?
 *
 *   address_map -> [dimms] -> owners
 *
 * In:   incidents whose device names every DIMM of its region.
 * Out:  the same, with those left that hold the bytes.
 *
 * How lines go round the DIMMs is the memory controller's secret, so the platform is asked for
 * each line of the range. Half an answer is none: a DIMM that is not named would not be replaced.
 *
 * The address map keeps the whole set: its places are as large as a region.
 */
#include <errno.h>
#include <string.h>

#include "locate/dimms.h"
#include "locate/ndctl_context.h"

/* No platform changes DIMMs in less than a line of media. */
#define LINE_BYTES 256u

/* A long range goes round the whole set anyway; and each question may take firmware a millisecond.
 */
#define MAX_RANGE_BYTES (16u * 1024)
#define MAX_QUESTIONS	4096u

/* 1: *ret is all that hold a byte of phys; 0: not every line is known; -ENOMEM. */
static int ask_platform(struct ndctl_bus *bus, struct range phys, unsigned *n_questions,
			char ***ret)
{
	_cleanup_(strv_freep) char **names = NULL;
	struct range lines = range_align_out(phys, LINE_BYTES);

	for (uint64_t at = lines.start_bytes; at < range_end(lines); at += LINE_BYTES) {
		struct ndctl_dimm *dimm;
		const char *name;

		if (++*n_questions > MAX_QUESTIONS)
			return 0;
		dimm = ndctl_bus_get_dimm_by_physical_address(bus, at);
		name = dimm ? ndctl_dimm_get_devname(dimm) : NULL;
		if (!name)
			return 0;
		if (strv_push_once(&names, name) < 0)
			return -ENOMEM;
	}
	*ret = TAKE(names);
	return 1;
}

static bool can_be_narrowed(const struct incident *in)
{
	return in->device.bus && strv_length(in->device.dimms) > 1 &&
	       in->phys.length_bytes <= MAX_RANGE_BYTES;
}

int dimms_narrow(struct incident **incidents, size_t n_incidents)
{
	_cleanup_(ndctl_context_freep) struct ndctl_ctx *ctx = NULL;
	unsigned n_questions = 0;

	for (size_t i = 0; i < n_incidents; i++) {
		struct device *device = &incidents[i]->device;
		_cleanup_(strv_freep) char **names = NULL;
		struct ndctl_bus *bus;
		int r;

		if (!can_be_narrowed(incidents[i]))
			continue;
		if (!ctx && ndctl_context_new(&ctx) < 0)
			return 0;
		bus = ndctl_context_bus(ctx, device->bus);
		r = bus ? ask_platform(bus, incidents[i]->phys, &n_questions, &names) : 0;
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		strv_free(device->dimms);
		device->dimms = TAKE(names);
	}
	return 0;
}
