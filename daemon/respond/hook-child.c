// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hook-child: run a hook where there is no systemd.
 *
 *   hook -> [hook-child]
 *
 * A session of its own and rlimits are all there is to hold it with. What it leaves behind, in
 * whatever session, becomes ours as the subreaper, and is ended before we look at its files.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "respond/hook.h"

#define NOT_RUN		126 /* as a shell says it */
#define LEFTOVER_ROUNDS 10000 /* against a program that forks against us */

static void limit(int resource, rlim_t value)
{
	struct rlimit both = { value, value };

	setrlimit(resource, &both);
}

static int become(const char *name)
{
	const struct passwd *user = name ? getpwnam(name) : NULL;

	if (!name)
		return 0;
	if (!user)
		return -EUSERS;
	limit(RLIMIT_NPROC, HOOK_TASKS);
	if (initgroups(name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
	    setuid(user->pw_uid) < 0)
		return -errno;
	return 0;
}

static _Noreturn void child(const struct hook_job *job)
{
	_cleanup_(freep) char *number = NULL, *directory = NULL;
	char *arguments[] = { (char *)job->path, NULL }, *environment[4] = {};

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, HOOK_FILE_SIZE_BYTES);
	umask(077);
	if (asprintf(&number, "HWPOISOND_INCIDENT=%" PRIu64, job->incident) < 0 ||
	    asprintf(&directory, "HWPOISOND_RESTORE_DIRECTORY=%s", job->directory) < 0)
		_exit(NOT_RUN);
	environment[0] =
		(char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	environment[1] = number;
	environment[2] = directory;
	if (chdir("/") < 0 || dup2(job->input_fd, 0) < 0 || dup2(2, 1) < 0)
		_exit(NOT_RUN);
	close_range(3, ~0U, 0);
	if (become(job->user) < 0)
		_exit(NOT_RUN);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Of addresses, of which most are never touched; ours may be more than that already. */
	limit(RLIMIT_AS, 4 * HOOK_MEMORY_BYTES);
	execve(job->path, arguments, environment);
	_exit(127);
}

/* Every child that we have: this worker has no others. */
static void kill_children(void)
{
	_cleanup_(fclosep) FILE *f = NULL;
	char path[64];
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1)
		kill(pid, SIGKILL);
}

/* What a dead child had started is ours by the time that we can reap it. */
static void end_leftovers(void)
{
	unsigned round = 0;

	do
		kill_children();
	while (waitpid(-1, NULL, 0) > 0 && ++round < LEFTOVER_ROUNDS);
}

static int wait_for(pid_t pid, uint64_t timeout_usec)
{
	_cleanup_(closep) int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = pid_fd, .events = POLLIN };
	int status, r;

	if (pid_fd < 0)
		return -errno;
	do
		r = poll(&p, 1, (int)(timeout_usec / 1000));
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return -ETIME;
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_RUN)
		return -EACCES;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPROTO;
}

int hook_run_as_child(const struct hook_job *job)
{
	pid_t pid;
	int r;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child(job);
	r = wait_for(pid, job->timeout_usec);
	kill(-pid, SIGKILL);
	end_leftovers();
	return r;
}
