// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * repair: the least that mending a page can cost: bare loops over pages of a file, for repair.sh.
 *
 *   repair.sh ──► [repair] ──► a line of JSON
 *
 * Usage: repair write FILE STRIDE N       a whole page, O_DSYNC, N times, each STRIDE pages on
 *        repair clone FILE DONOR STRIDE N a page of the donor, FICLONERANGE, O_DSYNC
 *        repair once FILE N               all N pages in one write
 *        repair share FILE DONOR N        all N pages of the donor, as many at a time as a repair
 *        repair ledger DIRECTORY TOGETHER N  what a remap puts on record for a page, or for as many
 *                                         together, until it is N pages; no more
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ledger/ledger.h"
#include "measure.h"
#include "page.h"
#include "repair/plan.h"
#include "repair/record.h"

static double begun; /* msec */

static int open_file(const char *path)
{
	int fd = open(path, O_RDWR | O_DSYNC | O_CLOEXEC);

	if (fd < 0)
		die(path, -errno);
	return fd;
}

static void write_pages(const char *path, uint64_t stride, unsigned n)
{
	_cleanup_(closep) int fd = open_file(path);
	char page[PAGE_BYTES];

	memset(page, 0x5a, sizeof(page));
	for (unsigned i = 0; i < n; i++)
		if (pwrite(fd, page, sizeof(page), i * stride * PAGE_BYTES) != sizeof(page))
			die("pwrite", -errno);
}

static void write_once(const char *path, unsigned n)
{
	_cleanup_(closep) int fd = open_file(path);
	_cleanup_(freep) char *pages = NULL;
	ssize_t n_bytes = (ssize_t)n * PAGE_BYTES;

	pages = aligned_alloc(PAGE_BYTES, n_bytes);
	if (!pages)
		die("memory", -ENOMEM);
	memset(pages, 0x5a, n_bytes);
	if (pwrite(fd, pages, n_bytes, 0) != n_bytes)
		die("pwrite", -errno);
}

static void clone_pages(const char *path, const char *donor, uint64_t stride, unsigned n)
{
	_cleanup_(closep) int fd = open_file(path), donor_fd = open_file(donor);

	for (unsigned i = 0; i < n; i++) {
		struct file_clone_range range = {
			.src_fd = donor_fd,
			.src_length = PAGE_BYTES,
			.dest_offset = i * stride * PAGE_BYTES,
		};

		if (ioctl(fd, FICLONERANGE, &range) < 0)
			die("FICLONERANGE", -errno);
	}
}

static void share_pages(const char *path, const char *donor, unsigned n)
{
	_cleanup_(closep) int fd = open_file(path), donor_fd = open_file(donor);

	for (unsigned i = 0; i < n; i += PLAN_MAX_TOGETHER) {
		unsigned n_now = n - i < PLAN_MAX_TOGETHER ? n - i : PLAN_MAX_TOGETHER;
		struct file_clone_range range = {
			.src_fd = donor_fd,
			.src_offset = i * (uint64_t)PAGE_BYTES,
			.src_length = n_now * PAGE_BYTES,
			.dest_offset = i * (uint64_t)PAGE_BYTES,
		};

		if (ioctl(fd, FICLONERANGE, &range) < 0)
			die("FICLONERANGE", -errno);
	}
}

/* As the journal does it: what came before goes on record with an intent, by one commit. */
static int64_t step(struct ledger *ledger, const char *name, struct range pages, int64_t ended)
{
	_cleanup_(json_object_putp) struct json_object *detail = record_pages(pages);
	int64_t intent = 0;
	int r = ledger_begin_group(ledger);

	if (r >= 0 && ended)
		r = ledger_outcome(ledger, ended, 0, detail);
	if (r >= 0 && !strcmp(name, "swap"))
		r = ledger_put_unsaved(ledger, 1, pages);
	if (r >= 0)
		r = ledger_intent(ledger, 1, name, detail, &intent);
	r = ledger_end_group(ledger, r);
	if (r < 0)
		die("ledger", r);
	return intent;
}

static void put_pages(const char *directory, unsigned together, unsigned n)
{
	_cleanup_(ledger_freep) struct ledger *ledger = NULL;
	int64_t remap = 0, swap, clear = 0;
	int r;

	r = ledger_open(directory, &ledger, NULL);
	if (r < 0)
		die(directory, r);
	begun = wall_msec(); /* a new one takes longer to make than to use */
	for (unsigned i = 0; i < n; i += together) {
		struct range pages = { (1 << 20) + i * (uint64_t)PAGE_BYTES,
				       together * PAGE_BYTES };

		if (remap)
			ledger_outcome(ledger, remap, 0, NULL);
		remap = step(ledger, "remap", pages, clear);
		swap = step(ledger, "swap", pages, 0);
		clear = step(ledger, "clear", pages, swap);
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc > 3 ? argv[1] : "";
	unsigned n = strtoul(argv[argc - 1], NULL, 10);
	struct json_object *row;
	double msec;

	begun = wall_msec();
	if (!strcmp(mode, "write") && argc == 5)
		write_pages(argv[2], strtoul(argv[3], NULL, 10), n);
	else if (!strcmp(mode, "once"))
		write_once(argv[2], n);
	else if (!strcmp(mode, "clone") && argc == 6)
		clone_pages(argv[2], argv[3], strtoul(argv[4], NULL, 10), n);
	else if (!strcmp(mode, "share") && argc == 5)
		share_pages(argv[2], argv[3], n);
	else if (!strcmp(mode, "ledger") && argc == 5)
		put_pages(argv[2], strtoul(argv[3], NULL, 10), n);
	else
		return 2;
	msec = wall_msec() - begun;

	row = row_new("repair", getenv("ROW") ?: mode);
	row_put(row, "pages", n);
	row_put(row, "wall_msec", msec);
	row_put(row, "pages_per_sec", 1000 * n / msec);
	row_print(row);
	return 0;
}
