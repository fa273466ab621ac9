// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * varlink: the socket, and who is let in.
 *
 *   a client -> [varlink] -> varlink_connection -> varlink_call -> the methods of the service
 *
 * In:   connections, from anybody who may open the socket file.
 * Out:  at most VARLINK_MAX_CONNECTIONS of them, each with the credentials that the kernel recorded
 *       when it was made. The last few are kept for those who may change things, so that readers
 *       can't keep an administrator out.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "control/varlink_private.h"
#include "log.h"

#define COMPLAINTS_PER_MINUTE 10u
#define USEC_PER_MINUTE	      (60u * 1000000ull)

bool varlink_peer_in_group(const struct varlink_peer *peer, gid_t group)
{
	if (peer->gid == group)
		return true;
	for (size_t i = 0; i < peer->n_groups; i++)
		if (peer->groups[i] == group)
			return true;
	return false;
}

bool varlink_may_complain(struct varlink_server *s)
{
	struct timespec now;
	uint64_t now_usec;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now_usec = (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
	if (!s->complaints_since_usec || now_usec - s->complaints_since_usec > USEC_PER_MINUTE) {
		if (s->n_complaints > COMPLAINTS_PER_MINUTE)
			log_warn(0, "Control clients caused %u more messages that were not logged",
				 s->n_complaints - COMPLAINTS_PER_MINUTE);
		s->complaints_since_usec = now_usec;
		s->n_complaints = 0;
	}
	return s->n_complaints++ < COMPLAINTS_PER_MINUTE;
}

static int peer_read(int fd, struct varlink_peer *ret)
{
	struct ucred cred;
	socklen_t n_bytes = sizeof(cred);
	_cleanup_(freep) gid_t *groups = NULL;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n_bytes) < 0)
		return -errno;

	/* With no room the kernel says how much it needs; none is needed for a peer without groups.
	 */
	n_bytes = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &n_bytes) < 0) {
		if (errno != ERANGE)
			return -errno;
		groups = malloc(n_bytes);
		if (!groups)
			return -ENOMEM;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n_bytes) < 0)
			return -errno;
	}
	*ret = (struct varlink_peer){
		.pid = cred.pid,
		.uid = cred.uid,
		.gid = cred.gid,
		.groups = TAKE(groups),
		.n_groups = n_bytes / sizeof(gid_t),
	};
	return 0;
}

void varlink_forget(struct varlink_server *s, const struct connection *c)
{
	for (size_t i = 0; i < VARLINK_MAX_CONNECTIONS; i++)
		if (s->connections[i] == c)
			s->connections[i] = NULL;
}

static struct connection **free_slot(struct varlink_server *s, const struct varlink_peer *peer)
{
	size_t n_usable = VARLINK_MAX_CONNECTIONS;

	if (!s->may(peer, true, s->userdata))
		n_usable -= VARLINK_RESERVED;
	for (size_t i = 0; i < n_usable; i++)
		if (!s->connections[i])
			return &s->connections[i];
	return NULL;
}

static void server_admit(struct varlink_server *s, int accepted_fd)
{
	_cleanup_(closep) int fd = accepted_fd;
	_cleanup_(connection_freep) struct connection *c = NULL;
	struct varlink_peer peer;
	struct connection **slot;
	int r;

	r = peer_read(fd, &peer);
	if (r >= 0)
		r = connection_new(s, TAKE_FD(fd), &peer, &c);
	if (r < 0) {
		if (varlink_may_complain(s))
			log_warn(r, "Cannot serve a new control client, turning it away");
		return;
	}

	slot = free_slot(s, connection_peer(c));
	if (slot)
		*slot = TAKE(c);
	else if (varlink_may_complain(s))
		log_warn(0, "Too many control clients, turning away pid %d of uid %u",
			 (int)connection_peer(c)->pid, (unsigned)connection_peer(c)->uid);
}

/* Out of descriptors, the waiting client would wake us for ever: close it by means of the spare
 * one. */
static void turn_away(struct varlink_server *s)
{
	int fd;

	if (varlink_may_complain(s))
		log_warn(-EMFILE, "Cannot accept a control client, turning it away");
	if (s->spare_fd >= 0)
		close(TAKE_FD(s->spare_fd));
	fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	closep(&fd);
	s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int on_connection(sd_event_source *source, int listen_fd, uint32_t revents, void *userdata)
{
	struct varlink_server *s = userdata;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		server_admit(s, fd);
	else if (errno == EMFILE || errno == ENFILE)
		turn_away(s);
	return 0;
}

int varlink_server_new(sd_event *event, const struct varlink_interface *interface, varlink_may may,
		       void *userdata, struct varlink_server **ret)
{
	struct varlink_server *s = calloc(1, sizeof(*s));

	assert(may);

	if (!s)
		return -ENOMEM;
	s->event = sd_event_ref(event);
	s->interface = interface;
	s->may = may;
	s->userdata = userdata;
	s->listen_fd = -1;
	s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	*ret = s;
	return 0;
}

struct varlink_server *varlink_server_free(struct varlink_server *s)
{
	if (!s)
		return NULL;

	for (size_t i = 0; i < VARLINK_MAX_CONNECTIONS; i++)
		if (s->connections[i])
			connection_free(s->connections[i]);
	sd_event_source_disable_unref(s->listen_source);
	closep(&s->listen_fd);
	closep(&s->spare_fd);
	if (s->path)
		unlink(s->path);
	free(s->path);
	sd_event_unref(s->event);
	free(s);
	return NULL;
}

/* Remove a socket that a crash left behind. -EADDRINUSE: it is alive. */
static int remove_stale(const struct sockaddr_un *address)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) >= 0 || errno == EAGAIN)
		return -EADDRINUSE;
	if (errno != ECONNREFUSED)
		return -errno;
	return unlink(address->sun_path) < 0 ? -errno : 0;
}

/* The file inherits the socket's mode: closed to all until its group is set. */
static int bind_as(int fd, const struct sockaddr_un *address, mode_t mode, gid_t group)
{
	int r;

	if (fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	if (chown(address->sun_path, (uid_t)-1, group) >= 0 &&
	    chmod(address->sun_path, mode) >= 0 && listen(fd, SOMAXCONN) >= 0)
		return 0;
	r = -errno;
	unlink(address->sun_path);
	return r;
}

int varlink_server_listen(struct varlink_server *s, const char *path, mode_t mode, gid_t group)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	_cleanup_(freep) char *copy = strdup(path);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r;

	assert(!s->path);

	if (fd < 0)
		return -errno;
	if (!copy)
		return -ENOMEM;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	r = remove_stale(&address);
	if (r < 0)
		return r;
	r = bind_as(fd, &address, mode, group);
	if (r < 0)
		return r;

	s->path = TAKE(copy);
	r = sd_event_add_io(s->event, &s->listen_source, fd, EPOLLIN, on_connection, s);
	if (r < 0)
		return r;
	s->listen_fd = TAKE_FD(fd);
	return 0;
}

size_t varlink_server_pids(const struct varlink_server *s, pid_t *ret, size_t n)
{
	size_t n_pids = 0;

	for (size_t i = 0; i < VARLINK_MAX_CONNECTIONS && n_pids < n; i++)
		if (s->connections[i])
			ret[n_pids++] = connection_peer(s->connections[i])->pid;
	return n_pids;
}
