/* SPDX-License-Identifier: GPL-2.0-or-later */
/* strv: a NULL-terminated array of strings that owns them. NULL is an empty one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"

size_t strv_length(char *const *v);
bool strv_contains(char *const *v, const char *s);

/* Append a copy of s. 0, or -ENOMEM with *v as it was. */
int strv_push(char ***v, const char *s);

/* Append a copy of s unless it is there already. 1 added, 0 was there, or -ENOMEM. */
int strv_push_once(char ***v, const char *s);

char **strv_free(char **v); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(char **, strv_free);
