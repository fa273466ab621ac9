// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * clear: see clear.h.
 *
 *   repair -> [clear] -> clear_error
 *
 * The command goes to the media by address, so it is only ever sent for what the filesystem calls
 * free or unwritten right before, and the filesystem is asked again right after: a block that was
 * given away in between was cleared by its new owner's first write anyway. A page that a machine
 * check may have hit is never cleared by command: what reads it next can oops the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "owners/owners.h"
#include "repair/clear.h"
#include "repair/clear_error.h"
#include "repair/content.h"
#include "repair/record.h"
#include "source/badblocks.h"
#include "source/mce_history.h"
#include "source/nvdimm.h"

struct clear {
	const struct repair_job *job;
	const struct repair_fs *fs; /* NULL: raw */
	struct incident *in;
	struct range page;
	const struct place *place;
	int device_fd; /* raw: held exclusively; -1 otherwise */
	struct page_result *result;
};

/* Is the page nobody's data? 1, 0, negative errno. */
static int holds_nothing(const struct clear *c)
{
	_cleanup_(incident_freep) struct incident *now = NULL;
	int r;

	if (!c->fs)
		return 1; /* raw: the exclusive hold stands for it */
	now = incident_new(c->page, 0);
	if (!now)
		return -ENOMEM;
	r = owners_ask_fsmap(c->fs->root_fd, c->fs->phys_of_fs, c->page, now);
	if (r < 0)
		return r;
	for (size_t i = 0; i < now->n_owners; i++)
		if (now->owners[i].kind != OWNER_FREE && now->owners[i].kind != OWNER_UNWRITTEN)
			return 0;
	return now->n_owners > 0;
}

/* What lies on a filesystem that is not mounted may be somebody's file: nobody can say, so it is
 * not touched. */
static int check_content(struct clear *c)
{
	const char *blockdev = c->place->device.blockdev;
	_cleanup_(freep) char *type = NULL;
	int r;

	r = content_of(blockdev, &type);
	if (r > 0)
		return result_stop(
			c->result, "waiting", "not-mounted",
			"%s carries %s that is not mounted, so nobody can say whose data was lost",
			blockdev, type);
	if (r == -ENODATA)
		return result_stop(c->result, "waiting", "content-unknown",
				   "udev has not said what %s carries", blockdev);
	return r;
}

/* An exclusive open fails while anybody has it mounted, mapped by device-mapper or open
 * exclusively. */
static int hold_device(struct clear *c)
{
	char path[128];
	int r;

	if (c->fs)
		return 0;
	r = check_content(c);
	if (r != 0)
		return r;
	snprintf(path, sizeof(path), "/dev/%s", c->place->device.blockdev);
	c->device_fd = open(path, O_RDWR | O_EXCL | O_DIRECT | O_DSYNC | O_CLOEXEC);
	if (c->device_fd < 0 && errno == EBUSY)
		return result_stop(c->result, "waiting", "busy", "%s is in use",
				   c->place->device.blockdev);
	if (c->device_fd < 0)
		return -errno;
	if (c->in->n_holders)
		return result_stop(c->result, "waiting", "held", "process %d (%s) has %s open",
				   c->in->holders[0].pid, c->in->holders[0].comm,
				   c->place->device.blockdev);
	return 0;
}

/* Bad bytes of the page by the region's list alone: the block device keeps its own, and keeps it
 * longer. */
static int region_is_bad(const struct clear *c)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	_cleanup_(closep) int dir_fd = -1;
	struct range in_region = c->page;
	char path[128];
	int r;

	if (!c->place->device.region)
		return -ENOENT;
	snprintf(path, sizeof(path), "/sys/bus/nd/devices/%s", c->place->device.region);
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	r = badblocks_read(dir_fd, &bad);
	if (r < 0)
		return r;
	in_region.start_bytes -= c->place->region_start;
	return badblocks_overlap(bad, in_region);
}

static int command(struct clear *c, struct range bad)
{
	_cleanup_(json_object_putp) struct json_object *detail = record_pages(c->page);
	struct range aligned;
	uint64_t cleared = 0;
	int64_t intent;
	uint32_t unit;
	int r, failed;

	r = clear_error_unit(c->place->device.bus, c->page, &unit);
	if (r < 0)
		return r;
	aligned = range_align_out(bad, unit);
	if (!range_contains(c->fs ? c->page : range_align_out(bad, SECTOR_BYTES), aligned))
		return result_stop(c->result, "waiting", "clear-unit",
				   "the bus clears %u bytes at a time, more than what is bad",
				   unit);

	r = journal_intent(c->job->journal, "clear-error", detail, &intent);
	if (r < 0)
		return r;
	r = holds_nothing(c);
	if (r > 0)
		failed = clear_error_submit(c->place->device.bus, aligned, &cleared);
	else
		failed = r < 0 ? r : -EAGAIN;
	if (failed >= 0 && cleared < aligned.length_bytes)
		failed = -EIO;
	r = journal_outcome(c->job->journal, intent, failed, NULL);
	if (r < 0)
		return r;
	if (failed == -EAGAIN)
		return result_stop(c->result, "waiting", "moved",
				   "the block was given to a file meanwhile");
	if (failed < 0)
		return result_stop(c->result, "failed", "clear-refused",
				   "the platform does not clear the media: %s", strerror(-failed));
	return 0;
}

/* Raw: what was lost becomes zeros, and the kernel drops its entry. */
static int write_zeros(struct clear *c, struct range bad)
{
	static const uint8_t zeros[PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));
	struct range sectors = range_align_out(bad, SECTOR_BYTES);

	if (c->device_fd < 0)
		return 0;
	if (pwrite(c->device_fd, zeros, sectors.length_bytes,
		   sectors.start_bytes - c->place->data_start) != (ssize_t)sectors.length_bytes)
		return result_stop(c->result, "failed", "clear-refused", "%s refuses a write: %s",
				   c->place->device.blockdev, strerror(errno));
	c->result->zeroed_bytes += sectors.length_bytes;
	return 0;
}

static int clear_ranges(struct clear *c)
{
	_cleanup_(badblocks_freep) struct badblocks *bad = NULL;
	int r;

	r = nvdimm_bad_within(c->job->map, c->page, &bad);
	for (size_t i = 0; r >= 0 && i < bad->n_ranges; i++) {
		r = command(c, bad->ranges[i]);
		if (r == -EOPNOTSUPP && c->device_fd >= 0)
			r = 0; /* the driver may still clear on write */
		if (r == 0)
			r = write_zeros(c, bad->ranges[i]);
		if (r != 0)
			return r;
	}
	return r < 0 ? r : 0;
}

static int verify(struct clear *c)
{
	int r;

	r = nvdimm_is_bad(c->job->map, c->page);
	if (r <= 0)
		return r;
	r = holds_nothing(c);
	if (r < 0)
		return r;
	if (r == 0)
		return result_stop(c->result, "waiting", "moved",
				   "the block was given to a file meanwhile");
	if (region_is_bad(c) != 0)
		return result_stop(c->result, "failed", "clear-refused",
				   "the command was taken, but the media is still on the list");
	return result_stop(c->result, "done", "stale-badblocks",
			   "the media is clean; the kernel forgets its entry for %s when the block "
			   "is next written",
			   c->place->device.blockdev);
}

static int run(struct clear *c)
{
	struct range clipped;
	int r;

	c->place = address_map_find(c->job->map, c->page, &clipped);
	if (!c->place || !c->place->device.bus || !c->place->device.blockdev)
		return result_stop(c->result, "failed", "no-device",
				   "no device is known for the page");
	if (mce_history_of(c->page) != MCE_NEVER)
		return result_stop(c->result, "waiting", "machine-check",
				   "a machine check has hit the page, or may have: it is not "
				   "cleared by command");
	r = hold_device(c);
	if (r != 0)
		return r;
	r = holds_nothing(c);
	if (r < 0)
		return r;
	if (r == 0)
		return result_stop(c->result, "waiting", "moved",
				   "the block was given to a file meanwhile");
	r = clear_ranges(c);
	if (r != 0)
		return r;
	r = verify(c);
	if (r == 0)
		c->result->state = "done";
	return r;
}

int clear_page(const struct repair_job *job, const struct repair_fs *fs, struct incident *in,
	       uint64_t phys_start, struct page_result *ret)
{
	struct clear c = {
		.job = job,
		.fs = fs,
		.in = in,
		.page = { phys_start, PAGE_BYTES },
		.device_fd = -1,
		.result = ret,
	};
	int r;

	*ret = (struct page_result){ 0 };
	r = run(&c);
	if (c.device_fd >= 0)
		close(c.device_fd);
	if (result_is_no_outcome(r))
		return r;
	if (r < 0)
		result_stop(ret, "failed", r == -EOPNOTSUPP ? "clear-refused" : "io-error",
			    "the page could not be cleared: %s", strerror(-r));
	return 0;
}
