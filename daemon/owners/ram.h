/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ram: who used a page of plain memory, and is anything lost with it?
 *
 *   correlate -> [ram] -> holders
 */
#pragma once

#include <stdbool.h>

#include "incident.h"
#include "page.h"

/*
 * Add the owner of the whole range by what the kernel called the page in the end, and by what it was
 * seen to be at first. Its names are not known then. 0 or -ENOMEM.
 */
int ram_add_owner(struct incident *in, const char *page_type, const struct page_facts *page);

/* A cached page's file that has a name somewhere, none of which is known. */
bool ram_wants_names(const struct incident *in);

/*
 * Name the files of all incidents in plain memory, each filesystem once. In a worker: directories
 * may be read. 0 or negative errno.
 */
int ram_name_owners(int proc_fd, struct incident **incidents, size_t n_incidents);
