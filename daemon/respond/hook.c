// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hook: see hook.h.
 *
 *   repair/restore -> [hook] -> hook-service, or hook-child where no systemd runs
 *
 * The program runs with root's power, or gives bytes that go into other people's files. One that
 * somebody else than root can write is not run.
 */
#include <errno.h>
#include <libgen.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include <systemd/sd-daemon.h>

#include "cleanup.h"
#include "respond/hook.h"

static int check_owner(const char *path, mode_t type)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != type)
		return -ENOEXEC;
	return st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH)) ? 0 : -EPERM;
}

/* Who can write to its directory can put another program there. */
static int check_program(const char *path)
{
	_cleanup_(freep) char *real = realpath(path, NULL);
	int r;

	if (!real)
		return -errno;
	r = check_owner(real, S_IFREG);
	if (r < 0)
		return r;
	if (access(real, X_OK) < 0)
		return -errno;
	return check_owner(dirname(real), S_IFDIR);
}

int hook_run(const struct hook_job *job)
{
	int r = check_program(job->path);

	if (r < 0)
		return r;
	if (job->user && !getpwnam(job->user))
		return -EUSERS;
	return sd_booted() > 0 ? hook_run_as_service(job) : hook_run_as_child(job);
}

const char *hook_explain(int r)
{
	switch (r) {
	case 0:
		return "ended well";
	case -ETIME:
		return "did not end in time";
	case -EPROTO:
		return "failed";
	case -EPERM:
		return "could be written by others than root, and was not run";
	case -EUSERS:
		return "was not run: its user does not exist";
	default:
		return "could not be run";
	}
}
