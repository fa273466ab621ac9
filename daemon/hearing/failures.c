// SPDX-License-Identifier: GPL-2.0-or-later
/* failures: see failures.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "hearing/failures.h"

#define N_RUNS	  256u
#define N_AT_ONCE 64u

struct failures {
	failures_tell tell;
	void *userdata;
	struct failure_run runs[N_RUNS];
	size_t n_runs, last; /* most often the next page goes where the last one went */
	unsigned n_at_once;
	bool in_period;
};

struct failures *failures_new(failures_tell tell, void *userdata)
{
	struct failures *f = calloc(1, sizeof(*f));

	assert(tell);
	if (!f)
		return NULL;
	f->tell = tell;
	f->userdata = userdata;
	return f;
}

struct failures *failures_free(struct failures *f)
{
	if (!f)
		return NULL;
	while (failures_flush(f))
		;
	free(f);
	return NULL;
}

static struct failure_run make_run(const struct failure_case *c)
{
	struct failure_run run = { { c->phys_start, PAGE_BYTES }, 1, "", "" };

	memcpy(run.page_type, c->page_type, sizeof(run.page_type));
	memcpy(run.result, c->result, sizeof(run.result));
	return run;
}

static bool met_the_same(const struct failure_run *a, const struct failure_run *b)
{
	return !strcmp(a->page_type, b->page_type) && !strcmp(a->result, b->result);
}

/* Grown by what lies in it or next to it. */
static bool join(struct failure_run *run, const struct failure_run *new)
{
	uint64_t start = run->phys.start_bytes, end = range_end(run->phys);

	if (new->phys.start_bytes > end || range_end(new->phys) < start || !met_the_same(run, new))
		return false;
	if (new->phys.start_bytes < start)
		start = new->phys.start_bytes;
	if (range_end(new->phys) > end)
		end = range_end(new->phys);
	run->phys = (struct range){ start, end - start };
	run->n += new->n;
	return true;
}

/* What met the same end as the oldest run, together with it. Runs that grew towards each other are
 * still two: none is told twice, that is all. */
static void tell_some(struct failures *f)
{
	struct failure_run together[FAILURES_TOGETHER];
	size_t n_together = 0, n_left = 0;

	for (size_t i = 0; i < f->n_runs; i++)
		if (n_together < FAILURES_TOGETHER &&
		    (!n_together || met_the_same(&together[0], &f->runs[i])))
			together[n_together++] = f->runs[i];
		else
			f->runs[n_left++] = f->runs[i];
	f->n_runs = n_left;
	f->tell(together, n_together, NULL, f->userdata);
}

static void add(struct failures *f, const struct failure_run *new)
{
	if (f->last < f->n_runs && join(&f->runs[f->last], new))
		return;
	for (size_t i = 0; i < f->n_runs; i++)
		if (join(&f->runs[i], new)) {
			f->last = i;
			return;
		}
	/* Some make way: all at once would keep others waiting. */
	if (f->n_runs == N_RUNS)
		tell_some(f);
	f->last = f->n_runs;
	f->runs[f->n_runs++] = *new;
}

bool failures_take(struct failures *f, const struct failure_case *c)
{
	struct failure_run new = make_run(c);
	bool begins = !f->in_period;

	if (begins)
		f->n_at_once = 0;
	f->in_period = true;
	if (f->n_at_once < N_AT_ONCE) {
		f->n_at_once++;
		f->tell(&new, 1, c, f->userdata);
	} else {
		add(f, &new);
	}
	return begins;
}

bool failures_flush(struct failures *f)
{
	if (f->n_runs)
		tell_some(f);
	f->in_period = f->n_runs > 0;
	return f->in_period;
}
