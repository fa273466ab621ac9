// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * holders: every mapping and every open file of every process, sifted.
 *
 *   daemon/holders/bpf-walk.c -> files, ranges -> [holders.bpf] -> records -> bpf-walk.c
 *
 * In:   the files that lost bytes, as the kernel knows them, and which of their pages.
 * Out:  a record for each mapping and each open file that may touch them. User space looks again,
 *       to the byte.
 *
 * Pointers are followed by plain loads, which the verifier checks against the kernel's types. No
 * helper reads kernel memory, so it loads under lockdown=confidentiality as well. The types below
 * name what is used of them; where that lies, the kernel's BTF tells when this is loaded.
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/holders.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define S_IFMT	0170000
#define S_IFCHR 0020000
#define S_IFBLK 0060000

#define O_ACCMODE   3
#define VM_WRITE    0x02ul
#define VM_MAYSHARE 0x80ul

/* 2^15 > HOLDERS_MAX_RANGES: as many halvings find any of them. */
#define MAX_HALVINGS 15

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct super_block {
	__u32 s_dev;
};

struct inode {
	__u16 i_mode;
	unsigned long i_ino;
	__u32 i_rdev;
	struct super_block *i_sb;
};

struct address_space;

struct file {
	struct inode *f_inode;
	struct address_space *f_mapping;
	unsigned int f_flags;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct file *vm_file;
};

struct task_struct {
	int pid;
	int tgid;
	struct task_struct *group_leader;
	__u64 start_boottime;
};

struct mm_struct;

struct bpf_iter_seq_task_vma_info {
	struct mm_struct *mm;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HOLDERS_MAX_FILES);
	__type(key, struct holders_key);
	__type(value, struct holders_file);
} files SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HOLDERS_MAX_RANGES);
	__type(key, __u32);
	__type(value, struct holders_range);
} ranges SEC(".maps");

static __always_inline void key_of(struct file *file, struct holders_key *ret)
{
	struct inode *inode = file->f_inode;
	__u32 type = inode->i_mode & S_IFMT;

	if (type == S_IFCHR || type == S_IFBLK) {
		ret->type = type;
		ret->dev = inode->i_rdev;
		return;
	}
	ret->dev = inode->i_sb->s_dev;
	ret->inode = inode->i_ino;
}

/* (dev, inode) is not one file on btrfs, where each subvolume counts for itself. */
static __always_inline struct holders_file *find(struct file *file, struct holders_key *key)
{
	struct holders_file *found = bpf_map_lookup_elem(&files, key);

	if (found && found->mapping && found->mapping != (__u64)file->f_mapping)
		return NULL;
	return found;
}

/* Is one of its lost pages among these? The first range that ends behind first_page tells. */
static __always_inline int overlaps(const struct holders_file *file, __u64 first_page,
				    __u64 end_page)
{
	__u32 low = file->first_range, end = low + file->n_ranges, high = end;
	struct holders_range *range;

	for (int i = 0; i < MAX_HALVINGS && low < high; i++) {
		__u32 middle = low + (high - low) / 2;

		range = bpf_map_lookup_elem(&ranges, &middle);
		if (!range)
			return 0;
		if (range->end_page > first_page)
			high = middle;
		else
			low = middle + 1;
	}
	if (low >= end)
		return 0;
	range = bpf_map_lookup_elem(&ranges, &low);
	return range && range->first_page < end_page;
}

static __always_inline void write(struct bpf_iter_meta *meta, struct task_struct *task,
				  struct file *file, struct holders_record *record)
{
	record->start_boot_nsec = task->group_leader->start_boottime;
	record->mapping = (__u64)file->f_mapping;
	record->tgid = task->tgid;
	record->tid = task->pid;
	bpf_seq_write(meta->seq, record, sizeof(*record));
}

static __always_inline int look_at_mapping(struct bpf_iter__task_vma *ctx, int is_sifted)
{
	struct vm_area_struct *vma = ctx->vma;
	struct task_struct *task = ctx->task;
	struct holders_record record = { .fd = -1 };
	struct holders_file *found;
	struct file *file;

	if (!task || !vma) /* the end of the walk */
		return 0;
	file = vma->vm_file;
	if (!file)
		return 0;
	key_of(file, &record.key);
	record.virt_start = vma->vm_start;
	record.virt_end = vma->vm_end;
	record.first_page = vma->vm_pgoff;
	if (is_sifted) {
		found = find(file, &record.key);
		if (!found ||
		    !overlaps(found, record.first_page,
			      record.first_page + ((record.virt_end - record.virt_start) >> 12)))
			return 0;
	}
	if ((vma->vm_flags & VM_WRITE) && (vma->vm_flags & VM_MAYSHARE))
		record.bits = HOLDERS_WRITABLE;
	write(ctx->meta, task, file, &record);
	return 0;
}

static __always_inline int look_at_file(struct bpf_iter__task_file *ctx, int is_sifted)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct holders_record record = {};

	if (!task || !file) /* the end of the walk */
		return 0;
	key_of(file, &record.key);
	if (is_sifted && !find(file, &record.key))
		return 0;
	record.fd = ctx->fd;
	if (file->f_flags & O_ACCMODE)
		record.bits = HOLDERS_WRITABLE;
	write(ctx->meta, task, file, &record);
	return 0;
}

SEC("iter/task_vma")
int find_mapped(struct bpf_iter__task_vma *ctx)
{
	return look_at_mapping(ctx, 1);
}

SEC("iter/task_file")
int find_open(struct bpf_iter__task_file *ctx)
{
	return look_at_file(ctx, 1);
}

/*
 * These two, of one process, show what the kernel knows a file as that user space has a name for.
 * Kernels that do not hold on to the memory they walk over crash when its process ends meanwhile:
 * silence is how they are told.
 */
SEC("iter/task_vma")
int tell_mapped(struct bpf_iter__task_vma *ctx)
{
	if (!bpf_core_field_exists(struct bpf_iter_seq_task_vma_info, mm))
		return 0;
	return look_at_mapping(ctx, 0);
}

SEC("iter/task_file")
int tell_open(struct bpf_iter__task_file *ctx)
{
	return look_at_file(ctx, 0);
}
