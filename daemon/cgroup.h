/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cgroup: from a process's control group to a unit and a container. */
#pragma once

#include <sys/types.h>

/*
 * The path of the control group that a process is in. proc_fd is an open /proc. 1 and *ret, the
 * caller's; 0: it has none that can be seen, or is gone; -ENOMEM.
 */
int cgroup_of_process(int proc_fd, pid_t pid, char **ret);

/*
 * "/system.slice/pg.service" -> unit "pg.service" (NULL: none), container id (NULL: none). The
 * unit is one that a manager on this host knows: the system's, or below user@UID.service that
 * user's; what a unit's own processes made below it (a container with a systemd inside) is
 * theirs. 0, -ENOMEM.
 */
int cgroup_parse(const char *cgroup_path, char **ret_unit, char **ret_container);
