/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sinks: where lines go. Each is one .c file: file, socket, journal.
 *
 * Sending returns 0, or the negative errno for which lines are being dropped; those are counted, and
 * told to the reader as feed.gap once it goes on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "cleanup.h"
#include "feed/line.h"

struct feed_file;	/* lines appended to a regular file, whole ones only */

/* Opened at once if it can be, else again with each line. Only -ENOMEM is returned. */
int feed_file_new(const char *path, struct feed_file **ret);
struct feed_file *feed_file_free(struct feed_file *file);
DEFINE_CLEANUP(struct feed_file *, feed_file_free);
int feed_file_send(struct feed_file *file, struct line *line);
int feed_file_reopen(struct feed_file *file);	/* negative: the old one stays in use */
uint64_t feed_file_n_dropped(const struct feed_file *file);

struct feed_socket;	/* a listening stream socket; lines to whoever connects, from then on */

#define FEED_MAX_CLIENTS 64

int feed_socket_new(sd_event *event, const char *path, struct feed_socket **ret);
struct feed_socket *feed_socket_free(struct feed_socket *s);	/* removes the socket file */
DEFINE_CLEANUP(struct feed_socket *, feed_socket_free);
void feed_socket_send(struct feed_socket *s, struct line *line);
bool feed_socket_flush(struct feed_socket *s);	/* true: something is still queued */
uint64_t feed_socket_n_dropped(const struct feed_socket *s);
unsigned feed_socket_n_clients(const struct feed_socket *s);

struct feed_journal;	/* the native protocol of journald */

int feed_journal_new(sd_event *event, const char *socket_path, struct feed_journal **ret);
struct feed_journal *feed_journal_free(struct feed_journal *j);
DEFINE_CLEANUP(struct feed_journal *, feed_journal_free);
/* Negative: journald is not there, and this line is counted as dropped. */
int feed_journal_ready(struct feed_journal *j, const struct line *line);
int feed_journal_send(struct feed_journal *j, struct line *line);	/* described */
bool feed_journal_flush(struct feed_journal *j);
uint64_t feed_journal_n_dropped(const struct feed_journal *j);
