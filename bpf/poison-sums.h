/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * poison-sums: corrected errors are counted where they happen.
 *
 *   bpf/poison.bpf.c -> [a table, in memory of both] -> daemon/source/kernel-sums.c
 *
 * A storm has a million of them, nearly all of pages that were heard of before: a record for each
 * would fill the ring. The first of each page is one; those that follow are added up here.
 *
 * The kernel side only adds to n, and user space only exchanges it for 0, so each error is taken
 * once, whoever is at it meanwhile. A sum that nothing was added to for a period is free for another
 * page; an error that comes to it in that very moment is counted all the same.
 */
#ifndef HWPOISOND_POISON_SUMS_H
#define HWPOISOND_POISON_SUMS_H

#include <linux/types.h>

#include "bpf/poison.h"

/* Powers of two. */
#define POISON_N_PAGE_SUMS 512u
#define POISON_N_DIMM_SUMS 64u

#define POISON_SUM_PROBES 8u

enum poison_sum_state {
	POISON_SUM_FREE,
	POISON_SUM_CLAIMED,	/* its key is being written */
	POISON_SUM_QUIET,	/* the next error is to be told */
	POISON_SUM_COUNTING,	/* one was told: the next ones are counted */
};

struct poison_sum {
	__u64 n;		/* errors since it was last taken */
	__u64 phys_start;	/* of the page; 0: not known, or of many */
	__u32 controller;
	__u32 state;		/* enum poison_sum_state */
	char label[POISON_LABEL_BYTES]; /* with zeros to its end */
};

struct poison_sums {
	struct poison_sum pages[POISON_N_PAGE_SUMS];
	struct poison_sum dimms[POISON_N_DIMM_SUMS]; /* of pages for which there is no room */
};

static inline __attribute__((always_inline)) __u64 poison_sum_word(const struct poison_sum *sum,
								   unsigned i)
{
	__u64 word;

	__builtin_memcpy(&word, sum->label + i * sizeof(word), sizeof(word));
	return word;
}

#define POISON_LABEL_WORDS (POISON_LABEL_BYTES / sizeof(__u64))

static inline __attribute__((always_inline)) __u32 poison_sum_hash(const struct poison_sum *key)
{
	__u64 hash = key->phys_start ^ key->controller;

	for (unsigned i = 0; i < POISON_LABEL_WORDS; i++)
		hash = (hash ^ hash >> 29 ^ poison_sum_word(key, i)) * 0x9e3779b97f4a7c15ull;
	return (__u32)(hash >> 32);
}

/* All words, without a way out for each: the verifier follows every way there is. */
static inline __attribute__((always_inline)) int poison_sum_is(const struct poison_sum *sum,
							       const struct poison_sum *key)
{
	__u64 differ = sum->phys_start ^ key->phys_start;

	differ |= sum->controller ^ key->controller;
	for (unsigned i = 0; i < POISON_LABEL_WORDS; i++)
		differ |= poison_sum_word(sum, i) ^ poison_sum_word(key, i);
	return !differ && *(const volatile __u32 *)&sum->state >= POISON_SUM_QUIET;
}

static inline __attribute__((always_inline)) int
poison_sum_change(struct poison_sum *sum, enum poison_sum_state from, enum poison_sum_state to)
{
	return __sync_val_compare_and_swap(&sum->state, (__u32)from, (__u32)to) == (__u32)from;
}

/*
 * The sum of this key (phys_start, controller and label of it count), a free one if there is none
 * yet; NULL: no room. Two processors that begin with a page at once can have a sum each.
 */
static inline __attribute__((always_inline)) struct poison_sum *
poison_sum_find(struct poison_sum *sums, unsigned n_sums, const struct poison_sum *key)
{
	__u32 hash = poison_sum_hash(key);

	for (unsigned i = 0; i < POISON_SUM_PROBES; i++) {
		struct poison_sum *sum = &sums[(hash + i) & (n_sums - 1)];

		if (poison_sum_is(sum, key))
			return sum;
	}
	for (unsigned i = 0; i < POISON_SUM_PROBES; i++) {
		struct poison_sum *sum = &sums[(hash + i) & (n_sums - 1)];

		if (!poison_sum_change(sum, POISON_SUM_FREE, POISON_SUM_CLAIMED))
			continue;
		sum->phys_start = key->phys_start;
		sum->controller = key->controller;
		__builtin_memcpy(sum->label, key->label, sizeof(sum->label));
		poison_sum_change(sum, POISON_SUM_CLAIMED, POISON_SUM_QUIET);
		return sum;
	}
	return 0;
}

static inline __attribute__((always_inline)) void poison_sum_add(struct poison_sum *sum, __u64 n)
{
	__sync_fetch_and_add(&sum->n, n);
}

#endif
