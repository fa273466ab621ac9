// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * varlink_connection: the bytes that come and go between one client and us.
 *
 *   varlink (a client) -> [varlink_connection] -> varlink_call (a message)
 *
 * In:   bytes, in any portions: half a message, twenty at once, or garbage.
 * Out:  whole messages, one at a time and only while the previous call is answered and the client
 *       reads its answers: what it sends too early stays in its own socket, not in our memory.
 *
 * Nothing frees a connection but connection_settle() and the end of the server. All others only
 * mark it as broken: they can be called from deep inside a method that still uses it.
 *
 * What a message means is varlink_call.c; who is let in is varlink.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "control/varlink_private.h"
#include "log.h"

#define READ_BYTES	  (64u * 1024u)
#define MESSAGES_PER_TURN 64u
#define PAUSE_BYTES	  (64u * 1024u) /* with more queued than this, no further call is begun */

struct connection {
	struct varlink_server *server;
	int fd;
	sd_event_source *io;
	sd_event_source *resume; /* runs connection_turn() from the loop, once */
	struct varlink_peer peer;
	struct varlink_call *call; /* open; NULL: ready for the next */
	char *in;
	size_t in_start; /* before it: dealt with */
	size_t in_scanned; /* from in_start to here there is no NUL */
	size_t in_end;
	size_t in_capacity;
	char *out;
	size_t out_start;
	size_t out_end;
	size_t out_capacity;
	bool in_turn;
	bool no_more_input; /* the client closed at least its writing side */
	bool broken;
};

struct varlink_server *connection_server(struct connection *c)
{
	return c->server;
}

const struct varlink_peer *connection_peer(const struct connection *c)
{
	return &c->peer;
}

bool connection_is_broken(const struct connection *c)
{
	return c->broken;
}

size_t connection_n_queued(const struct connection *c)
{
	return c->out_end - c->out_start;
}

static void connection_wake(struct connection *c)
{
	if (!c->in_turn && sd_event_source_set_enabled(c->resume, SD_EVENT_ONESHOT) < 0)
		c->broken = true;
}

void connection_fail(struct connection *c, int r, const char *what)
{
	if (!c->broken && varlink_may_complain(c->server))
		log_warn(r, "Control client (pid %d, uid %u) %s, closing its connection",
			 (int)c->peer.pid, (unsigned)c->peer.uid, what);
	c->broken = true;
	connection_wake(c);
}

void connection_set_call(struct connection *c, struct varlink_call *call)
{
	c->call = call;
	if (!call)
		connection_wake(c);
}

/* Move what is left to the front and have room for n_more bytes behind it. */
static int buffer_reserve(char **buffer, size_t *start, size_t *end, size_t *capacity,
			  size_t n_more)
{
	size_t n_left = *end - *start, n_wanted = n_left + n_more;
	char *grown;

	if (*start) {
		memmove(*buffer, *buffer + *start, n_left);
		*start = 0;
		*end = n_left;
	}
	if (n_wanted <= *capacity)
		return 0;
	if (n_wanted < 2 * *capacity)
		n_wanted = 2 * *capacity;
	grown = realloc(*buffer, n_wanted);
	if (!grown)
		return -ENOMEM;
	*buffer = grown;
	*capacity = n_wanted;
	return 0;
}

static void buffer_release(char **buffer, size_t *start, size_t *end, size_t *capacity)
{
	free(*buffer);
	*buffer = NULL;
	*start = *end = *capacity = 0;
}

static void connection_flush(struct connection *c)
{
	while (c->out_start < c->out_end) {
		ssize_t n = send(c->fd, c->out + c->out_start, c->out_end - c->out_start,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) { /* it left without waiting for the answer: its right */
			c->broken = true;
			connection_wake(c);
			return;
		}
		c->out_start += (size_t)n;
	}
	buffer_release(&c->out, &c->out_start, &c->out_end, &c->out_capacity);
}

void connection_send(struct connection *c, const char *text, size_t n_bytes)
{
	if (c->broken)
		return;
	if (buffer_reserve(&c->out, &c->out_start, &c->out_end, &c->out_capacity, n_bytes + 1) <
	    0) {
		connection_fail(c, -ENOMEM, "could not be answered");
		return;
	}
	memcpy(c->out + c->out_end, text, n_bytes);
	c->out[c->out_end + n_bytes] = '\0';
	c->out_end += n_bytes + 1;
	connection_flush(c);
	connection_wake(c); /* for EPOLLOUT */
}

struct connection *connection_free(struct connection *c)
{
	c->broken = true;
	varlink_forget(c->server, c);
	if (c->call)
		varlink_call_orphan(TAKE(c->call));
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->resume);
	closep(&c->fd);
	free(c->peer.groups);
	free(c->in);
	free(c->out);
	free(c);
	return NULL;
}

/* Is there a whole message? Then *ret_length is without its NUL. */
static bool message_waits(struct connection *c, size_t *ret_length)
{
	size_t n_new = c->in_end - c->in_scanned;
	char *end = n_new ? memchr(c->in + c->in_scanned, '\0', n_new) : NULL;

	if (!end) {
		c->in_scanned = c->in_end;
		return false;
	}
	c->in_scanned = (size_t)(end - c->in);
	*ret_length = c->in_scanned - c->in_start;
	return true;
}

static bool may_begin(const struct connection *c)
{
	return !c->broken && !c->call && connection_n_queued(c) < PAUSE_BYTES;
}

static void connection_work(struct connection *c)
{
	size_t n_bytes;

	for (unsigned n = 0; n < MESSAGES_PER_TURN && may_begin(c); n++) {
		const char *text;

		if (!message_waits(c, &n_bytes))
			break;
		text = c->in + c->in_start;
		c->in_start = c->in_scanned = c->in_scanned + 1;
		varlink_dispatch(c, text, n_bytes);
	}
	if (c->in_start == c->in_end) {
		c->in_scanned = 0;
		buffer_release(&c->in, &c->in_start, &c->in_end, &c->in_capacity);
	}
	if (!c->broken && !connection_n_queued(c) && c->call && c->call->on_room)
		c->call->on_room(c->call, c->call->notify_userdata);
}

/* After anything happened: close it, or say what we want to hear of next. Frees the connection. */
static void connection_settle(struct connection *c)
{
	size_t n_bytes;
	bool waits = message_waits(c, &n_bytes);
	uint32_t events = 0;

	if (c->no_more_input && !c->call && !waits && !connection_n_queued(c)) {
		if (c->in_start < c->in_end)
			connection_fail(c, 0, "left in the middle of a message");
		c->broken = true;
	}
	if (c->broken) {
		connection_free(c);
		return;
	}

	if (may_begin(c) && waits)
		connection_wake(c);
	else if (may_begin(c) && !c->no_more_input)
		events |= EPOLLIN;
	if (connection_n_queued(c))
		events |= EPOLLOUT;
	if (sd_event_source_set_io_events(c->io, events) < 0)
		connection_free(c);
}

static void connection_turn(struct connection *c)
{
	c->in_turn = true;
	connection_work(c);
	c->in_turn = false;
	connection_settle(c);
}

static void connection_read(struct connection *c)
{
	ssize_t n;
	size_t n_kept = c->in_end - c->in_start, n_scanned = c->in_scanned - c->in_start;
	size_t n_wanted = VARLINK_MAX_MESSAGE + 1 - n_kept; /* and its NUL */
	int r;

	/* What is kept is one message without its end: after whole ones nothing more is read. */
	if (!n_wanted) {
		connection_fail(c, -EMSGSIZE, "sent a message of more than 1 MiB");
		return;
	}
	r = buffer_reserve(&c->in, &c->in_start, &c->in_end, &c->in_capacity, READ_BYTES);
	if (r < 0) {
		connection_fail(c, r, "could not be served");
		return;
	}
	c->in_scanned = n_scanned;

	if (n_wanted > READ_BYTES)
		n_wanted = READ_BYTES;
	n = recv(c->fd, c->in + c->in_end, n_wanted, MSG_DONTWAIT);
	if (n > 0)
		c->in_end += (size_t)n;
	else if (n == 0)
		c->no_more_input = true;
	else if (errno != EAGAIN && errno != EINTR)
		c->broken = true;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct connection *c = userdata;

	if (revents & EPOLLOUT)
		connection_flush(c);
	if (revents & EPOLLIN && may_begin(c))
		connection_read(c);
	else if (revents & (EPOLLHUP | EPOLLERR))
		c->broken = true; /* closed both ways: nobody is there to answer */
	connection_turn(c);
	return 0;
}

static int on_resume(sd_event_source *source, void *userdata)
{
	connection_turn(userdata);
	return 0;
}

int connection_new(struct varlink_server *s, int fd, struct varlink_peer *peer,
		   struct connection **ret)
{
	_cleanup_(connection_freep) struct connection *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		close(fd);
		free(peer->groups);
		return -ENOMEM;
	}
	c->server = s;
	c->fd = fd;
	c->peer = *peer;
	r = sd_event_add_io(s->event, &c->io, fd, EPOLLIN, on_io, c);
	if (r < 0)
		return r;
	r = sd_event_add_defer(s->event, &c->resume, on_resume, c);
	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(c->resume, SD_EVENT_OFF);
	if (r < 0)
		return r;
	*ret = TAKE(c);
	return 0;
}
