/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel-page: the program that looks at a page when memory_failure() takes it. Optional. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "bpf/poison.h"
#include "cleanup.h"
#include "page.h"

struct btf;
struct page_source;

/*
 * Load and attach what this kernel lets us; ring_fd is that of the other programs and stays the
 * caller's. 0; or negative errno with *ret_reason a static sentence.
 */
int page_source_new(const struct btf *btf, int ring_fd, struct page_source **ret,
		    const char **ret_reason);
struct page_source *page_source_free(struct page_source *p); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct page_source *, page_source_free);

uint64_t page_source_n_lost(const struct page_source *p);

/* Before 6.7, and where that was not taken over, the index of a hugetlb page counts huge pages. */
bool page_index_is_huge(const struct btf *btf);

/* A record as facts. 0, or -EOVERFLOW: no such place can be. */
int page_facts_read(const struct poison_page *raw, bool index_is_huge, struct page_facts *ret);

/* The names of a record as a path; "" where they do not reach the root. */
void page_name_read(const struct poison_names *raw, char ret[static PAGE_NAME_BYTES]);
