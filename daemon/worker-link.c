// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * worker-link: see worker-link.h. Both ends use it; the child's ask and tell are here too.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "worker-link.h"

#define CHUNK_BYTES 65536u

/* A daemon that takes no line for so long is as good as gone. */
#define SEND_TIMEOUT_MSEC 30000

struct worker_link {
	int fd;
	char *buffer;
	size_t n_used, n_capacity;
	size_t n_searched; /* no newline before this */
};

struct worker_link *worker_link_new(int fd)
{
	struct worker_link *link = calloc(1, sizeof(*link));

	if (link)
		link->fd = fd;
	return link;
}

struct worker_link *worker_link_free(struct worker_link *link)
{
	if (link) {
		close(link->fd);
		free(link->buffer);
		free(link);
	}
	return NULL;
}

int worker_link_fd(const struct worker_link *link)
{
	return link->fd;
}

static int send_all(int fd, const char *bytes, size_t n_bytes)
{
	while (n_bytes) {
		ssize_t n = send(fd, bytes, n_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			if (poll(&p, 1, SEND_TIMEOUT_MSEC) == 0)
				return -EPIPE;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ECONNRESET ? -EPIPE : -errno;
		bytes += n;
		n_bytes -= n;
	}
	return 0;
}

/* With its newline, in one piece: the other end is woken once. */
int worker_link_send(struct worker_link *link, struct json_object *line)
{
	_cleanup_(freep) char *whole = NULL;
	size_t n_bytes;
	const char *text;

	text = json_object_to_json_string_length(
		line, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n_bytes);
	whole = text ? malloc(n_bytes + 1) : NULL;
	if (!whole)
		return -ENOMEM;
	memcpy(whole, text, n_bytes);
	whole[n_bytes] = '\n';
	return send_all(link->fd, whole, n_bytes + 1);
}

static int fill(struct worker_link *link, bool wait)
{
	ssize_t n;

	if (link->n_used + CHUNK_BYTES > WORKER_LINE_MAX_BYTES)
		return -E2BIG;
	if (link->n_capacity - link->n_used < CHUNK_BYTES) {
		size_t n_wanted = link->n_capacity * 2 + CHUNK_BYTES;
		char *grown = realloc(link->buffer, n_wanted);

		if (!grown)
			return -ENOMEM;
		link->buffer = grown;
		link->n_capacity = n_wanted;
	}

	do
		n = recv(link->fd, link->buffer + link->n_used, CHUNK_BYTES,
			 wait ? 0 : MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	link->n_used += n;
	return 0;
}

/* Cut the first line out of the buffer. 0, -EAGAIN: there is no whole line yet. */
static int take_line(struct worker_link *link, struct json_object **ret)
{
	char *start = link->buffer, *end = NULL;
	struct json_object *line;

	if (link->n_used)
		end = memchr(start + link->n_searched, '\n', link->n_used - link->n_searched);
	if (!end) {
		link->n_searched = link->n_used;
		return -EAGAIN;
	}

	*end = '\0';
	line = json_tokener_parse(start);
	link->n_used -= end + 1 - start;
	link->n_searched = 0;
	memmove(start, end + 1, link->n_used);
	if (!line)
		return -EBADMSG;

	*ret = line;
	return 0;
}

int worker_link_receive(struct worker_link *link, bool wait, struct json_object **ret)
{
	for (;;) {
		int r = take_line(link, ret);

		if (r != -EAGAIN)
			return r;
		r = fill(link, wait);
		if (r < 0)
			return r;
	}
}

static int send_as(struct worker_link *link, const char *kind, struct json_object *message)
{
	_cleanup_(json_object_putp) struct json_object *line = json_object_new_object();

	if (!line || json_object_object_add(line, kind, json_object_get(message)) < 0)
		return -ENOMEM;
	return worker_link_send(link, line);
}

int worker_tell(struct worker_link *link, struct json_object *message)
{
	return send_as(link, "tell", message);
}

int worker_ask(struct worker_link *link, struct json_object *message, struct json_object **ret)
{
	int r;

	r = send_as(link, "ask", message);
	if (r < 0)
		return r;
	return worker_link_receive(link, true, ret);
}
