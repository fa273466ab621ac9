// SPDX-License-Identifier: GPL-2.0-or-later
/* lease: see lease.h. */
#include <fcntl.h>
#include <signal.h>

#include "repair/lease.h"

int lease_take(int fd)
{
	/* Who waits for us is told by SIGIO, which would end this process: we are quick anyway. */
	signal(SIGIO, SIG_IGN);
	return fcntl(fd, F_SETLEASE, F_WRLCK) == 0;
}

void lease_give_back(int fd)
{
	fcntl(fd, F_SETLEASE, F_UNLCK);
}
