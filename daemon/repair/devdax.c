// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * devdax: see devdax.h.
 *
 * A device-dax has no fsync: a store is on the media when its cache line was written back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cleanup.h"
#include "range.h"
#include "repair/devdax.h"

#define LINE_BYTES 64u

#if defined(__x86_64__)
static bool write_back(uint8_t *from, uint32_t n_bytes)
{
	for (uint32_t at = 0; from && at < n_bytes; at += LINE_BYTES)
		__builtin_ia32_clflush(from + at);
	__builtin_ia32_mfence();
	return true;
}
#elif defined(__aarch64__)
static bool write_back(uint8_t *from, uint32_t n_bytes)
{
	for (uint32_t at = 0; from && at < n_bytes; at += LINE_BYTES)
		__asm__ volatile("dc cvac, %0" ::"r"(from + at) : "memory");
	__asm__ volatile("dsb sy" ::: "memory");
	return true;
}
#else
static bool write_back(uint8_t *from, uint32_t n_bytes)
{
	return false;
}
#endif

/* Its mappings begin and end at multiples of this. */
static int read_alignment(const char *chardev, uint64_t *ret)
{
	_cleanup_(fclosep) FILE *f = NULL;
	char path[128];
	unsigned long align;

	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/align", chardev);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	if (fscanf(f, "%lu", &align) != 1 || align < PAGE_BYTES || align & (align - 1))
		return -EBADMSG;
	*ret = align;
	return 0;
}

int devdax_map(const char *chardev, uint64_t offset_bytes, struct devdax_page *ret)
{
	_cleanup_(closep) int fd = -1;
	uint64_t align = 0, inside;
	char path[128];
	void *mapping;
	int r;

	*ret = (struct devdax_page){ 0 };
	if (!write_back(NULL, 0))
		return -EOPNOTSUPP;
	r = read_alignment(chardev, &align);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/dev/%s", chardev);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	inside = offset_bytes & (align - 1);
	mapping = mmap(NULL, align, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		       (off_t)(offset_bytes - inside));
	if (mapping == MAP_FAILED)
		return -errno;
	*ret = (struct devdax_page){ mapping, align, (uint8_t *)mapping + inside };
	return 0;
}

void devdax_unmap(struct devdax_page *p)
{
	if (p->mapping)
		munmap(p->mapping, p->mapping_bytes);
	*p = (struct devdax_page){ 0 };
}

int devdax_zero(struct devdax_page *p, uint32_t sectors)
{
	static const uint8_t zeros[SECTOR_BYTES];

	for (uint32_t at = 0; at < PAGE_BYTES; at += SECTOR_BYTES) {
		if (!(sectors & 1u << at / SECTOR_BYTES))
			continue;
		memset(p->page + at, 0, SECTOR_BYTES);
		write_back(p->page + at, SECTOR_BYTES);
		if (memcmp(p->page + at, zeros, SECTOR_BYTES))
			return -EIO;
	}
	return 0;
}
