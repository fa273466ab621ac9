/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config_files: the bytes of a configuration file, and which drop-ins belong to it. */
#pragma once

#include <stddef.h>

#include "strv.h"

/* The whole file in memory, at most 1 MiB: -EFBIG. Also -EISDIR, -ENOENT, ... */
int config_file_read(const char *path, char **ret, size_t *ret_n_bytes);

/* PATH.d/ *.conf in order of their names, hidden ones left out; NULL: none. -E2BIG: over 1024. */
int config_files_dropins(const char *path, char ***ret);
