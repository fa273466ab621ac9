// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * page: what a page of plain memory was when memory_failure() took it.
 *
 *   kernel -> [page.bpf] -> the ring of poison.bpf -> daemon/source/kernel.c
 *
 * In:   a page frame number, from which its struct page is found where vmemmap_base can be read
 *       (CAP_SYSLOG, and a kernel that lists it in kallsyms); or else the struct page that
 *       hwpoison_filter() gets, which kernels with CONFIG_HWPOISON_INJECT have.
 * Out:  the file and the place in it, or that it was anonymous, and a name of the file.
 *
 * All of it is optional. It must be read on the way in: at the end the page is no longer the
 * file's. Nothing is locked, so what is read may be changing: user space takes it for a hint.
 */
#include "bpf/poison-ring.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MAX_DEPTH 16

#define MAPPING_ANONYMOUS 1ul
#define MAPPING_MOVABLE	  2ul
#define MAPPING_MERGED	  3ul

extern const void vmemmap_base __ksym __weak; /* by its name in kallsyms */

/* Of the struct page of frame 0; 0: not known. */
__u64 vmemmap_start;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct super_block {
	__u32 s_dev;
	struct file_system_type *s_type;
};

struct file_system_type {
	const char *name;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct inode {
	__u16 i_mode;
	struct super_block *i_sb;
	struct address_space *i_mapping;
	unsigned long i_ino;
	unsigned int i_nlink;
	__u32 i_rdev;
	__u8 i_blkbits;
	struct hlist_head i_dentry;
	__u32 i_generation;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	union {
		struct hlist_node d_alias;
	} d_u;
};

struct address_space {
	struct inode *host;
};

typedef struct {
	int counter;
} atomic_t;

struct page {
	unsigned long flags;
	unsigned long compound_head;
	struct address_space *mapping;
	unsigned long index;
	atomic_t _mapcount;
};

/* From 6.18 on the flags are in a structure of their own. */
typedef struct {
	unsigned long f;
} memdesc_flags_t;

struct page___memdesc {
	memdesc_flags_t flags;
};

struct folio {
	struct address_space *mapping;
	unsigned long index;
};

enum pageflags {
	PG_dirty = 4,
	PG_head = 16,
	PG_swapbacked = 19,
};

#pragma clang attribute pop

#define has_flag(flags, name) (!!((flags)&1ul << bpf_core_enum_value(enum pageflags, name)))

SEC("syscall")
int read_vmemmap(void *context)
{
	if (may_read_memory && &vmemmap_base)
		bpf_probe_read_kernel(&vmemmap_start, sizeof(vmemmap_start), &vmemmap_base);
	return 0;
}

static __always_inline unsigned long flags_of(__u64 page)
{
	struct page___memdesc *memdesc = (void *)page;

	if (bpf_core_field_exists(memdesc->flags.f))
		return BPF_CORE_READ(memdesc, flags.f);
	return BPF_CORE_READ((struct page *)page, flags);
}

/*
 * Of a tail page, the head. The struct pages of a huge page may be mapped onto its first ones to
 * save memory: then a tail can look like a head, and only the page after it tells.
 */
static __always_inline __u64 head_of(__u64 page)
{
	unsigned long head = BPF_CORE_READ((struct page *)page, compound_head);

	if (head & 1)
		return head - 1;
	if (!has_flag(flags_of(page), PG_head))
		return page;
	head = BPF_CORE_READ((struct page *)(page + bpf_core_type_size(struct page)),
			     compound_head);
	return head & 1 ? head - 1 : page;
}

/* The names from the file up to the root. One that is too long leaves the path without its top. */
static __always_inline void tell_names(struct inode *inode)
{
	struct hlist_node *alias = BPF_CORE_READ(inode, i_dentry.first);
	struct dentry *dentry, *parent;
	struct poison_names *names;
	__u32 at = 0;
	long n;

	if (!alias || !has_room_for_minor())
		return;
	names = bpf_ringbuf_reserve(&ring, sizeof(*names), 0);
	if (!names)
		return; /* without it a name is looked for */
	__builtin_memset(names, 0, sizeof(*names));
	names->seen_mono_nsec = bpf_ktime_get_ns();
	names->kind = POISON_NAMES;
	names->running_tid = (__s32)bpf_get_current_pid_tgid();
	dentry = (void *)alias - bpf_core_field_offset(struct dentry, d_u.d_alias);
	for (int i = 0; i < MAX_DEPTH; i++) {
		parent = BPF_CORE_READ(dentry, d_parent);
		if (!parent || parent == dentry) {
			names->is_whole = parent == dentry;
			break;
		}
		if (at > POISON_NAMES_BYTES - POISON_NAME_BYTES)
			break;
		n = bpf_probe_read_kernel_str(names->names + at, POISON_NAME_BYTES,
					      BPF_CORE_READ(dentry, d_name.name));
		if (n <= 1 || n >= POISON_NAME_BYTES)
			break;
		at += n;
		names->n_names++;
		dentry = parent;
	}
	bpf_ringbuf_submit(names, 0);
}

/* A field that only looks like a mapping does not lead to an inode that leads back. */
static __always_inline struct inode *host_of(unsigned long mapping)
{
	struct inode *host = BPF_CORE_READ((struct address_space *)mapping, host);

	if (!host || (unsigned long)BPF_CORE_READ(host, i_mapping) != mapping)
		return 0;
	return host;
}

static __always_inline void fill_file(struct poison_page *page, struct inode *host)
{
	page->flags |= POISON_PAGE_FILE;
	page->inode = BPF_CORE_READ(host, i_ino);
	page->device = BPF_CORE_READ(host, i_sb, s_dev);
	page->generation = BPF_CORE_READ(host, i_generation);
	page->n_links = BPF_CORE_READ(host, i_nlink);
	page->mode = BPF_CORE_READ(host, i_mode);
	page->rdev = BPF_CORE_READ(host, i_rdev);
	page->block_shift = BPF_CORE_READ(host, i_blkbits);
	bpf_probe_read_kernel_str(page->filesystem, sizeof(page->filesystem),
				  BPF_CORE_READ(host, i_sb, s_type, name));
}

static __always_inline void tell_page(__u64 address, __u64 pfn)
{
	struct poison_event *event = new_minor_event(POISON_PAGE, POISON_BYTES(page));
	struct poison_page *page;
	struct inode *host = 0;
	__u64 flags, mapping, head;

	if (!event)
		return;
	page = &event->page;
	page->pfn = pfn;
	/* 6.1 refuses to count with a pointer that it knows the type of: through memory it is a
	 * number. */
	page->inode = address;
	address = *(volatile __u64 *)&page->inode;
	page->inode = 0;

	head = head_of(address);
	page->tail = (address - head) / bpf_core_type_size(struct page);
	page->index = BPF_CORE_READ((struct folio *)head, index);
	mapping = (unsigned long)BPF_CORE_READ((struct folio *)head, mapping);
	flags = flags_of(address) | flags_of(head);
	if (has_flag(flags, PG_dirty))
		page->flags |= POISON_PAGE_DIRTY;
	if (has_flag(flags, PG_swapbacked))
		page->flags |= POISON_PAGE_SWAPBACKED;
	if (address == head && !has_flag(flags, PG_head))
		page->n_mapped = BPF_CORE_READ((struct page *)address, _mapcount.counter) + 1;

	if ((mapping & MAPPING_MERGED) == MAPPING_MERGED)
		page->flags |= POISON_PAGE_ANONYMOUS | POISON_PAGE_MERGED;
	else if (mapping & MAPPING_ANONYMOUS)
		page->flags |= POISON_PAGE_ANONYMOUS;
	else if (mapping && !(mapping & MAPPING_MOVABLE))
		host = host_of(mapping);
	if (host)
		fill_file(page, host);
	bpf_ringbuf_submit(event, 0);
	if (host)
		tell_names(host);
}

SEC("fentry/memory_failure")
int BPF_PROG(on_memory_failure_page, unsigned long pfn, int flags)
{
	if (may_read_memory && vmemmap_start)
		tell_page(vmemmap_start + pfn * bpf_core_type_size(struct page), pfn);
	return 0;
}

SEC("fentry/hwpoison_filter")
int BPF_PROG(on_hwpoison_filter, struct page *page)
{
	if (may_read_memory && !vmemmap_start)
		tell_page((__u64)page, 0);
	return 0;
}

SEC("fexit/unpoison_memory")
int BPF_PROG(on_unpoison_return, unsigned long pfn, int result)
{
	struct poison_event *event;

	if (result < 0)
		return 0;
	event = new_event(POISON_UNPOISON, POISON_BYTES(failure));
	if (!event)
		return 0;
	event->failure.pfn = pfn;
	bpf_ringbuf_submit(event, 0);
	return 0;
}
