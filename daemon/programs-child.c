// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * programs-child: see programs-child.h.
 *
 *   programs-load -> [programs-child] -> source/kernel-load, holders/bpf
 *
 * A program stays loaded, and attached, as long as anybody has its descriptor, whoever loaded it.
 * All of the answer is one message: there is no half of one. Not a worker, which would be waited
 * for in the loop: until it is known what can be heard there is no loop.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "programs-child.h"

/* Two seconds are slow already. */
#define PATIENCE_MSEC 30000

union rights {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(PROGRAMS_MAX_FDS * sizeof(int))];
};

/* ---- the child ---- */

static void put_rights(struct msghdr *message, const int *fds, unsigned n)
{
	struct cmsghdr *head;

	message->msg_controllen = CMSG_SPACE(n * sizeof(*fds));
	head = CMSG_FIRSTHDR(message);
	*head = (struct cmsghdr){ CMSG_LEN(n * sizeof(*fds)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(head), fds, n * sizeof(*fds));
}

static int send_answer(int fd, void *result, size_t n_bytes, const int *fds)
{
	union rights rights = { 0 };
	int sent[PROGRAMS_MAX_FDS];
	uint32_t slots = 0;
	unsigned n = 0;
	struct iovec parts[] = { { &slots, sizeof(slots) }, { result, n_bytes } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2, .msg_control = rights.bytes };

	for (unsigned i = 0; i < PROGRAMS_MAX_FDS; i++) {
		if (fds[i] < 0)
			continue;
		sent[n++] = fds[i];
		slots |= UINT32_C(1) << i;
	}
	if (n)
		put_rights(&message, sent, n);
	else
		message.msg_control = NULL;
	return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static _Noreturn void child_main(programs_loader run, void *userdata, void *result, size_t n_bytes,
				 int fd, pid_t parent)
{
	int fds[PROGRAMS_MAX_FDS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	prctl(PR_SET_NAME, "bpf-loader");
	for (unsigned i = 0; i < PROGRAMS_MAX_FDS; i++)
		fds[i] = -1;
	run(result, fds, userdata);
	_exit(send_answer(fd, result, n_bytes, fds) < 0);
}

/* ---- its parent ---- */

static void take_rights(struct msghdr *message, uint32_t slots, int *ret_fds)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(message);
	size_t n = head ? (head->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
	const int *fds = head ? (const int *)CMSG_DATA(head) : NULL;

	for (unsigned i = 0; i < PROGRAMS_MAX_FDS && n; i++) {
		if (!(slots >> i & 1))
			continue;
		ret_fds[i] = *fds++;
		n--;
	}
}

static int receive_answer(int fd, void *ret_result, size_t n_bytes, int *ret_fds)
{
	union rights rights;
	uint32_t slots = 0;
	struct iovec parts[] = { { &slots, sizeof(slots) }, { ret_result, n_bytes } };
	struct msghdr message = { .msg_iov = parts,
				  .msg_iovlen = 2,
				  .msg_control = rights.bytes,
				  .msg_controllen = sizeof(rights.bytes) };
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	ssize_t n;
	int r;

	do
		r = poll(&ready, 1, PATIENCE_MSEC);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r < 0 ? -errno : -ETIME;
	n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -errno;
	take_rights(&message, slots, ret_fds);
	return (size_t)n == sizeof(slots) + n_bytes ? 0 : -ECHILD;
}

int programs_load_in_child(programs_loader run, void *userdata, void *ret_result, size_t n_bytes,
			   int ret_fds[static PROGRAMS_MAX_FDS])
{
	_cleanup_(closep) int ours = -1, theirs = -1;
	pid_t parent = getpid(), pid;
	int pair[2], r;

	for (unsigned i = 0; i < PROGRAMS_MAX_FDS; i++)
		ret_fds[i] = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child_main(run, userdata, ret_result, n_bytes, theirs, parent);
	close(TAKE_FD(theirs));
	r = receive_answer(ours, ret_result, n_bytes, ret_fds);
	if (r == -ETIME)
		kill(pid, SIGKILL);
	/* One that can't even be killed stays a zombie: to wait for it would be to hang with it. */
	while (waitpid(pid, NULL, r == -ETIME ? WNOHANG : 0) < 0 && errno == EINTR)
		;
	return r;
}
