// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bpf-walk: who touches these targets, by a walk in the kernel.
 *
 *   bpf-maps -> bpf/holders.bpf.c -> records -> [bpf-walk] -> helper -> find
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
#include "holders/bpf-maps.h"
#include "holders/bpf.h"
#include "holders/helper.h"
#include "holders/identity.h"
#include "holders/process.h"

#define BUFFER_BYTES (64u << 10)

/*
 * NULL for the record: none, but the walk is not stuck. 0 or negative errno, which ends it.
 */
typedef int (*on_record)(const struct holders_record *record, void *userdata);

struct search {
	const struct bpf_programs *bpf;
	const struct targets *targets;
	const struct identities *ids;
	pid_t pid; /* 0: all processes */
	struct hit_pipe *to; /* whom to tell that we are alive */
	struct hits *hits;
};

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

/* What there is of whole records. Returns how many bytes of the next one were cut off. */
static ssize_t call_for_each(char *buffer, size_t n_bytes, on_record call, void *userdata)
{
	struct holders_record record;
	size_t at = 0;

	for (; n_bytes - at >= sizeof(record); at += sizeof(record)) {
		int r;

		memcpy(&record, buffer + at, sizeof(record));
		r = call(&record, userdata);
		if (r < 0)
			return r;
	}
	memmove(buffer, buffer + at, n_bytes - at);
	return (ssize_t)(n_bytes - at);
}

/* EAGAIN: a million objects went by without a match, and the walk is not over. */
static int walk(int program_fd, pid_t pid, on_record call, void *userdata)
{
	_cleanup_(closep) int fd = open_iterator(program_fd, pid);
	_cleanup_(freep) char *buffer = malloc(BUFFER_BYTES);
	ssize_t kept = 0, n;
	int r = 0;

	if (fd < 0)
		return fd;
	if (!buffer)
		return -ENOMEM;
	while (r >= 0 && (n = read(fd, buffer + kept, BUFFER_BYTES - (size_t)kept)) != 0) {
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0)
			kept = call_for_each(buffer, (size_t)(kept + n), call, userdata);
		r = kept < 0 ? (int)kept : call(NULL, userdata);
	}
	return r;
}

/* ---- the kernel's terms ---- */

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

	if (!record || (q->id->open ? record->fd != q->fd : record->virt_start != q->mapped))
		return 0;
	q->id->key = from_kernel(record->key);
	q->id->mapping = record->mapping;
	return 0;
}

static void ask_kernel(int fd, const void *mapped, struct identity *as_mapping,
		       struct identity *as_open, void *userdata)
{
	const struct search *s = userdata;
	struct question q = { fd, (uintptr_t)mapped, as_mapping };

	helper_alive(s->to, 0);
	if (mapped)
		walk(s->bpf->fds[BPF_TELL_MAPPED], getpid(), answer, &q);
	q.id = as_open;
	walk(s->bpf->fds[BPF_TELL_OPEN], getpid(), answer, &q);
}

/* ---- from records to hits ---- */

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
	const struct identity *id;
	bool open;
	size_t n;
	int r = 0;

	if (!record)
		return helper_alive(s->to, 0);
	open = record->fd >= 0;
	id = identities_find(s->ids, from_kernel(record->key), open, &n);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (id[i].mapping && id[i].mapping != record->mapping)
			continue;
		r = open ? add_open(s, record, id[i].target) : add_mapped(s, record, id[i].target);
	}
	return r;
}

static int search(struct search *s, enum bpf_fd program)
{
	return walk(s->bpf->fds[program], s->pid, compare_with_targets, s);
}

static int run_find_open(struct hit_pipe *to, const void *job)
{
	struct search s = *(const struct search *)job;
	_cleanup_(hits_done) struct hits found = { .n_targets = s.targets->n };
	int r;

	s.to = to;
	s.hits = &found;
	r = search(&s, BPF_FIND_OPEN);
	return r < 0 ? r : hits_put(to, &found);
}

/*
 * The two walks have nothing in common, so of all processes they are done side by side, the one
 * over open files by a child. It takes no lock of a process, and whoever watches us watches it.
 */
static int find_both(struct search *s)
{
	_cleanup_(helper_done) struct helper helper = { .fd = -1 };
	struct hit hit;
	int r;

	if (s->pid)
		return search(s, BPF_FIND_MAPPED) ?: search(s, BPF_FIND_OPEN);
	r = helper_start(run_find_open, s, &helper);
	if (r >= 0)
		r = search(s, BPF_FIND_MAPPED);
	while (r >= 0 && (r = helper_next(&helper, UINT64_MAX, &hit)) > 0)
		r = hit.target == HELPER_ALIVE ? helper_alive(s->to, 0) : hits_add(s->hits, hit);
	return r;
}

static int search_all_loads(struct search *s, struct load *load)
{
	size_t next = 0;
	int r = 0;

	while (r >= 0 && next < s->ids->n) {
		next = load_fill(load, s->targets, s->ids, next);
		r = load_put(s->bpf, load);
		if (r >= 0)
			r = find_both(s);
		if (r >= 0)
			r = load_take(s->bpf, load);
	}
	return r;
}

int bpf_walk(const struct bpf_programs *bpf, const struct targets *targets, pid_t pid,
	     struct hit_pipe *to, struct hits *hits)
{
	_cleanup_(identities_done) struct identities ids = {};
	_cleanup_(freep) struct load *load = malloc(sizeof(*load));
	struct search s = { bpf, targets, &ids, pid, to, hits };
	int r;

	if (!load)
		return -ENOMEM;
	r = identities_of(targets, ask_kernel, &s, &ids);
	if (r >= 0)
		r = maps_lock(bpf);
	return r < 0 ? r : search_all_loads(&s, load);
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

	if (!record)
		return 0;
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
