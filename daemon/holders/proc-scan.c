// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * proc-scan: who touches these targets, by reading /proc.
 *
 *   identity, /proc/PID -> [proc-scan] -> helper -> find
 *       └ proc-maps, proc-fd, pagemap
 *
 * In:   targets.
 * Out:  hits, process by process, each announced before it is looked at.
 *
 * Threads share their memory, and nearly always their descriptors. A thread is looked at where it
 * has a descriptor table of its own, or where its leader has ended and left no memory to look at.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "holders/pagemap.h"
#include "holders/proc-fd.h"
#include "holders/proc-maps.h"
#include "holders/proc-scan.h"
#include "holders/process.h"

#define BUFFER_BYTES (64u << 10)

static int open_directory_at(int dir_fd, const char *name, DIR **ret)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret = fdopendir(fd);
	if (!*ret) {
		close(fd);
		return -ENOMEM;
	}
	return 0;
}

/* ---- how /proc shows our own mapping of a file ---- */

static struct file_key link_key(const void *mapped, uint64_t length_bytes)
{
	uint64_t start = (uintptr_t)mapped;
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/map_files/%" PRIx64 "-%" PRIx64, start,
		 start + length_bytes);
	if (stat(path, &st) < 0)
		return (struct file_key){};
	return (struct file_key){ st.st_dev, st.st_ino, 0 };
}

static void ask_proc(int fd, const void *mapped, struct identity *as_mapping,
		     struct identity *as_open, void *userdata)
{
	_cleanup_(fclosep) FILE *maps = mapped ? fopen("/proc/self/maps", "re") : NULL;
	_cleanup_(freep) char *line = NULL;
	size_t capacity = 0;
	ssize_t n;

	while (maps && (n = getline(&line, &capacity, maps)) > 0) {
		struct maps_line m;

		if (maps_parse_line(line, line + n - 1, &m) < 0 ||
		    m.virt_start != (uintptr_t)mapped)
			continue;
		as_mapping->key = (struct file_key){ m.dev, m.inode, 0 };
		as_mapping->link = link_key(mapped, m.virt_end - m.virt_start);
		return;
	}
}

/* ---- one process ---- */

static unsigned n_threads(int pid_fd)
{
	struct stat st;

	return fstatat(pid_fd, "task", &st, 0) < 0 || st.st_nlink < 3 ? 1 : st.st_nlink - 2;
}

/* Where that can't be told, the table is taken for shared. */
static bool has_own_descriptors(pid_t pid, pid_t tid)
{
	return syscall(SYS_kcmp, pid, tid, KCMP_FILES, 0, 0) > 0;
}

static int scan_threads(struct proc_process *p, int pid_fd, bool memory_seen)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	int r;

	if (open_directory_at(pid_fd, "task", &dir) < 0)
		return 0;
	for (struct dirent *e; (e = readdir(dir));) {
		_cleanup_(closep) int task_fd = -1;
		pid_t tid = atoi(e->d_name);

		if (tid <= 0 || tid == p->pid)
			continue;
		task_fd = openat(dirfd(dir), e->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (task_fd < 0)
			continue;
		if (!memory_seen) {
			r = proc_maps_scan(p, task_fd);
			if (r == -ENOMEM)
				return r;
			memory_seen = r > 0;
		}
		if (has_own_descriptors(p->pid, tid) && proc_fd_scan(p, task_fd) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

/* 0 or -ENOMEM: one that may not be seen, or is gone, has nothing. */
static int scan_memory(struct proc_process *p, int pid_fd)
{
	int r = p->targets->has_pages ? pagemap_scan(p, pid_fd) : 0;

	if (r != -ENOMEM && !p->only_pages)
		r = proc_maps_scan(p, pid_fd);
	if (r == -ENOMEM)
		return r;
	return p->only_pages || n_threads(pid_fd) == 1 ? 0 : scan_threads(p, pid_fd, r > 0);
}

/*
 * The directory in /proc is this process's alone: empty once it is gone, whoever has the pid then.
 * So while it is not empty, the number is still this process's.
 */
static int send_hits(int proc_fd, int pid_fd, struct proc_process *p)
{
	struct process_hits *found = p->hits.n ? &p->hits.all[0] : NULL;
	uint64_t ticks;
	int r = 0;

	if (!found)
		return 0;
	if (process_start_ticks(proc_fd, p->pid, &ticks) < 0 ||
	    faccessat(pid_fd, "stat", F_OK, 0) < 0)
		found->n = 0;
	for (size_t i = 0; r >= 0 && i < found->n; i++) {
		found->all[i].start_ticks = ticks;
		r = hit_put(p->to, &found->all[i]);
	}
	hits_clear(&p->hits);
	return r < 0 ? r : hit_flush(p->to);
}

/* At a process's mappings we may get stuck: by then, what it has open must be told. */
static int visit_process(int proc_fd, struct proc_process *p)
{
	_cleanup_(closep) int pid_fd = -1;
	char name[16];
	int r;

	r = helper_alive(p->to, p->pid);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%d", (int)p->pid);
	pid_fd = openat(proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (pid_fd < 0)
		return 0;
	r = p->only_pages ? 0 : proc_fd_scan(p, pid_fd);
	if (r == -ENOMEM || r == -ESRCH)
		return r == -ENOMEM ? r : 0;
	r = send_hits(proc_fd, pid_fd, p);
	if (r >= 0)
		r = scan_memory(p, pid_fd);
	return r < 0 ? r : send_hits(proc_fd, pid_fd, p);
}

/* ---- all processes ---- */

static int visit_all(const struct proc_scan_job *job, struct proc_process *p)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	int r;

	r = open_directory_at(job->proc_fd, ".", &dir);
	if (r < 0)
		return r;
	for (struct dirent *e; (e = readdir(dir));) {
		p->pid = atoi(e->d_name); /* 0: not a process */
		if (p->pid <= job->after)
			continue;
		r = visit_process(job->proc_fd, p);
		if (r < 0)
			return r;
	}
	return 0;
}

int proc_scan(const struct proc_scan_job *job, struct hit_pipe *to)
{
	_cleanup_(identities_done) struct identities ids = {};
	_cleanup_(freep) char *buffer = malloc(BUFFER_BYTES);
	struct proc_process p = {
		.targets = job->targets,
		.ids = &ids,
		.only_pages = job->only_pages,
		.pid = job->pid,
		.to = to,
		.buffer = buffer,
		.buffer_bytes = BUFFER_BYTES,
		.hits = { .n_targets = job->targets->n },
	};
	int r;

	if (!buffer)
		return -ENOMEM;
	r = identities_of(job->targets, job->opens_files ? ask_proc : NULL, NULL, &ids);
	if (r >= 0)
		r = job->pid ? visit_process(job->proc_fd, &p) : visit_all(job, &p);
	hits_done(&p.hits);
	return r;
}
