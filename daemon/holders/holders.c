// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * holders: which processes map the lost bytes, or have the file open.
 *
 *   owners -> [holders] -> policy
 *
 * In:   incidents with owners, or one file.
 * Out:  holders of each, described.
 *
 * One walk answers for all incidents, since looking at a process costs the same for one target as
 * for thousands. Processes come and go meanwhile: whoever is not the same any more when it is
 * described is not a holder, and respond asks again (holder_check) before it acts on one that is.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "holders/find.h"
#include "holders/holders.h"
#include "holders/process.h"
#include "holders/targets.h"

struct describing {
	int proc_fd;
	const struct targets *targets;
	struct incident **incidents;
};

/* One that is found by two names of its file is one mapping. */
static int add_mapping(struct holder *h, const struct holder_mapping *mapping)
{
	for (size_t i = 0; i < h->n_mappings; i++)
		if (h->mappings[i].virt_start == mapping->virt_start &&
		    h->mappings[i].length_bytes == mapping->length_bytes)
			return 0;
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

static int take_hits(struct holder *h, const struct targets *targets,
		     const struct process_hits *hits, size_t incident)
{
	int r;

	for (size_t i = 0; i < hits->n; i++) {
		const struct hit *hit = &hits->all[i];
		const struct target *target = &targets->all[hit->target];

		if (target->incident != incident)
			continue;
		r = holder_add_held(h, (struct held_owner){ .id = target->owner,
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
		r = add_mapping(h, &(struct holder_mapping){ hit->virt_start, hit->length_bytes,
							     hit->writable });
		if (r < 0)
			return r;
	}
	return 0;
}

/* -ESRCH: it is gone, and the pid may be another's now. */
static int add_holder(const struct describing *d, const struct process_hits *hits, size_t incident)
{
	struct holder described = {}, *h;
	int r;

	r = process_describe(d->proc_fd, hits->pid, &described);
	if (r < 0)
		return r;
	if (described.start_ticks != hits->start_ticks) {
		holder_done(&described);
		return -ESRCH;
	}
	r = take_hits(&described, d->targets, hits, incident);
	h = r < 0 ? NULL : incident_add_holder(d->incidents[incident]);
	if (!h) {
		holder_done(&described);
		return -ENOMEM;
	}
	*h = described;
	return 0;
}

static bool is_first_of_incident(const struct targets *targets, const struct process_hits *hits,
				 size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (targets->all[hits->all[j].target].incident ==
		    targets->all[hits->all[i].target].incident)
			return false;
	return true;
}

static int describe_process(const struct describing *d, const struct process_hits *hits)
{
	int r;

	if (process_same_program(d->proc_fd, hits->pid, getpid()) ||
	    process_is_kernel_thread(d->proc_fd, hits->pid) != 0)
		return 0;
	for (size_t i = 0; i < hits->n; i++) {
		if (!is_first_of_incident(d->targets, hits, i))
			continue;
		r = add_holder(d, hits, d->targets->all[hits->all[i].target].incident);
		if (r < 0)
			return r == -ENOMEM ? r : 0;
	}
	return 0;
}

static int compare_holders(const void *a, const void *b)
{
	const struct holder *l = a, *r = b;

	return (l->pid > r->pid) - (l->pid < r->pid);
}

static int find_and_describe(int proc_fd, const struct targets *targets,
			     struct incident **incidents, size_t n_incidents)
{
	_cleanup_(hits_done) struct hits hits = {};
	struct describing d = { proc_fd, targets, incidents };
	int r;

	r = find_hits(proc_fd, targets, 0, &hits);
	for (size_t i = 0; r >= 0 && i < hits.n; i++)
		r = describe_process(&d, &hits.all[i]);
	if (r < 0)
		return r;
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
	return find_and_describe(proc_fd, &targets, incidents, n_incidents);
}

int holder_check(int proc_fd, const struct incident *in, pid_t pid, uint64_t start_ticks)
{
	_cleanup_(targets_done) struct targets targets = {};
	_cleanup_(hits_done) struct hits hits = {};
	const struct incident *incidents[] = { in };
	uint64_t ticks;
	int r, bits = 0;

	if (process_start_ticks(proc_fd, pid, &ticks) < 0 || ticks != start_ticks)
		return -ESRCH;
	r = targets_of_incidents(incidents, 1, &targets);
	if (r >= 0)
		r = find_hits(proc_fd, &targets, pid, &hits);
	if (r < 0)
		return r;
	if (!hits.n || hits.all[0].start_ticks != start_ticks)
		return 0;
	for (size_t i = 0; i < hits.all[0].n; i++)
		bits |= hits.all[0].all[i].mapped ? HOLDS_MAPPED : HOLDS_OPEN;
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
	target.path = path;
	target.file_bytes = (struct range){ offset_bytes, length_bytes };
	if (!length_bytes || offset_bytes + length_bytes < offset_bytes)
		target.file_bytes.length_bytes = UINT64_MAX - offset_bytes;
	r = targets_add(&targets, target);
	if (r < 0)
		return r;
	return find_and_describe(proc_fd, &targets, &in, 1);
}
