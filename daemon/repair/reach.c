// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * reach: see reach.h.
 *
 *   remap -> [reach] -> /sys/devices/system/memory, /sys/block
 *
 * In:   a page of one file that nobody else can touch.
 * Out:  the same page, marked and listed.
 *
 * To have memory taken out of use by its address is as dangerous as it sounds: so it is mapped
 * first, and /proc/self/pagemap says which page that is. Nothing is ever read or written through
 * the mapping, and nobody has it when the kernel looks for processes to signal. Cut off anywhere,
 * it is begun anew: a page that is marked can be marked again.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "holders/pagemap.h"
#include "locate/sysfs.h"
#include "repair/reach.h"
#include "repair/record.h"
#include "source/mce_history.h"
#include "source/nvdimm.h"

#define MEMORY_SYSFS "/sys/devices/system/memory"

int reach_has_dax(int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) < 0)
		return -errno;
	return !!(stx.stx_attributes & STATX_ATTR_DAX);
}

bool reach_is_needed(const struct reach *page)
{
	return reach_has_dax(page->fd) > 0 && mce_history_of(page->page) > MCE_NEVER;
}

/* ---- which page is it? ---- */

/* Is it the page that lies at this address of ours? 0, -ESTALE, or another negative errno. */
static int check_frame(const struct reach *page, const void *at)
{
	_cleanup_(closep) int fd = openat(page->job->proc_fd, "self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	if (fd < 0)
		return -errno;
	if (pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)at / PAGE_BYTES * sizeof(entry))) !=
	    sizeof(entry))
		return -EIO;
	/* Not pagemap_frame(): that takes the mark of a page that was lost for the page. */
	if (!(entry & PAGEMAP_PRESENT) ||
	    (entry & PAGEMAP_FRAME_MASK) != page->page.start_bytes / PAGE_BYTES)
		return -ESTALE;
	return 0;
}

/* Touched by the kernel for us: what has just been cleared may fail again, and who loads it then
 * gets a machine check. */
static int touch(const struct reach *page, void *at)
{
	if (madvise(at, PAGE_BYTES, MADV_POPULATE_READ) < 0)
		return errno == EINVAL ? -EOPNOTSUPP : -errno;
	return check_frame(page, at);
}

/* Afterwards the file's own map of pages has it, and no process. 0; -ESTALE: it is another page. */
static int map_and_touch(const struct reach *page)
{
	void *at = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, page->fd,
			(off_t)page->file_offset_bytes);
	int r;

	if (at == MAP_FAILED)
		return -errno;
	r = touch(page, at);
	munmap(at, PAGE_BYTES);
	return r;
}

/* ---- the two steps ---- */

static int write_attribute(int dir_fd, const char *name, const char *text)
{
	_cleanup_(closep) int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? -EOPNOTSUPP : -errno;
	n = pwrite(fd, text, strlen(text), 0);
	return n < 0 ? -errno : n == (ssize_t)strlen(text) ? 0 : -EIO;
}

static int mark(const struct reach *page)
{
	_cleanup_(closep) int dir_fd = open(MEMORY_SYSFS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char text[32];
	int r;

	if (dir_fd < 0)
		return errno == ENOENT ? -EOPNOTSUPP : -errno;
	snprintf(text, sizeof(text), "0x%" PRIx64, page->page.start_bytes);
	r = write_attribute(dir_fd, "hard_offline_page", text);
	return r == -EHWPOISON ? 0 : r; /* it is marked already */
}

/* The block device that has the page now, by the address of its first byte. */
static int open_device(const struct place *place)
{
	_cleanup_(closep) int dir_fd = -1;
	char path[128];
	uint64_t start;
	int r;

	snprintf(path, sizeof(path), "/sys/block/%s", place->device.blockdev);
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	r = sysfs_read_u64(dir_fd, "device/resource", &start);
	if (r < 0)
		return r;
	return start == place->data_start ? TAKE_FD(dir_fd) : -ESTALE;
}

/* One sector does it, and no more than one that an incident has is no news to anybody. */
static int list(const struct reach *page, struct range sector)
{
	const struct place *place = address_map_find(page->job->map, sector, NULL);
	_cleanup_(closep) int dir_fd = -1;
	char text[48];

	if (!place || !place->device.blockdev || !place->data_start)
		return -ENODEV;
	dir_fd = open_device(place);
	if (dir_fd < 0)
		return dir_fd;
	snprintf(text, sizeof(text), "%" PRIu64 " 1",
		 (sector.start_bytes - place->data_start) / SECTOR_BYTES);
	return write_attribute(dir_fd, "badblocks", text);
}

/* ---- on record ---- */

static int begin(const struct reach *page, const char *step, int64_t *ret_intent)
{
	_cleanup_(json_object_putp) struct json_object *detail = record_pages(page->page);

	return detail ? journal_intent(page->job->journal, step, detail, ret_intent) : -ENOMEM;
}

static int mark_on_record(const struct reach *page)
{
	int64_t intent;
	int r, marked;

	r = begin(page, "offline", &intent);
	if (r < 0)
		return r;
	/* Right before: a mapping of it is what the mark needs. */
	marked = map_and_touch(page);
	if (marked == 0)
		marked = mark(page);
	r = journal_outcome(page->job->journal, intent, marked, NULL);
	return r < 0 ? r : marked;
}

static int list_on_record(const struct reach *page, struct range sector)
{
	int64_t intent;
	int r, listed;

	r = begin(page, "list", &intent);
	if (r < 0)
		return r;
	listed = list(page, sector);
	r = journal_outcome(page->job->journal, intent, listed, NULL);
	return r < 0 ? r : listed;
}

int reach_page(const struct reach *page)
{
	struct range sector = { range_clip(page->incident, page->page).start_bytes, 1 };
	int r;

	sector = range_align_out(sector, SECTOR_BYTES);
	r = mark_on_record(page);
	return r < 0 ? r : list_on_record(page, sector);
}
