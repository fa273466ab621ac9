// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * footprint: see footprint.h.
 *
 * Most of a daemon that sleeps is code of libraries that ran once: a cryptographic library alone,
 * behind three others and never called, sets itself up in one and a half megabytes. Pages of files
 * are mapped again when they are touched, from the page cache, so letting them go costs a
 * microsecond each for those that turn out to be needed, and the kernel is free to use the others.
 */
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "footprint.h"

/* Code that was patched when it was loaded is no longer what is in the file. */
static bool has_patched_code(const struct dl_phdr_info *object)
{
	const ElfW(Dyn) *d = NULL;

	for (unsigned i = 0; i < object->dlpi_phnum; i++)
		if (object->dlpi_phdr[i].p_type == PT_DYNAMIC)
			d = (const void *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
	for (; d && d->d_tag != DT_NULL; d++)
		if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && d->d_un.d_val & DF_TEXTREL))
			return true;
	return false;
}

static int let_code_go(struct dl_phdr_info *object, size_t n_bytes, void *userdata)
{
	uintptr_t page_mask = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;

	if (has_patched_code(object))
		return 0;
	for (unsigned i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		uintptr_t start = object->dlpi_addr + segment->p_vaddr;
		uintptr_t end = (start + segment->p_memsz + page_mask) & ~page_mask;

		start &= ~page_mask;
		if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
			madvise((void *)start, end - start, MADV_DONTNEED);
	}
	return 0;
}

/* Larger than that it costs more than it saves. Older kernels know no such advice, and do nothing.
 */
#define MAX_OWN_BYTES (4u << 20)

void footprint_own_heap(void)
{
	uintptr_t end = (uintptr_t)sbrk(0), page_mask = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
	size_t n_bytes = mallinfo2().arena & ~page_mask;

	if (!(end & page_mask) && n_bytes < end && n_bytes <= MAX_OWN_BYTES)
		madvise((void *)(end - n_bytes), n_bytes, MADV_POPULATE_WRITE);
}

void footprint_shrink(void)
{
	malloc_trim(0);
	dl_iterate_phdr(let_code_go, NULL);
}
