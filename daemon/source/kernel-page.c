// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel-page: see kernel-page.h.
 *
 *   bpf/page.bpf.c -> [kernel-page] -> source/kernel
 *
 * In:   raw records, in which a place counts in pages of one size or another.
 * Out:  bytes, devices as the C library numbers them, a path.
 *
 * Where the kernel's map of pages begins is asked once, when this is loaded: it needs CAP_SYSLOG
 * then and never again.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "range.h"
#include "source/kernel-page.h"

/* The kernel's dev_t is not that of the C library. */
static dev_t device_of(uint64_t packed)
{
	return makedev((unsigned)(packed >> 20), (unsigned)(packed & 0xfffff));
}

static bool is_hugetlb(const struct poison_page *raw)
{
	return (raw->flags & POISON_PAGE_FILE) && !strcmp(raw->filesystem, "hugetlbfs") &&
	       raw->block_shift > 12 && raw->block_shift < 48;
}

static int read_offset(const struct poison_page *raw, uint64_t head_bytes, uint64_t *ret)
{
	uint64_t head;

	if (__builtin_mul_overflow(raw->index, head_bytes, &head) ||
	    __builtin_add_overflow(head, raw->tail * (uint64_t)PAGE_BYTES, ret))
		return -EOVERFLOW;
	return 0;
}

static enum page_use use_of(const struct poison_page *raw)
{
	if (raw->flags & POISON_PAGE_FILE)
		return PAGE_FILE;
	return raw->flags & POISON_PAGE_ANONYMOUS ? PAGE_ANONYMOUS : PAGE_OTHER;
}

int page_facts_read(const struct poison_page *raw, bool index_is_huge, struct page_facts *ret)
{
	struct page_facts facts = {
		.use = use_of(raw),
		.dirty = raw->flags & POISON_PAGE_DIRTY,
		.swapbacked = raw->flags & POISON_PAGE_SWAPBACKED,
		.n_mapped = raw->n_mapped,
		.page_bytes = is_hugetlb(raw) ? 1ull << raw->block_shift : PAGE_BYTES,
	};
	int r;

	if (facts.use != PAGE_OTHER && !(raw->flags & POISON_PAGE_MERGED)) {
		r = read_offset(raw, index_is_huge ? facts.page_bytes : PAGE_BYTES,
				&facts.offset_bytes);
		if (r < 0)
			return r;
	}
	if (facts.use == PAGE_FILE) {
		facts.dev = device_of(raw->device);
		facts.inode = raw->inode;
		facts.generation = raw->generation;
		facts.n_links = raw->n_links;
		facts.mode = raw->mode;
		facts.rdev = S_ISBLK(raw->mode) ? device_of(raw->rdev) : 0;
		memcpy(facts.filesystem, raw->filesystem, sizeof(facts.filesystem));
		facts.filesystem[sizeof(facts.filesystem) - 1] = '\0';
	}
	*ret = facts;
	return 0;
}

/* They come with the file's own first, and so does the path: from its end. */
void page_name_read(const struct poison_names *raw, char ret[static PAGE_NAME_BYTES])
{
	char path[PAGE_NAME_BYTES];
	size_t at = sizeof(path) - 1, from = 0;

	ret[0] = path[at] = '\0';
	if (!raw->is_whole)
		return;
	for (uint32_t i = 0; i < raw->n_names; i++) {
		size_t n = strnlen(raw->names + from, sizeof(raw->names) - from);

		if (!n || from + n == sizeof(raw->names) || n + 1 > at)
			return;
		at -= n;
		memcpy(path + at, raw->names + from, n);
		path[--at] = '/';
		from += n + 1;
	}
	strcpy(ret, path + at);
}

#ifdef HAVE_BPF

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpf/page.skel.h"

struct page_source {
	struct page_bpf *skeleton;
};

static bool has_function(const struct btf *btf, const char *name)
{
	return btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
}

bool page_index_is_huge(const struct btf *btf)
{
	return has_function(btf, "hugetlb_basepage_index");
}

static int load(struct page_bpf *s, const struct btf *btf, int ring_fd)
{
	int r;

	bpf_program__set_autoload(s->progs.on_hwpoison_filter,
				  has_function(btf, "hwpoison_filter"));
	bpf_program__set_autoload(s->progs.on_unpoison_return,
				  has_function(btf, "unpoison_memory"));
	r = bpf_map__reuse_fd(s->maps.ring, ring_fd);
	return r < 0 ? r : page_bpf__load(s);
}

/* 0 also where it stays unknown. */
static void ask_where_pages_begin(struct page_bpf *s)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);

	(void)bpf_prog_test_run_opts(bpf_program__fd(s->progs.read_vmemmap), &options);
}

int page_source_new(const struct btf *btf, int ring_fd, struct page_source **ret,
		    const char **ret_reason)
{
	_cleanup_(page_source_freep) struct page_source *p = calloc(1, sizeof(*p));
	int r;

	*ret_reason = "what a page of plain memory was used for can't be seen in this kernel";
	if (!p)
		return -ENOMEM;
	p->skeleton = page_bpf__open();
	if (!p->skeleton)
		return -errno;
	r = load(p->skeleton, btf, ring_fd);
	if (r < 0)
		return r;
	ask_where_pages_begin(p->skeleton);
	if (!p->skeleton->bss->vmemmap_start && !has_function(btf, "hwpoison_filter")) {
		*ret_reason = "where the kernel keeps its map of pages is not known (CAP_SYSLOG)";
		return -ENODATA;
	}
	r = page_bpf__attach(p->skeleton);
	if (r < 0)
		return r;
	*ret = TAKE(p);
	return 0;
}

struct page_source *page_source_free(struct page_source *p)
{
	if (!p)
		return NULL;
	page_bpf__destroy(p->skeleton);
	free(p);
	return NULL;
}

uint64_t page_source_n_lost(const struct page_source *p)
{
	return p ? __atomic_load_n((uint64_t *)&p->skeleton->bss->n_lost, __ATOMIC_RELAXED) : 0;
}

#endif
