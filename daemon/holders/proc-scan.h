/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proc-scan: who touches these targets, by reading /proc. */
#pragma once

#include "holders/helper.h"
#include "holders/hits.h"
#include "holders/identity.h"
#include "holders/targets.h"

struct proc_scan_job {
	int proc_fd;
	const struct targets *targets;
	bool only_pages;	/* files are looked for by somebody else */
	pid_t pid;		/* 0: all processes */
	pid_t after;		/* ... behind this one, in the order of /proc */
};

/* A hit with this as its target is none: it says which process is looked at next. */
#define PROC_SCAN_AT UINT32_MAX

/* 0 or negative errno. A process that vanishes, or may not be seen, holds nothing. */
int proc_scan(const struct proc_scan_job *job, struct hit_pipe *to);

/* One process at a time, for proc-maps and proc-fd. */
struct proc_process {
	const struct targets *targets;
	const struct identities *ids;
	bool only_pages;
	pid_t pid;
	char *buffer;
	size_t buffer_bytes;
	struct hits hits;	/* of it alone */
};
