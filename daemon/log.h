/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log: one sentence to whoever runs us, on stderr.
 *
 * Under systemd each line carries its priority ("<4>..."), which the journal strips; on a terminal
 * it does not. `r` is a negative errno whose text is appended, or 0 where there is none. err: we
 * cannot do our job. warn: we went on without something. notice: memory went bad. End the sentence
 * with what was done instead.
 */
#pragma once

enum log_level {
	LOG_LEVEL_ERR = 3,
	LOG_LEVEL_WARN = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

void log_line(enum log_level level, int r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Silence what is less urgent than this; the default is LOG_LEVEL_INFO, $HWPOISOND_DEBUG=1 shows
 * all. */
void log_set_max_level(enum log_level level);

#define log_err(r, ...)	   log_line(LOG_LEVEL_ERR, r, __VA_ARGS__)
#define log_warn(r, ...)   log_line(LOG_LEVEL_WARN, r, __VA_ARGS__)
#define log_notice(r, ...) log_line(LOG_LEVEL_NOTICE, r, __VA_ARGS__)
#define log_info(r, ...)   log_line(LOG_LEVEL_INFO, r, __VA_ARGS__)
#define log_debug(r, ...)  log_line(LOG_LEVEL_DEBUG, r, __VA_ARGS__)
