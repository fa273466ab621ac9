/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * values: what stands behind "Key=", as a type.
 *
 * Each returns 0 and sets *ret, or a negative errno and leaves it: -EINVAL when that is no such
 * value, -ENOMEM, or what is said below.
 */
#pragma once

int value_boolean(const char *text, void *ret);	  /* bool: yes no true false on off 1 0 */
int value_path(const char *text, void *ret);	  /* char *, absolute; "": NULL */
int value_glob(const char *text, void *ret);	  /* char *, not empty, well formed */
int value_path_glob(const char *text, void *ret); /* the same, and begins with '/' or '*' */
int value_wish(const char *text, void *ret);	  /* enum repair_wish */
int value_owner_kind(const char *text, void *ret); /* int, enum owner_kind */

/* int: "SIGUSR1", "usr1", "10", "RTMIN+3". -EPERM: SIGKILL or SIGSTOP, which nobody can catch. */
int value_signal(const char *text, void *ret);

/* uint64_t in microseconds: "5", "500ms", "1min 30s". -ERANGE: over an hour. */
int value_grace(const char *text, void *ret);

int value_days(const char *text, void *ret); /* unsigned, up to a hundred years */

/* uint64_t: bytes, or with K, M or G behind the number; 0, or 1M at least. */
int value_size(const char *text, void *ret);

/* uid_t, by number or name. -ENOENT: no such user. */
int value_user(const char *text, void *ret);

/* uint32_t, bits of programs.h: "mce_record mc_event", "all", "": none. -ENOMEM. */
int value_programs(const char *text, void *ret);

/* char *, a user that exists, by name. -ENOENT: no such user. */
int value_user_name(const char *text, void *ret);

/* enum verb */
int value_verb(const char *text, void *ret);
