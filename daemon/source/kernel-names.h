/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel-names: the constants of an enum, as the kernel that runs numbers them. */
#pragma once

#include <stddef.h>

#define KERNEL_MAX_NAMES 64

struct btf;

struct kernel_names {
	struct {
		int value;
		char text[32];
	} names[KERNEL_MAX_NAMES];
	size_t n;
};

/* MF_MSG_DIRTY_LRU -> "dirty-lru". An enum that is not there leaves the table empty. */
void kernel_names_read(const struct btf *btf, const char *enum_name, const char *prefix,
		       struct kernel_names *ret);
const char *kernel_name_of(const struct kernel_names *names, int value); /* or "unknown" */
