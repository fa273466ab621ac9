// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ars: what the last address range scrub found.
 *
 *   platform -> [ars] -> nvdimm-scan
 *
 * In:   a bus and a physical range, asked only where a badblocks list was cut.
 * Out:  the records of the platform for that range.
 *
 * Two commands: ARS_CAP says how large the answer of ARS_STATUS can be. Sizes and
 * counts come from firmware and are checked against each other: libndctl reads
 * records[i] wherever the firmware's count says.
 *
 * Starting a scrub is scrub.c.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <linux/ndctl.h>

#include "locate/ndctl_context.h"
#include "source/ars.h"

/* The kernel takes no larger command buffer (ND_IOCTL_MAX_BUFLEN). */
#define MAX_OUT_BYTES (4u << 20)

/* The high half of a status says how the scrub went; the low half is 0 unless the command failed.
 */
enum {
	SCRUB_DONE = 0,
	SCRUB_RUNS = 1,
	SCRUB_NEVER_RAN = 2,
};

/* A positive result is a short answer, which is usual: the buffer is as large as the largest. */
static int submit(struct ndctl_cmd *cmd)
{
	int r;

	r = ndctl_cmd_submit(cmd);
	if (r < 0)
		return r;
	return ndctl_cmd_get_firmware_status(cmd) & 0xffff ? -EIO : 0;
}

static int ask_capability(struct ndctl_bus *bus, struct range phys, struct ndctl_cmd **ret)
{
	_cleanup_(ndctl_cmd_unrefp) struct ndctl_cmd *cap = NULL;
	unsigned n_bytes;
	int r;

	cap = ndctl_bus_cmd_new_ars_cap(bus, phys.start_bytes, phys.length_bytes);
	if (!cap)
		return -EOPNOTSUPP;
	r = submit(cap);
	if (r < 0)
		return r;
	n_bytes = ndctl_cmd_ars_cap_get_size(cap);
	if (n_bytes < sizeof(struct nd_cmd_ars_status) || n_bytes > MAX_OUT_BYTES)
		return -EBADMSG;

	*ret = TAKE(cap);
	return 0;
}

static int ask_status(struct ndctl_cmd *cap, struct ndctl_cmd **ret)
{
	_cleanup_(ndctl_cmd_unrefp) struct ndctl_cmd *status = NULL;
	int r;

	status = ndctl_bus_cmd_new_ars_status(cap);
	if (!status)
		return -EOPNOTSUPP;
	r = submit(status);
	if (r < 0)
		return r;

	switch (ndctl_cmd_get_firmware_status(status) >> 16) {
	case SCRUB_RUNS:
		return -EBUSY;
	case SCRUB_NEVER_RAN:
		return -ENODATA;
	default:
		*ret = TAKE(status);
		return 0;
	}
}

static int take_record(struct badblocks *found, struct ndctl_cmd *status, unsigned i,
		       struct range phys)
{
	struct range record = {
		.start_bytes = ndctl_cmd_ars_get_record_addr(status, i),
		.length_bytes = ndctl_cmd_ars_get_record_len(status, i),
	};

	/* A record that makes no sense was meant to tell something. */
	if (!range_valid(record)) {
		found->cut = true;
		return 0;
	}
	record = range_clip(record, phys);
	if (!record.length_bytes)
		return 0;
	return badblocks_add(found, range_clip(range_align_out(record, SECTOR_BYTES), phys));
}

int ars_records(const char *bus_name, struct range phys, struct badblocks **ret)
{
	_cleanup_(ndctl_context_freep) struct ndctl_ctx *ctx = NULL;
	_cleanup_(ndctl_cmd_unrefp) struct ndctl_cmd *cap = NULL, *status = NULL;
	_cleanup_(badblocks_freep) struct badblocks *found = NULL;
	struct ndctl_bus *bus;
	unsigned n_records, n_fit;
	int r;

	assert(bus_name);
	assert(ret);

	if (!range_valid(phys))
		return -EINVAL;
	r = badblocks_new(&found);
	if (r < 0)
		return r;
	r = ndctl_context_new(&ctx);
	if (r < 0)
		return r;
	bus = ndctl_context_bus(ctx, bus_name);
	if (!bus)
		return -ENODEV;
	r = ask_capability(bus, phys, &cap);
	if (r < 0)
		return r;
	r = ask_status(cap, &status);
	if (r < 0)
		return r;

	n_records = ndctl_cmd_ars_num_records(status);
	n_fit = (ndctl_cmd_ars_cap_get_size(cap) - sizeof(struct nd_cmd_ars_status)) /
		sizeof(struct nd_ars_record);
	found->cut = n_records > n_fit || ndctl_cmd_ars_stat_get_flag_overflow(status) != 0 ||
		     ndctl_cmd_get_firmware_status(status) >> 16 != SCRUB_DONE;
	for (unsigned i = 0; i < n_records && i < n_fit; i++) {
		r = take_record(found, status, i, phys);
		if (r < 0)
			return r;
	}
	badblocks_normalize(found);

	*ret = TAKE(found);
	return 0;
}
