// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pagemap: which lost pages of memory a process has in its page tables.
 *
 *   /proc/PID/maps, /proc/PID/pagemap -> [pagemap] -> proc-scan
 *
 * In:   targets that are pages, by their frame.
 * Out:  for each, the address at which that process has lost it.
 *
 * The kernel unmaps a lost page, and leaves in its place a mark that names the frame: whoever comes
 * there gets SIGBUS. So who has lost what can still be seen when all is over, and a process that
 * has unmapped the place, or got a new page there, is rightly not found. Huge pages of hugetlbfs
 * leave no mark that is shown here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "holders/helper.h"
#include "holders/pagemap.h"
#include "holders/proc-maps.h"
#include "holders/proc-scan.h"

/*
 * Of a page that is not there: which swap area, and the place in it. The last few areas are none,
 * but marks of the kernel's, whose place is a page frame.
 */
#define AREA_BITS  5
#define FIRST_MARK 16u

#define N_ENTRIES 8192u

/* Reserved and never touched, for the most part: half a second to look at. */
#define MAX_MAPPING_BYTES (256ull << 30)
#define LONG_BYTES	  (1ull << 30)

struct page_scan {
	struct proc_process *p;
	int fd;
	uint64_t entries[N_ENTRIES];
};

int pagemap_frame(uint64_t entry, uint64_t *ret_pfn)
{
	uint64_t frame = entry & PAGEMAP_FRAME_MASK;

	if (entry & PAGEMAP_PRESENT) {
		*ret_pfn = frame;
		return frame != 0;
	}
	if (!(entry & PAGEMAP_SWAPPED) || (frame & ((1u << AREA_BITS) - 1)) < FIRST_MARK)
		return 0;
	*ret_pfn = frame >> AREA_BITS;
	return *ret_pfn != 0;
}

static int look_at_entry(struct page_scan *s, uint64_t entry, uint64_t virt)
{
	uint64_t pfn;
	size_t n;
	const struct identity *id;
	int r;

	if (!entry || !pagemap_frame(entry, &pfn))
		return 0;
	id = identities_find(s->p->ids, target_key_of_page(pfn * PAGE_BYTES), false, &n);
	for (size_t i = 0; i < n; i++) {
		r = hits_add(&s->p->hits, (struct hit){ .pid = s->p->pid,
							.target = id[i].target,
							.mapped = true,
							.virt_start = virt,
							.length_bytes = PAGE_BYTES });
		if (r < 0)
			return r;
	}
	return 0;
}

static int look_at_mapping(struct page_scan *s, const struct maps_line *m)
{
	uint64_t virt = m->virt_start;

	if (m->virt_end - m->virt_start > MAX_MAPPING_BYTES || m->virt_end > INT64_MAX)
		return 0;
	while (virt < m->virt_end) {
		uint64_t left = (m->virt_end - virt) / PAGE_BYTES;
		size_t wanted = left < N_ENTRIES ? left : N_ENTRIES;
		ssize_t n = pread(s->fd, s->entries, wanted * sizeof(uint64_t),
				  (off_t)(virt / PAGE_BYTES * sizeof(uint64_t)));

		if (n < (ssize_t)sizeof(uint64_t))
			return n < 0 ? -errno : 0;
		for (size_t i = 0; i < (size_t)n / sizeof(uint64_t); i++, virt += PAGE_BYTES) {
			int r = look_at_entry(s, s->entries[i], virt);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int pagemap_scan(struct proc_process *p, int pid_fd)
{
	_cleanup_(closep) int fd = openat(pid_fd, "pagemap", O_RDONLY | O_CLOEXEC);
	int maps_fd = fd < 0 ? -1 : openat(pid_fd, "maps", O_RDONLY | O_CLOEXEC);
	_cleanup_(fclosep) FILE *maps = maps_fd < 0 ? NULL : fdopen(maps_fd, "r");
	_cleanup_(freep) struct page_scan *s = malloc(sizeof(*s));
	_cleanup_(freep) char *line = NULL;
	size_t capacity = 0;
	ssize_t n;

	if (!maps || !s) {
		if (maps_fd >= 0 && !maps)
			close(maps_fd);
		if (!s)
			return -ENOMEM;
		return errno == ENOENT ? -ESRCH : -errno;
	}
	s->p = p;
	s->fd = fd;
	while ((n = getline(&line, &capacity, maps)) > 0) {
		struct maps_line m;
		int r;

		if (maps_parse_line(line, line + n - 1, &m) < 0)
			continue;
		r = look_at_mapping(s, &m);
		if (r != -ENOMEM && m.virt_end - m.virt_start >= LONG_BYTES)
			r = helper_alive(p->to, p->pid);
		if (r == -ENOMEM || r == -EPIPE)
			return r;
	}
	return 0;
}
