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

static bool fatal(int r)
{
	return r == -ENOMEM || r == -ESRCH;
}

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

static int scan_process(struct proc_process *p, int pid_fd)
{
	bool memory_seen;
	int r = 0;

	if (p->targets->has_pages)
		r = pagemap_scan(p, pid_fd);
	if (fatal(r) || p->only_pages)
		return r;
	r = proc_maps_scan(p, pid_fd);
	if (r == -ENOMEM)
		return r;
	memory_seen = r > 0;
	r = proc_fd_scan(p, pid_fd);
	if (fatal(r))
		return r;
	return n_threads(pid_fd) > 1 ? scan_threads(p, pid_fd, memory_seen) : 0;
}

/*
 * The directory in /proc is this process's alone: empty once it is gone, whoever has the pid then.
 * So while it is not empty, the number is still this process's.
 */
static int send_hits(int proc_fd, int pid_fd, struct proc_process *p, struct hit_pipe *to)
{
	struct process_hits *found = p->hits.n ? &p->hits.all[0] : NULL;
	uint64_t ticks;
	int r = 0;

	if (!found || process_start_ticks(proc_fd, p->pid, &ticks) < 0 ||
	    faccessat(pid_fd, "stat", F_OK, 0) < 0)
		return 0;
	for (size_t i = 0; r >= 0 && i < found->n; i++) {
		found->all[i].start_ticks = ticks;
		r = hit_put(to, &found->all[i]);
	}
	return r;
}

static int announce(pid_t pid, struct hit_pipe *to)
{
	struct hit at = { .target = PROC_SCAN_AT, .pid = pid };
	int r = hit_put(to, &at);

	return r < 0 ? r : hit_flush(to);
}

static int visit_process(int proc_fd, struct proc_process *p, struct hit_pipe *to)
{
	_cleanup_(closep) int pid_fd = -1;
	char name[16];
	int r;

	r = announce(p->pid, to);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%d", (int)p->pid);
	pid_fd = openat(proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (pid_fd < 0)
		return 0;
	hits_clear(&p->hits);
	r = scan_process(p, pid_fd);
	if (r == -ENOMEM)
		return r;
	return r < 0 ? 0 : send_hits(proc_fd, pid_fd, p, to);
}

/* ---- all processes ---- */

static int visit_all(const struct proc_scan_job *job, struct proc_process *p, struct hit_pipe *to)
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
		r = visit_process(job->proc_fd, p, to);
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
		.buffer = buffer,
		.buffer_bytes = BUFFER_BYTES,
		.hits = { .n_targets = job->targets->n },
	};
	int r;

	if (!buffer)
		return -ENOMEM;
	r = identities_of(job->targets, ask_proc, NULL, &ids);
	if (r >= 0)
		r = job->pid ? visit_process(job->proc_fd, &p, to) : visit_all(job, &p, to);
	hits_done(&p.hits);
	return r;
}
