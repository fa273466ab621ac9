// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * repair: the least that mending a page can cost: bare loops over pages of a file, for repair.sh.
 *
 *   repair.sh ──► [repair] ──► a line of JSON
 *
 * Usage: repair write FILE STRIDE N       a whole page, O_DSYNC, N times, each STRIDE pages on
 *        repair clone FILE DONOR STRIDE N a page of the donor, FICLONERANGE, O_DSYNC
 *        repair once FILE N               all N pages in one write
 *        repair ledger DIRECTORY N        what a remap puts on record for a page, N times, no more
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
#include "repair/record.h"

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

static void step(struct ledger *ledger, const char *name, uint64_t phys_start)
{
	_cleanup_(json_object_putp) struct json_object *detail = record_page(phys_start);
	int64_t intent;
	int r;

	r = ledger_intent(ledger, 1, name, detail, &intent);
	if (r >= 0)
		r = ledger_outcome(ledger, intent, 0, detail);
	if (r < 0)
		die("ledger", r);
}

static void record_pages(const char *directory, unsigned n)
{
	_cleanup_(ledger_freep) struct ledger *ledger = NULL;
	struct salvaged_page page = { .length_bytes = PAGE_BYTES };
	int r;

	r = ledger_open(directory, &ledger, NULL);
	if (r < 0)
		die(directory, r);
	for (unsigned i = 0; i < n; i++) {
		page.phys_start = i * (uint64_t)PAGE_BYTES;
		step(ledger, "remap", page.phys_start);
		r = ledger_put_salvage(ledger, 1, &page);
		if (r < 0)
			die("ledger", r);
		step(ledger, "swap", page.phys_start);
		step(ledger, "clear", page.phys_start);
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc > 3 ? argv[1] : "";
	unsigned n = strtoul(argv[argc - 1], NULL, 10);
	struct json_object *row;
	double begun = wall_msec(), msec;

	if (!strcmp(mode, "write") && argc == 5)
		write_pages(argv[2], strtoul(argv[3], NULL, 10), n);
	else if (!strcmp(mode, "once"))
		write_once(argv[2], n);
	else if (!strcmp(mode, "clone") && argc == 6)
		clone_pages(argv[2], argv[3], strtoul(argv[4], NULL, 10), n);
	else if (!strcmp(mode, "ledger"))
		record_pages(argv[2], n);
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
