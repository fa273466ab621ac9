// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * holders: which processes map the lost bytes, or have the file open.
 *
 *   owners -> [holders] -> policy
 *
 * In:   incidents with owners, or one file.
 * Out:  holders of each, described.
 *
 * One walk over /proc answers for all incidents, since looking at a process costs the same for one
 * target as for thousands. Processes come and go meanwhile: one that vanishes is not a holder, and
 * respond asks again (holder_check) before it acts on one that is.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "holders/holders.h"
#include "holders/proc-fd.h"
#include "holders/proc-maps.h"
#include "holders/process.h"
#include "holders/targets.h"

#define BUFFER_BYTES (64u << 10)

struct walk {
	int proc_fd;
	const struct targets *targets;
	struct incident **incidents;
	char *buffer;
};

/*
 * What one process holds. 0, -ESRCH: it is gone, or -ENOMEM; what may not be seen is not held, to
 * us.
 */
static int scan_process(int pid_fd, const struct targets *targets, char *buffer, struct hits *hits)
{
	int r;

	r = proc_maps_scan(pid_fd, targets, buffer, BUFFER_BYTES, hits);
	if (r == -ENOMEM || r == -ESRCH)
		return r;
	r = proc_fd_scan(pid_fd, targets, hits);
	return r == -ENOMEM || r == -ESRCH ? r : 0;
}

static int open_process(int proc_fd, pid_t pid)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%d", (int)pid);
	fd = openat(proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -ESRCH : fd;
}

static int add_mapping(struct holder *h, const struct holder_mapping *mapping)
{
	if (!(h->n_mappings & (h->n_mappings - 1))) {
		struct holder_mapping *grown = reallocarray(
			h->mappings, h->n_mappings ? 2 * h->n_mappings : 1, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		h->mappings = grown;
	}
	h->mappings[h->n_mappings++] = *mapping;
	return 0;
}

static int take_hits(struct holder *h, const struct hits *hits, size_t incident)
{
	int r;

	for (size_t i = 0; i < hits->n; i++) {
		const struct hit *hit = &hits->all[i];

		if (hit->target->incident != incident)
			continue;
		r = holder_add_held(h, (struct held_owner){ .id = hit->target->owner,
							    .maps = hit->mapped,
							    .opens = !hit->mapped });
		if (r < 0)
			return r;
		if (!hit->mapped) {
			h->opens = true;
			h->open_writable |= hit->writable;
			continue;
		}
		h->maps = true;
		r = add_mapping(h, &hit->mapping);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_first_of_incident(const struct hits *hits, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (hits->all[j].target->incident == hits->all[i].target->incident)
			return false;
	return true;
}

/*
 * Its directory in /proc is this process's alone: empty once it is gone, whoever has the pid
 * then.
 */
static bool is_alive(int pid_fd)
{
	return faccessat(pid_fd, "stat", F_OK, 0) == 0;
}

static int add_holder(const struct walk *w, pid_t pid, int pid_fd, const struct hits *hits,
		      size_t incident)
{
	struct holder described = {}, *h;
	int r;

	r = process_describe(w->proc_fd, pid, &described);
	if (r < 0)
		return r;
	if (!is_alive(pid_fd)) {
		holder_done(&described);
		return -ESRCH;
	}
	r = take_hits(&described, hits, incident);
	h = r < 0 ? NULL : incident_add_holder(w->incidents[incident]);
	if (!h) {
		holder_done(&described);
		return -ENOMEM;
	}
	*h = described;
	return 0;
}

static int visit_process(const struct walk *w, pid_t pid)
{
	_cleanup_(closep) int pid_fd = open_process(w->proc_fd, pid);
	_cleanup_(hits_done) struct hits hits = {};
	int r;

	if (pid_fd < 0)
		return pid_fd;
	r = scan_process(pid_fd, w->targets, w->buffer, &hits);
	if (r < 0 || !hits.n)
		return r;
	if (process_same_program(w->proc_fd, pid, getpid()) ||
	    process_is_kernel_thread(w->proc_fd, pid) != 0)
		return 0;
	for (size_t i = 0; i < hits.n; i++) {
		if (!is_first_of_incident(&hits, i))
			continue;
		r = add_holder(w, pid, pid_fd, &hits, hits.all[i].target->incident);
		if (r < 0)
			return r;
	}
	return 0;
}

static int compare_holders(const void *a, const void *b)
{
	const struct holder *l = a, *r = b;

	return (l->pid > r->pid) - (l->pid < r->pid);
}

static int walk_processes(int proc_fd, const struct targets *targets, struct incident **incidents,
			  size_t n_incidents)
{
	_cleanup_(freep) char *buffer = malloc(BUFFER_BYTES);
	_cleanup_(closedirp) DIR *dir = NULL;
	struct walk w = { proc_fd, targets, incidents, buffer };
	int fd, r;

	if (!buffer)
		return -ENOMEM;
	fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	for (struct dirent *e; targets->n && (e = readdir(dir));) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		r = visit_process(&w, atoi(e->d_name));
		if (r == -ENOMEM)
			return r;
	}
	for (size_t i = 0; i < n_incidents; i++)
		if (incidents[i]->n_holders)
			qsort(incidents[i]->holders, incidents[i]->n_holders,
			      sizeof(*incidents[i]->holders), compare_holders);
	return 0;
}

int holders_find(int proc_fd, struct incident **incidents, size_t n_incidents)
{
	_cleanup_(targets_done) struct targets targets = {};
	int r;

	for (size_t i = 0; i < n_incidents; i++)
		incident_clear_holders(incidents[i]);
	r = targets_of_incidents((const struct incident *const *)incidents, n_incidents, &targets);
	if (r < 0)
		return r;
	return walk_processes(proc_fd, &targets, incidents, n_incidents);
}

int holder_check(int proc_fd, const struct incident *in, pid_t pid, uint64_t start_ticks)
{
	_cleanup_(closep) int pid_fd = open_process(proc_fd, pid);
	_cleanup_(targets_done) struct targets targets = {};
	_cleanup_(freep) char *buffer = malloc(BUFFER_BYTES);
	_cleanup_(hits_done) struct hits hits = {};
	const struct incident *incidents[] = { in };
	uint64_t ticks;
	int r, bits = 0;

	if (!buffer)
		return -ENOMEM;
	if (pid_fd < 0 || process_start_ticks(proc_fd, pid, &ticks) < 0 || ticks != start_ticks ||
	    !is_alive(pid_fd))
		return -ESRCH;
	r = targets_of_incidents(incidents, 1, &targets);
	if (r >= 0)
		r = scan_process(pid_fd, &targets, buffer, &hits);
	if (r < 0)
		return r;
	for (size_t i = 0; i < hits.n; i++)
		bits |= hits.all[i].mapped ? HOLDS_MAPPED : HOLDS_OPEN;
	return bits;
}

/* As if it had lost something, so that the owner is the one that would be found then. */
static struct target target_of_file(const struct stat *st)
{
	mode_t type = st->st_mode & S_IFMT;

	if (S_ISBLK(type) || S_ISCHR(type))
		return (struct target){
			.key = { st->st_rdev, 0, type },
			.owner = { S_ISBLK(type) ? OWNER_RAW : OWNER_DEVDAX, 0, 0 },
		};
	return (struct target){
		.key = { st->st_dev, st->st_ino, 0 },
		.owner = { S_ISDIR(type) ? OWNER_DIRECTORY : OWNER_FILE_DATA, st->st_dev,
			   st->st_ino },
	};
}

int holders_of_file(int proc_fd, const char *path, uint64_t offset_bytes, uint64_t length_bytes,
		    struct incident *in)
{
	_cleanup_(targets_done) struct targets targets = {};
	struct target target;
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return -errno;
	target = target_of_file(&st);
	target.file_bytes = (struct range){ offset_bytes, length_bytes };
	if (!length_bytes || offset_bytes + length_bytes < offset_bytes)
		target.file_bytes.length_bytes = UINT64_MAX - offset_bytes;
	r = targets_add(&targets, target);
	if (r < 0)
		return r;
	return walk_processes(proc_fd, &targets, &in, 1);
}
