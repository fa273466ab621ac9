// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hits: which processes touch which targets, whoever found it out.
 *
 *   proc-scan, bpf-walk -> [hits] -> holders
 *
 * In:   mappings and open files, one by one, nearly in order of pid.
 * Out:  the same by process, bounded.
 *
 * A hit says pid and start time, and nothing else about the process: describing it is a step of
 * its own, which finds out whether it is still the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "holders/hits.h"

#define MAX_MAPPINGS 1024u
#define FEW_HITS     64u /* so many are compared one by one */

enum {
	TELLS_READ = 1,
	TELLS_WRITE = 2,
	TELLS_BITS = 2
};

/* Whoever can write can read, so that the one tells the other as well. */
static unsigned char what_it_tells(const struct hit *hit)
{
	unsigned char tells = hit->writable ? TELLS_READ | TELLS_WRITE : TELLS_READ;

	return hit->mapped ? (unsigned char)(tells << TELLS_BITS) : tells;
}

static bool is_told(const struct process_hits *p, const struct hit *hit)
{
	unsigned char tells = what_it_tells(hit), told = 0;

	if (p->told)
		return (p->told[hit->target] & tells) == tells;
	for (size_t i = 0; i < p->n; i++)
		if (p->all[i].target == hit->target)
			told |= what_it_tells(&p->all[i]);
	return (told & tells) == tells;
}

static int remember(struct process_hits *p, const struct hit *hit, size_t n_targets)
{
	if (!p->told && p->n >= FEW_HITS) {
		p->told = calloc(n_targets, sizeof(*p->told));
		if (!p->told)
			return -ENOMEM;
		for (size_t i = 0; i < p->n; i++)
			p->told[p->all[i].target] |= what_it_tells(&p->all[i]);
	}
	if (p->told)
		p->told[hit->target] |= what_it_tells(hit);
	return 0;
}

struct process_hits *hits_of_process(struct hits *h, pid_t pid, uint64_t start_ticks)
{
	size_t low = 0, high = h->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (h->all[middle].pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < h->n && h->all[low].pid == pid)
		return &h->all[low];
	if (!(h->n & (h->n - 1))) {
		struct process_hits *grown = reallocarray(h->all, h->n ? 2 * h->n : 1,
							  sizeof(*grown));

		if (!grown)
			return NULL;
		h->all = grown;
	}
	memmove(&h->all[low + 1], &h->all[low], (h->n - low) * sizeof(*h->all));
	h->all[low] = (struct process_hits){ .pid = pid, .start_ticks = start_ticks };
	h->n++;
	return &h->all[low];
}

int hits_add(struct hits *h, struct hit hit)
{
	struct process_hits *p = hits_of_process(h, hit.pid, hit.start_ticks);

	if (!p)
		return -ENOMEM;
	if (hit.start_ticks != p->start_ticks) /* the pid changed hands: who is first, is asked */
		return 0;
	if ((!hit.mapped || p->n_mappings >= MAX_MAPPINGS) && is_told(p, &hit))
		return 0;
	if (remember(p, &hit, h->n_targets) < 0)
		return -ENOMEM;
	if (!(p->n & (p->n - 1))) {
		struct hit *grown = reallocarray(p->all, p->n ? 2 * p->n : 1, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		p->all = grown;
	}
	p->all[p->n++] = hit;
	p->n_mappings += hit.mapped;
	return 0;
}

void hits_clear(struct hits *h)
{
	for (size_t i = 0; i < h->n; i++) {
		free(h->all[i].all);
		free(h->all[i].told);
	}
	free(h->all);
	h->all = NULL;
	h->n = 0;
}

void hits_done(struct hits *h)
{
	hits_clear(h);
	*h = (struct hits){};
}
