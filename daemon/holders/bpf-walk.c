// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bpf-walk: who touches these targets, by a walk in the kernel.
 *
 *   identity -> maps -> bpf/holders.bpf.c -> records -> [bpf-walk] -> helper -> find
 *
 * In:   targets.
 * Out:  hits: each record of the kernel, compared with the targets to the byte.
 *
 * Only the lost pages of the targets go to the kernel, so that hardly anything comes back. It sees
 * tasks: a thread with a descriptor table of its own comes with its process's mappings once more,
 * which is why those of one thread are taken and the others' left.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf/holders.h"
#include "cleanup.h"
#include "holders/bpf.h"
#include "holders/helper.h"
#include "holders/identity.h"
#include "holders/process.h"

#define BUFFER_BYTES (64u << 10)

/* 0 or negative errno, which ends the walk. */
typedef int (*on_record)(const struct holders_record *record, void *userdata);

/* ---- one walk ---- */

static int open_iterator(int program_fd, pid_t pid)
{
	union bpf_iter_link_info info = { .task.pid = (__u32)pid };
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = &info, .iter_info_len = sizeof(info));
	_cleanup_(closep) int link_fd = -1;
	int fd;

	link_fd = bpf_link_create(program_fd, 0, BPF_TRACE_ITER, pid ? &opts : NULL);
	if (link_fd < 0)
		return link_fd;
	fd = bpf_iter_create(link_fd);
	return fd;
}

/* EAGAIN: a million objects went by without a match, and the walk is not over. */
static ssize_t read_some(int fd, char *buffer, size_t n_bytes)
{
	for (;;) {
		ssize_t n = read(fd, buffer, n_bytes);

		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			return n < 0 ? -errno : n;
	}
}

static int walk(int program_fd, pid_t pid, on_record call, void *userdata)
{
	_cleanup_(closep) int fd = open_iterator(program_fd, pid);
	_cleanup_(freep) char *buffer = malloc(BUFFER_BYTES);
	struct holders_record record;
	size_t kept = 0; /* of a record that was cut by the end of the last read */
	ssize_t n;

	if (fd < 0)
		return fd;
	if (!buffer)
		return -ENOMEM;
	while ((n = read_some(fd, buffer + kept, BUFFER_BYTES - kept)) > 0) {
		size_t at = 0, end = kept + (size_t)n;

		for (; end - at >= sizeof(record); at += sizeof(record)) {
			int r;

			memcpy(&record, buffer + at, sizeof(record));
			r = call(&record, userdata);
			if (r < 0)
				return r;
		}
		kept = end - at;
		memmove(buffer, buffer + at, kept);
	}
	return (int)n;
}

/* ---- the kernel's terms ---- */

static struct holders_key to_kernel(const struct identity *id)
{
	return (struct holders_key){
		.inode = id->key.inode,
		.dev = major(id->key.dev) << 20 | minor(id->key.dev),
		.type = id->key.type,
	};
}

static struct file_key from_kernel(struct holders_key key)
{
	return (struct file_key){ makedev(key.dev >> 20, key.dev & 0xfffff), key.inode, key.type };
}

static uint64_t ticks_of(uint64_t boot_nsec)
{
	return boot_nsec / (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* ---- what the kernel knows a file as ---- */

struct question {
	int fd;
	uintptr_t mapped;
	struct identity *id;
};

static int answer(const struct holders_record *record, void *userdata)
{
	struct question *q = userdata;

	if (q->id->open ? record->fd != q->fd : record->virt_start != q->mapped)
		return 0;
	q->id->key = from_kernel(record->key);
	q->id->mapping = record->mapping;
	return 0;
}

static void ask_kernel(int fd, const void *mapped, struct identity *as_mapping,
		       struct identity *as_open, void *userdata)
{
	const struct bpf_programs *bpf = userdata;
	struct question q = { fd, (uintptr_t)mapped, as_mapping };

	if (mapped)
		walk(bpf->fds[BPF_TELL_MAPPED], getpid(), answer, &q);
	q.id = as_open;
	walk(bpf->fds[BPF_TELL_OPEN], getpid(), answer, &q);
}

/* ---- filling the maps ---- */

/* What one walk looks for. */
struct load {
	struct holders_key keys[HOLDERS_MAX_FILES];
	struct holders_file files[HOLDERS_MAX_FILES];
	__u32 numbers[HOLDERS_MAX_RANGES];
	struct holders_range ranges[HOLDERS_MAX_RANGES];
	__u32 n_files;
	__u32 n_ranges;
};

static struct holders_range pages_of(struct range bytes)
{
	struct holders_range pages = { bytes.start_bytes / PAGE_BYTES, UINT64_MAX };

	if (range_end(bytes) <= UINT64_MAX - (PAGE_BYTES - 1))
		pages.end_page = (range_end(bytes) + PAGE_BYTES - 1) / PAGE_BYTES;
	return pages;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct holders_range *l = a, *r = b;

	return (l->first_page > r->first_page) - (l->first_page < r->first_page);
}

/* Sort them, and join what touches. How many there are then. */
static __u32 join_ranges(struct holders_range *all, size_t n)
{
	__u32 last = 0;

	qsort(all, n, sizeof(*all), compare_ranges);
	for (size_t i = 1; i < n; i++)
		if (all[i].first_page > all[last].end_page)
			all[++last] = all[i];
		else if (all[i].end_page > all[last].end_page)
			all[last].end_page = all[i].end_page;
	return last + 1;
}

/*
 * All identities with one key. -ENOSPC: no room is left beside what is there already; more than
 * there could ever be are coarsened to the whole file.
 */
static int add_file(struct load *l, const struct targets *targets, const struct identity *ids,
		    size_t n)
{
	struct holders_range *ranges = &l->ranges[l->n_ranges];
	struct holders_file file = { ids[0].mapping, l->n_ranges, 1 };
	bool whole = n > HOLDERS_MAX_RANGES;

	if (l->n_files == HOLDERS_MAX_FILES || (whole ? 1 : n) > HOLDERS_MAX_RANGES - l->n_ranges)
		return -ENOSPC;
	for (size_t i = 0; i < n; i++) {
		if (ids[i].mapping != file.mapping)
			file.mapping = 0; /* two files that look the same: told apart here */
		if (!whole)
			ranges[i] = pages_of(targets->all[ids[i].target].file_bytes);
	}
	if (whole)
		ranges[0] = (struct holders_range){ 0, UINT64_MAX };
	else
		file.n_ranges = join_ranges(ranges, n);
	l->keys[l->n_files] = to_kernel(&ids[0]);
	l->files[l->n_files++] = file;
	l->n_ranges += file.n_ranges;
	return 0;
}

static size_t n_of_key(const struct identities *ids, size_t first)
{
	size_t n = 1;

	while (first + n < ids->n &&
	       !file_key_compare(&ids->all[first].key, &ids->all[first + n].key))
		n++;
	return n;
}

/* As many as fit, from ids->all[first] on. Returns the next one. */
static size_t fill_load(struct load *l, const struct targets *targets, const struct identities *ids,
			size_t first)
{
	l->n_files = l->n_ranges = 0;
	while (first < ids->n) {
		size_t n = n_of_key(ids, first);

		if (add_file(l, targets, &ids->all[first], n) < 0)
			break;
		first += n;
	}
	return first;
}

static int lock(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	while (fcntl(fd, F_SETLKW, &whole) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* Nothing is there, unless who walked before was killed. */
static int clear_files(int fd)
{
	struct holders_key key;
	int r;

	while ((r = bpf_map_get_next_key(fd, NULL, &key)) == 0) {
		r = bpf_map_delete_elem(fd, &key);
		if (r < 0)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}

static int put_load(const struct bpf_programs *bpf, struct load *l)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 n_files = l->n_files, n_ranges = l->n_ranges;
	int r;

	r = clear_files(bpf->fds[BPF_FILES]);
	if (r < 0)
		return r;
	for (__u32 i = 0; i < n_ranges; i++)
		l->numbers[i] = i;
	r = bpf_map_update_batch(bpf->fds[BPF_RANGES], l->numbers, l->ranges, &n_ranges, &opts);
	if (r < 0)
		return r;
	return bpf_map_update_batch(bpf->fds[BPF_FILES], l->keys, l->files, &n_files, &opts);
}

static int take_load(const struct bpf_programs *bpf, const struct load *l)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 n_files = l->n_files;

	return bpf_map_delete_batch(bpf->fds[BPF_FILES], l->keys, &n_files, &opts);
}

/* ---- from records to hits ---- */

struct search {
	const struct bpf_programs *bpf;
	const struct targets *targets;
	const struct identities *ids;
	pid_t pid; /* 0: all processes */
	struct hits *hits;
};

static int add_open(struct search *s, const struct holders_record *record, uint32_t target)
{
	return hits_add(s->hits, (struct hit){
					 .start_ticks = ticks_of(record->start_boot_nsec),
					 .target = target,
					 .pid = (pid_t)record->tgid,
					 .writable = record->bits & HOLDERS_WRITABLE,
				 });
}

static int add_mapped(struct search *s, const struct holders_record *record, uint32_t target)
{
	struct range mapped = { record->first_page * PAGE_BYTES,
				record->virt_end - record->virt_start };
	struct range lost = range_clip(s->targets->all[target].file_bytes, mapped);
	uint64_t ticks = ticks_of(record->start_boot_nsec);
	struct process_hits *p;

	if (!range_valid(mapped) || !lost.length_bytes)
		return 0;
	p = hits_of_process(s->hits, (pid_t)record->tgid, ticks);
	if (!p)
		return -ENOMEM;
	if (!p->tid)
		p->tid = (pid_t)record->tid;
	if (p->tid != (pid_t)record->tid)
		return 0;
	return hits_add(s->hits, (struct hit){
					 .start_ticks = ticks,
					 .virt_start = record->virt_start + lost.start_bytes -
						       mapped.start_bytes,
					 .length_bytes = lost.length_bytes,
					 .target = target,
					 .pid = (pid_t)record->tgid,
					 .mapped = true,
					 .writable = record->bits & HOLDERS_WRITABLE,
				 });
}

static int compare_with_targets(const struct holders_record *record, void *userdata)
{
	struct search *s = userdata;
	bool open = record->fd >= 0;
	const struct identity *id;
	size_t n;
	int r = 0;

	id = identities_find(s->ids, from_kernel(record->key), open, &n);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (id[i].mapping && id[i].mapping != record->mapping)
			continue;
		r = open ? add_open(s, record, id[i].target) : add_mapped(s, record, id[i].target);
	}
	return r;
}

static int search(const struct search *s, enum bpf_fd program, struct hits *hits)
{
	struct search mine = *s;

	mine.hits = hits;
	return walk(s->bpf->fds[program], s->pid, compare_with_targets, &mine);
}

static int run_find_open(struct hit_pipe *to, const void *job)
{
	const struct search *s = job;
	_cleanup_(hits_done) struct hits found = { .n_targets = s->targets->n };
	int r;

	r = search(s, BPF_FIND_OPEN, &found);
	return r < 0 ? r : hits_put(to, &found);
}

/*
 * The two walks have nothing in common, so of all processes they are done side by side, the one
 * over open files by a child. It waits for no lock, and whoever watches our time watches it as
 * well.
 */
static int find_both(const struct search *s, struct hits *hits)
{
	_cleanup_(helper_done) struct helper helper = { .fd = -1 };
	struct hit hit;
	int r;

	if (s->pid)
		return search(s, BPF_FIND_MAPPED, hits) ?: search(s, BPF_FIND_OPEN, hits);
	r = helper_start(run_find_open, s, &helper);
	if (r >= 0)
		r = search(s, BPF_FIND_MAPPED, hits);
	while (r >= 0 && (r = helper_next(&helper, UINT64_MAX, &hit)) > 0)
		r = hits_add(hits, hit);
	return r;
}

static int walk_all_loads(const struct search *s, struct load *l, struct hits *hits)
{
	size_t next = 0;
	int r = 0;

	while (r >= 0 && next < s->ids->n) {
		next = fill_load(l, s->targets, s->ids, next);
		r = put_load(s->bpf, l);
		if (r >= 0)
			r = find_both(s, hits);
		if (r >= 0)
			r = take_load(s->bpf, l);
	}
	return r;
}

int bpf_walk(const struct bpf_programs *bpf, const struct targets *targets, pid_t pid,
	     struct hits *hits)
{
	_cleanup_(identities_done) struct identities ids = {};
	_cleanup_(freep) struct load *l = malloc(sizeof(*l));
	struct search s = { bpf, targets, &ids, pid, NULL };
	int r;

	if (!l)
		return -ENOMEM;
	r = identities_of(targets, ask_kernel, (void *)bpf, &ids);
	if (r >= 0)
		r = lock(bpf->fds[BPF_LOCK]);
	return r < 0 ? r : walk_all_loads(&s, l, hits);
}

/* ---- can it be relied upon? ---- */

struct self {
	pid_t pid;
	uint64_t ticks;
	unsigned n_records;
	bool other_pid;
	bool other_time;
};

static int look_at_self(const struct holders_record *record, void *userdata)
{
	struct self *self = userdata;

	self->n_records++;
	self->other_pid |= (pid_t)record->tgid != self->pid;
	self->other_time |= ticks_of(record->start_boot_nsec) != self->ticks;
	return 0;
}

/* Pids and start times are the first namespaces', and ours may be others. */
int bpf_walk_check(const struct bpf_programs *bpf, const char **ret_reason)
{
	_cleanup_(closep) int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct self self = { .pid = getpid() };
	int r;

	*ret_reason = "The BPF programs do not run";
	if (proc_fd < 0 || process_start_ticks(proc_fd, self.pid, &self.ticks) < 0)
		return -ESRCH;
	r = walk(bpf->fds[BPF_TELL_MAPPED], self.pid, look_at_self, &self);
	if (r < 0)
		return r;
	if (!self.n_records)
		*ret_reason = "This kernel's walk over mappings can crash when a process ends";
	else if (self.other_pid)
		*ret_reason =
			"In a PID namespace, BPF does not tell by which pid we know a process";
	else if (self.other_time)
		*ret_reason = "In a time namespace, BPF does not tell processes from each other";
	else
		return 0;
	return -EOPNOTSUPP;
}
