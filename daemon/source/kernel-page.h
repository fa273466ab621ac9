/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel-page: what bpf/page.bpf.c has seen of a page. */
#pragma once

#include <stdbool.h>

#include "bpf/poison.h"
#include "page.h"

/*
 * A record as facts. index_is_huge: that of a hugetlb page counts huge pages, as before 6.7. 0, or
 * -EOVERFLOW: no such place can be.
 */
int page_facts_read(const struct poison_page *raw, bool index_is_huge, struct page_facts *ret);

/* The names of a record as a path; "" where they do not reach the root. */
void page_name_read(const struct poison_names *raw, char ret[static PAGE_NAME_BYTES]);
