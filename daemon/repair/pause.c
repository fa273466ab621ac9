// SPDX-License-Identifier: GPL-2.0-or-later
/* pause: see pause.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "holders/process.h"
#include "policy/protect.h"
#include "repair/pause.h"

#define STAND_TIMEOUT_MSEC 1000

/* Between pin and swap a mapper's touch is a SIGBUS, a load as well as a store: the pin unmaps the
 * page. */
static bool could_touch(const struct holder *holder)
{
	return holder->maps || holder->open_writable;
}

const char *pause_refusal(const struct policy_context *policy, const struct incident *in,
			  const struct holder *holder)
{
	if (!in->repair.pause_holders)
		return "the rule does not allow to pause it";
	return protect_process(policy, NULL, holder) ?: protect_cgroup(policy, holder);
}

struct json_object *pause_to_json(const struct paused *p)
{
	struct json_object *o = json_object_new_object(), *pids = json_object_new_array();

	if (!o || !pids) {
		json_object_put(o);
		json_object_put(pids);
		return NULL;
	}
	json_object_object_add(o, "pids", pids);
	for (size_t i = 0; i < p->n; i++) {
		struct json_object *each = json_object_new_object();

		json_object_object_add(each, "pid", json_object_new_int(p->all[i].pid));
		json_object_object_add(each, "start_ticks",
				       json_object_new_uint64(p->all[i].start_ticks));
		json_object_array_add(pids, each);
	}
	return o;
}

/* The letter after the command name in /proc/PID/task/TID/stat; 0: gone. */
static char thread_state(int task_fd, const char *tid)
{
	_cleanup_(closep) int fd = -1;
	char path[64], text[512], *after_comm;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/stat", tid);
	fd = openat(task_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	after_comm = strrchr(text, ')'); /* the name itself may hold any of these */
	return after_comm && after_comm[1] ? after_comm[2] : 0;
}

/* Does every thread stand (stopped, traced or dead)? A process that is gone stands for good. */
static bool all_stand(int proc_fd, pid_t pid)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	struct dirent *entry;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "%d/task", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return true;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return false;
	}
	while ((entry = readdir(dir))) {
		char state;

		if (entry->d_name[0] == '.')
			continue;
		state = thread_state(fd, entry->d_name);
		if (state && !strchr("TtZX", state))
			return false;
	}
	return true;
}

int pause_candidates(int proc_fd, const struct incident *in, struct paused *ret)
{
	*ret = (struct paused){ 0 };
	ret->all = calloc(in->n_holders + 1, sizeof(*ret->all));
	if (!ret->all)
		return -ENOMEM;
	for (size_t i = 0; i < in->n_holders; i++) {
		const struct holder *holder = &in->holders[i];

		if (could_touch(holder) && !all_stand(proc_fd, holder->pid))
			ret->all[ret->n++] = (struct paused_process){ holder->pid,
								      holder->start_ticks, -1 };
	}
	return 0;
}

static bool still_same(int proc_fd, const struct paused_process *process)
{
	uint64_t ticks;

	return process_start_ticks(proc_fd, process->pid, &ticks) == 0 &&
	       ticks == process->start_ticks;
}

static int send_signal(int pid_fd, int signal_number)
{
	return syscall(SYS_pidfd_send_signal, pid_fd, signal_number, NULL, 0) < 0 ? -errno : 0;
}

static int stop_one(int proc_fd, struct paused_process *process)
{
	_cleanup_(closep) int pid_fd = syscall(SYS_pidfd_open, process->pid, 0);
	int r;

	if (pid_fd < 0)
		return errno == ESRCH ? 0 : -errno;
	if (!still_same(proc_fd, process) || all_stand(proc_fd, process->pid))
		return 0;
	r = send_signal(pid_fd, SIGSTOP);
	if (r < 0)
		return r == -ESRCH ? 0 : r;
	process->pid_fd = TAKE_FD(pid_fd);
	return 0;
}

static int wait_until_they_stand(int proc_fd, const struct paused *p)
{
	for (unsigned waited_msec = 0;; waited_msec++) {
		const struct timespec millisecond = { 0, 1000000 };
		bool all = true;

		for (size_t i = 0; all && i < p->n; i++)
			all = p->all[i].pid_fd < 0 || all_stand(proc_fd, p->all[i].pid);
		if (all)
			return 0;
		if (waited_msec == STAND_TIMEOUT_MSEC)
			return -EBUSY;
		nanosleep(&millisecond, NULL);
	}
}

int pause_stop(int proc_fd, struct paused *p)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < p->n; i++)
		r = stop_one(proc_fd, &p->all[i]);
	if (r >= 0)
		r = wait_until_they_stand(proc_fd, p);
	if (r < 0)
		pause_continue(p);
	return r;
}

void pause_continue(struct paused *p)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->all[i].pid_fd < 0)
			continue;
		send_signal(p->all[i].pid_fd, SIGCONT);
		close(TAKE_FD(p->all[i].pid_fd));
	}
}

void pause_continue_recorded(int proc_fd, struct json_object *record)
{
	struct json_object *pids, *value;

	if (!json_object_object_get_ex(record, "pids", &pids))
		return;
	for (size_t i = 0; i < json_object_array_length(pids); i++) {
		struct json_object *each = json_object_array_get_idx(pids, i);
		struct paused_process process = { .pid_fd = -1 };
		_cleanup_(closep) int pid_fd = -1;

		if (json_object_object_get_ex(each, "pid", &value))
			process.pid = json_object_get_int(value);
		if (json_object_object_get_ex(each, "start_ticks", &value))
			process.start_ticks = json_object_get_uint64(value);
		if (process.pid <= 1)
			continue;
		pid_fd = syscall(SYS_pidfd_open, process.pid, 0);
		if (pid_fd >= 0 && still_same(proc_fd, &process) && all_stand(proc_fd, process.pid))
			send_signal(pid_fd, SIGCONT);
	}
}

void pause_done(struct paused *p)
{
	if (p->all)
		pause_continue(p);
	free(TAKE(p->all));
	p->n = 0;
}
