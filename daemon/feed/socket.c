// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * socket: events to whoever connects, as JSON lines.
 *
 *   feed -> line -> queue -> [socket]
 *
 * In:   lines, and clients that come and go.
 * Out:  each client gets the lines from its connection on.
 *
 * Clients are told and never asked: what one writes is left unread, so that it can't keep us busy.
 * A client costs at most one queue, and lines in several queues are in memory once.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "feed/queue.h"
#include "feed/sinks.h"

struct client {
	int fd;
	sd_event_source *source;
	struct queue queue;
	size_t sent_bytes; /* of the queue's first line */
	struct client **slot; /* of feed_socket.clients, where we are listed */
	struct feed_socket *socket;
};

struct feed_socket {
	sd_event *event;
	char *path;
	int fd;
	sd_event_source *source;
	struct client *clients[FEED_MAX_CLIENTS];
	uint64_t n_dropped_by_gone; /* of clients that are no longer here */
};

static void client_close(struct client *c)
{
	c->socket->n_dropped_by_gone += c->queue.gap.n_dropped_ever;
	*c->slot = NULL;
	sd_event_source_disable_unref(c->source);
	close(c->fd);
	queue_done(&c->queue);
	free(c);
}

/* Send what it takes. A client that is gone is closed. */
static void client_flush(struct client *c)
{
	struct line *line;

	while ((line = queue_first(&c->queue))) {
		ssize_t n = send(c->fd, line->text + c->sent_bytes,
				 line->length_bytes - c->sent_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0) {
			client_close(c);
			return;
		}
		c->sent_bytes += (size_t)n;
		if (c->sent_bytes == line->length_bytes) {
			queue_pop(&c->queue);
			c->sent_bytes = 0;
		}
	}
	/* Unable to wait for room, it would never get the rest. */
	if (sd_event_source_set_io_events(c->source, line ? EPOLLOUT : 0) < 0)
		client_close(c);
}

static int on_client(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct client *c = userdata;

	if (revents & (EPOLLHUP | EPOLLERR))
		client_close(c);
	else
		client_flush(c);
	return 0;
}

static struct client **free_slot(struct feed_socket *s)
{
	for (size_t i = 0; i < FEED_MAX_CLIENTS; i++)
		if (!s->clients[i])
			return &s->clients[i];
	return NULL;
}

/* Takes the fd. */
static void client_add(struct feed_socket *s, int fd)
{
	struct client **slot = free_slot(s);
	struct client *c = slot ? calloc(1, sizeof(*c)) : NULL;

	/* Only hang-ups wake us while nothing is queued. */
	if (!c || sd_event_add_io(s->event, &c->source, fd, 0, on_client, c) < 0) {
		free(c);
		close(fd);
		return;
	}
	c->fd = fd;
	c->socket = s;
	c->slot = slot;
	*slot = c;
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	int client_fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (client_fd >= 0)
		client_add(userdata, client_fd);
	return 0;
}

/*
 * Make way at `path`: only a socket that nobody listens on is removed. -EADDRINUSE: somebody does;
 * -EEXIST: it is something else.
 */
static int remove_stale(const struct sockaddr_un *address)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	if (errno != ECONNREFUSED)
		return -errno;
	return unlink(address->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/* The mode is right from the first moment on, and members of the group may read. */
static int bind_for_group(int fd, const struct sockaddr_un *address)
{
	mode_t old_mask = umask(0117);
	const struct group *group;
	int r;

	r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	umask(old_mask);
	if (r < 0)
		return r;

	/* Without the group, or without the right to give it away, root alone may read. */
	group = getgrnam("hwpoisond");
	if (group && lchown(address->sun_path, (uid_t)-1, group->gr_gid) < 0 && errno != EPERM)
		return -errno;
	return 0;
}

static int listen_at(struct feed_socket *s)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r;

	if (strlen(s->path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, s->path);

	r = remove_stale(&address);
	if (r < 0)
		return r;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	r = bind_for_group(s->fd, &address);
	if (r < 0)
		return r;
	return listen(s->fd, FEED_MAX_CLIENTS) < 0 ? -errno : 0;
}

int feed_socket_new(sd_event *event, const char *path, struct feed_socket **ret)
{
	_cleanup_(feed_socket_freep) struct feed_socket *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->fd = -1;
	s->event = sd_event_ref(event);
	s->path = strdup(path);
	if (!s->path)
		return -ENOMEM;

	r = listen_at(s);
	if (r < 0)
		return r;
	r = sd_event_add_io(event, &s->source, s->fd, EPOLLIN, on_connection, s);
	if (r < 0)
		return r;
	/* Out of descriptors, a connection can't be accepted and stays: that must not keep us busy.
	 */
	r = sd_event_source_set_ratelimit(s->source, 1000000, 4 * FEED_MAX_CLIENTS);
	if (r < 0)
		return r;

	*ret = TAKE(s);
	return 0;
}

struct feed_socket *feed_socket_free(struct feed_socket *s)
{
	if (!s)
		return NULL;

	for (size_t i = 0; i < FEED_MAX_CLIENTS; i++)
		if (s->clients[i])
			client_close(s->clients[i]);
	sd_event_source_disable_unref(s->source);
	/* An open socket that did not get its name leaves that name alone. */
	if (s->source)
		unlink(s->path);
	closep(&s->fd);
	sd_event_unref(s->event);
	free(s->path);
	free(s);
	return NULL;
}

void feed_socket_send(struct feed_socket *s, struct line *line)
{
	for (size_t i = 0; i < FEED_MAX_CLIENTS; i++)
		if (s->clients[i]) {
			queue_push(&s->clients[i]->queue, line);
			client_flush(s->clients[i]);
		}
}

bool feed_socket_flush(struct feed_socket *s)
{
	bool queued = false;

	for (size_t i = 0; i < FEED_MAX_CLIENTS; i++) {
		if (s->clients[i])
			client_flush(s->clients[i]);
		queued = queued || (s->clients[i] && queue_first(&s->clients[i]->queue));
	}
	return queued;
}

uint64_t feed_socket_n_dropped(const struct feed_socket *s)
{
	uint64_t n = s->n_dropped_by_gone;

	for (size_t i = 0; i < FEED_MAX_CLIENTS; i++)
		if (s->clients[i])
			n += s->clients[i]->queue.gap.n_dropped_ever;
	return n;
}

unsigned feed_socket_n_clients(const struct feed_socket *s)
{
	unsigned n = 0;

	for (size_t i = 0; i < FEED_MAX_CLIENTS; i++)
		n += s->clients[i] != NULL;
	return n;
}
