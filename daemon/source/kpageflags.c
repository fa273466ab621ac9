// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kpageflags: see kpageflags.h.
 *
 *   /proc/kpageflags -> [kpageflags] -> flow
 *
 * What badblocks are to persistent memory: the state to look at, whatever event woke us. It is lost
 * with a reboot, and taken back where a test gives the page back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cleanup.h"
#include "range.h"
#include "source/kpageflags.h"

/* linux/kernel-page-flags.h */
#define HWPOISON (1ull << 19)

#define N_PAGES 8192u /* at a time */

static int read_flags(int fd, uint64_t phys, uint64_t *ret)
{
	ssize_t n = pread(fd, ret, sizeof(*ret), (off_t)(phys / PAGE_BYTES * sizeof(*ret)));

	if (n < 0)
		return -errno;
	if (n < (ssize_t)sizeof(*ret))
		*ret = 0; /* past the end of all memory */
	return 0;
}

int page_is_poisoned(int proc_fd, uint64_t phys_start, uint64_t page_bytes)
{
	_cleanup_(closep) int fd = openat(proc_fd, "kpageflags", O_RDONLY | O_CLOEXEC);
	uint64_t flags, head_flags = 0;
	int r;

	if (fd < 0)
		return -errno;
	r = read_flags(fd, phys_start, &flags);
	if (r == 0 && page_bytes > PAGE_BYTES)
		r = read_flags(fd, phys_start & ~(page_bytes - 1), &head_flags);
	return r < 0 ? r : ((flags | head_flags) & HWPOISON) != 0;
}

int poisoned_pages_find(int proc_fd, int (*each)(uint64_t phys_start, void *userdata),
			void *userdata)
{
	_cleanup_(closep) int fd = openat(proc_fd, "kpageflags", O_RDONLY | O_CLOEXEC);
	_cleanup_(freep) uint64_t *flags = calloc(N_PAGES, sizeof(*flags));
	uint64_t pfn = 0;
	ssize_t n;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (!flags)
		return -ENOMEM;
	while ((n = read(fd, flags, N_PAGES * sizeof(*flags))) > 0)
		for (size_t i = 0; i < (size_t)n / sizeof(*flags); i++, pfn++) {
			if (flags[i] & HWPOISON)
				r = each(pfn * PAGE_BYTES, userdata);
			if (r)
				return r;
		}
	return n < 0 ? -errno : 0;
}

/* "HardwareCorrupted:     4 kB" */
bool any_page_is_poisoned(int proc_fd)
{
	int fd = openat(proc_fd, "meminfo", O_RDONLY | O_CLOEXEC);
	_cleanup_(fclosep) FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	unsigned long long kib;
	char line[256];

	if (!f) {
		closep(&fd);
		return true;
	}
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "HardwareCorrupted: %llu kB", &kib) == 1)
			return kib > 0;
	return true;
}
