/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan_how: how far to go in search of an owner, and whom to tell of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct scan_how {
	bool at_once; /* only what is quick: not all inodes */
	const char *hints_directory; /* NULL: begin anew each time, and leave nothing behind */
	void (*progress)(uint64_t n_done, uint64_t n_total, void *userdata); /* inodes; or NULL */
	void *userdata;
};
