/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proc-maps: which lost bytes a process has mapped: /proc/PID/maps. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "holders/proc-scan.h"

struct maps_line {
	uint64_t virt_start;
	uint64_t virt_end;
	uint64_t offset_bytes;
	bool writable;
	bool shared;
	dev_t dev;
	uint64_t inode;
};

/* Parse the line in [line, end), up to the inode. 0 or -EBADMSG. For tests. */
int maps_parse_line(const char *line, const char *end, struct maps_line *ret);

/*
 * Add a hit for each mapping of a target's bytes. task_fd: an open /proc/PID or /proc/PID/task/TID,
 * stays the caller's. 1; 0: it has no memory; -ESRCH: it is gone; -EACCES: not for us to see; or
 * another negative errno.
 */
int proc_maps_scan(struct proc_process *p, int task_fd);
