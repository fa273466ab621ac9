// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * journal: events to journald, as a sentence with the whole event beside it.
 *
 *   feed -> line -> queue -> [journal]
 *
 * In:   lines.
 * Out:  datagrams of journald's native protocol: "FIELD=value\n" each, no value with a newline.
 *
 * sd_journal_sendv() would wait while journald hangs, and a machine whose memory goes bad is where
 * it does. So we speak the protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL) on a socket that never
 * waits, with a queue behind it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "feed/queue.h"
#include "feed/sinks.h"

#define N_PARTS 3

struct feed_journal {
	sd_event *event;
	char *path;
	int fd; /* -1: not connected */
	sd_event_source *source; /* enabled only while something is queued */
	struct queue queue;
};

static int on_writable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	feed_journal_flush(userdata);
	return 0;
}

static void disconnect(struct feed_journal *j)
{
	j->source = sd_event_source_disable_unref(j->source);
	closep(&j->fd);
	j->fd = -1;
}

static int connect_to_journald(struct feed_journal *j)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = -1;
	int r;

	if (strlen(j->path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, j->path);

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;

	r = sd_event_add_io(j->event, &j->source, fd, EPOLLOUT, on_writable, j);
	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(j->source, SD_EVENT_OFF);
	if (r < 0) {
		j->source = sd_event_source_disable_unref(j->source);
		return r;
	}
	j->fd = TAKE_FD(fd);
	return 0;
}

int feed_journal_new(sd_event *event, const char *socket_path, struct feed_journal **ret)
{
	_cleanup_(feed_journal_freep) struct feed_journal *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->fd = -1;
	j->event = sd_event_ref(event);
	j->path = strdup(socket_path);
	if (!j->path)
		return -ENOMEM;
	*ret = TAKE(j);
	return 0;
}

struct feed_journal *feed_journal_free(struct feed_journal *j)
{
	if (!j)
		return NULL;
	disconnect(j);
	queue_done(&j->queue);
	sd_event_unref(j->event);
	free(j->path);
	free(j);
	return NULL;
}

static void entry_of(const struct line *line, struct iovec parts[static N_PARTS])
{
	static const char name[] = "HWPOISOND_EVENT=";

	parts[0] = (struct iovec){ line->fields, strlen(line->fields) };
	parts[1] = (struct iovec){ (char *)name, strlen(name) };
	parts[2] = (struct iovec){ line->text, line->length_bytes };
}

static int send_message(int fd, const struct msghdr *message)
{
	return sendmsg(fd, message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* What is too big for a datagram goes in a sealed memfd, and the datagram holds that. */
static int send_as_memfd(int fd, const struct iovec *parts, size_t entry_bytes)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = {
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	_cleanup_(closep) int memory = -1;
	ssize_t n;

	memory = memfd_create("hwpoisond-event", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory < 0)
		return -errno;
	n = writev(memory, parts, N_PARTS);
	if (n < 0)
		return -errno;
	if ((size_t)n != entry_bytes)
		return -ENOSPC;
	if (fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) <
	    0)
		return -errno;

	control.header = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(int)),
	};
	memcpy(CMSG_DATA(&control.header), &memory, sizeof(int));
	return send_message(fd, &message);
}

static int send_entry(struct feed_journal *j, const struct line *line)
{
	struct iovec parts[N_PARTS];
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = N_PARTS };
	int r;

	entry_of(line, parts);
	r = send_message(j->fd, &message);
	if (r == -EMSGSIZE || r == -ENOBUFS)
		r = send_as_memfd(j->fd, parts,
				  parts[0].iov_len + parts[1].iov_len + parts[2].iov_len);
	return r;
}

/* A journald that was started anew has another socket: an error is believed the second time. */
static int send_or_reconnect(struct feed_journal *j, const struct line *line)
{
	int r = -ENOTCONN;

	if (j->fd >= 0)
		r = send_entry(j, line);
	if (r == 0 || r == -EAGAIN)
		return r;

	disconnect(j);
	r = connect_to_journald(j);
	if (r < 0)
		return r;
	return send_entry(j, line);
}

static int flush(struct feed_journal *j)
{
	struct line *line;
	int r = 0;

	while ((line = queue_first(&j->queue))) {
		r = send_or_reconnect(j, line);
		if (r < 0)
			break;
		queue_pop(&j->queue);
	}
	if (r == -EAGAIN && sd_event_source_set_enabled(j->source, SD_EVENT_ON) >= 0)
		return 0;
	if (r < 0) {
		queue_drop(&j->queue);
		disconnect(j);
	} else if (j->source) {
		sd_event_source_set_enabled(j->source, SD_EVENT_OFF);
	}
	return r;
}

int feed_journal_ready(struct feed_journal *j, const struct line *line)
{
	int r = j->fd >= 0 ? 0 : connect_to_journald(j);

	if (r < 0)
		gap_add(&j->queue.gap, line);
	return r;
}

int feed_journal_send(struct feed_journal *j, struct line *line)
{
	queue_push(&j->queue, line);
	return flush(j);
}

bool feed_journal_flush(struct feed_journal *j)
{
	flush(j);
	return queue_first(&j->queue);
}

uint64_t feed_journal_n_dropped(const struct feed_journal *j)
{
	return j->queue.gap.n_dropped_ever;
}
