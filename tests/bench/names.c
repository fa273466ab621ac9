// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * names: how long it takes to name inodes, beside a plain pass over all directories.
 *
 *   names.sh ──► [names] ──► rows and claims, see measure.h
 *
 * The plain pass is the least that a search without an index can do: getdents64 on every directory,
 * an openat for each, and nothing else done with the entries. Each run is repeated, and the median
 * counts.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "cleanup.h"
#include "measure.h"
#include "owners/dcache.h"
#include "owners/handle.h"
#include "owners/inside.h"
#include "owners/names.h"
#include "owners/near.h"
#include "owners/parents.h"
#include "owners/paths.h"
#include "owners/wanted.h"

#define BUFFER_BYTES (32u << 10)
#define MAX_RUNS     31

struct inodes {
	uint64_t *all; /* of what is no directory */
	size_t n;
	bool keep;
};

static void keep_inode(struct inodes *i, uint64_t inode)
{
	if (!(i->n & (i->n - 1)))
		i->all = reallocarray(i->all, i->n ? 2 * i->n : 1, sizeof(*i->all));
	if (!i->all)
		die("inodes", -ENOMEM);
	i->all[i->n++] = inode;
}

/* Takes the fd. */
static void plain_pass(int fd, struct inodes *inodes)
{
	char *buffer = malloc(BUFFER_BYTES);
	ssize_t n;

	while (buffer && (n = getdents64(fd, buffer, BUFFER_BYTES)) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *e = (const void *)(buffer + at);

			at += e->d_reclen;
			if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
				continue;
			if (e->d_type == DT_DIR)
				plain_pass(openat(fd, e->d_name, O_RDONLY | O_DIRECTORY), inodes);
			else if (inodes->keep)
				keep_inode(inodes, e->d_ino);
			else
				inodes->n++;
		}
	}
	free(buffer);
	close(fd);
}

struct question {
	int fs_fd;
	const char *filesystem;
	const uint64_t *inodes;
	size_t n;
	size_t n_all; /* files that there are */
};

static int ask_plain(const struct question *q, const struct inside *in, struct wanted *wanted)
{
	struct inodes inodes = {};

	plain_pass(openat(q->fs_fd, ".", O_RDONLY | O_DIRECTORY), &inodes);
	return 0;
}

static int ask_all(const struct question *q, const struct inside *in, struct wanted *wanted)
{
	return names_find(in, "/", wanted);
}

static int ask_parents(const struct question *q, const struct inside *in, struct wanted *wanted)
{
	return parents_find(in, wanted);
}

static int ask_dcache(const struct question *q, const struct inside *in, struct wanted *wanted)
{
	return dcache_find(in, "/", wanted);
}

static int ask_near(const struct question *q, const struct inside *in, struct wanted *wanted)
{
	return near_find(in, "/", wanted);
}

static int ask_pass(const struct question *q, const struct inside *in, struct wanted *wanted)
{
	return paths_scan(in, wanted);
}

static const struct {
	const char *name;
	int (*ask)(const struct question *q, const struct inside *in, struct wanted *wanted);
} ways[] = {
	{ "plain-getdents", ask_plain }, { "names", ask_all }, { "parents", ask_parents },
	{ "dcache", ask_dcache },	 { "near", ask_near }, { "pass", ask_pass },
};

#define N_WAYS (sizeof(ways) / sizeof(*ways))

static void drop_caches(const char *what)
{
	_cleanup_(fclosep) FILE *f = fopen("/proc/sys/vm/drop_caches", "w");

	sync();
	if (!f || fputs(what, f) < 0)
		die("drop_caches", -errno);
}

static void want(const struct question *q, struct wanted *wanted)
{
	for (size_t i = 0; i < q->n; i++) {
		struct inode_facts facts;
		struct wanted_inode *w;

		if (handle_inode(q->fs_fd, q->filesystem, q->inodes[i], &facts) < 0)
			die("inode", -ENOENT);
		w = wanted_add(wanted, q->inodes[i]);
		if (!w)
			die("wanted", -ENOMEM);
		w->generation = facts.generation;
		w->n_names = facts.n_links;
	}
}

/* Microseconds, or -1: this way does not exist here. */
static double run_once(const struct question *q, size_t way, const char *drop, size_t *ret_missing)
{
	_cleanup_(wanted_done) struct wanted wanted = {};
	_cleanup_(inside_done) struct inside in = {};
	double begun;
	int r;

	want(q, &wanted);
	if (*drop)
		drop_caches(drop);
	begun = wall_msec() * 1000;
	r = inside_open(q->fs_fd, q->filesystem, &in);
	if (r >= 0)
		r = ways[way].ask(q, &in, &wanted);
	if (r == -EOPNOTSUPP)
		return -1;
	if (r < 0)
		die(ways[way].name, r);
	*ret_missing = wanted_n_missing(&wanted);
	return wall_msec() * 1000 - begun;
}

struct figures {
	double msec[MAX_RUNS];
	double x_plain[MAX_RUNS]; /* of the same round */
	size_t n_missing;
	bool exists;
};

/* The ways take turns: what else the machine does is in all of them. */
static void measure(const struct question *q, const char *drop, int n_runs, struct figures *all)
{
	for (size_t way = 0; way < N_WAYS; way++)
		all[way].exists = true;
	for (int i = 0; i < n_runs; i++) {
		for (size_t way = 0; way < N_WAYS; way++) {
			struct figures *f = &all[way];
			double usec = f->exists ? run_once(q, way, drop, &f->n_missing) : -1;

			f->exists = usec >= 0;
			f->msec[i] = usec / 1000;
			f->x_plain[i] = f->msec[i] / all[0].msec[i];
		}
	}
}

static void print_way(const struct question *q, const char *label, size_t way, const char *state,
		      struct figures *f, int n_runs)
{
	struct json_object *row;
	char name[128];

	snprintf(name, sizeof(name), "%s, %zu wanted, %s, %s", label, q->n, ways[way].name, state);
	row = row_new("names", name);
	row_put(row, "wall_msec", median(f->msec, (size_t)n_runs));
	if (way) {
		row_put(row, "wall_x_plain", median(f->x_plain, (size_t)n_runs));
		row_put(row, "unnamed", (double)f->n_missing);
	}
	row_print(row);
}

static void run_all(const struct question *q, const char *label, const char *state,
		    const char *drop, int n_runs)
{
	struct figures all[N_WAYS] = {};
	char claim[160];

	measure(q, drop, n_runs, all);
	for (size_t way = 0; way < N_WAYS; way++) {
		if (!all[way].exists)
			continue;
		print_way(q, label, way, state, &all[way], n_runs);
		/* Where each is wanted, each is looked at, and a plain pass looks at none. */
		if (ways[way].ask != ask_all || q->n * 16 > q->n_all)
			continue;
		snprintf(claim, sizeof(claim), "%s, %zu wanted, %s: %s a plain pass", label, q->n,
			 state, *drop ? "level with" : "below");
		claim_at_most("names", claim, median(all[way].x_plain, (size_t)n_runs),
			      *drop ? 1.2 : 1.0);
	}
}

static const char *filesystem_of(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == EXT4_SUPER_MAGIC ? "ext4" : "xfs";
}

/* n different ones, by the seed. */
static void shuffle(struct inodes *inodes, size_t n, unsigned seed)
{
	srandom(seed);
	for (size_t i = 0; i < n; i++) {
		size_t other = i + (size_t)random() % (inodes->n - i);
		uint64_t inode = inodes->all[i];

		inodes->all[i] = inodes->all[other];
		inodes->all[other] = inode;
	}
}

int main(int argc, char **argv)
{
	struct inodes inodes = { .keep = true };
	struct question q = {};
	int n_runs;

	if (argc != 6) {
		fprintf(stderr, "usage: names LABEL MOUNTPOINT N_WANTED SEED N_RUNS\n");
		return 2;
	}
	n_runs = atoi(argv[5]);
	q.fs_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (q.fs_fd < 0 || n_runs < 1 || n_runs > MAX_RUNS)
		die(argv[2], -errno);
	q.filesystem = filesystem_of(q.fs_fd);
	plain_pass(openat(q.fs_fd, ".", O_RDONLY | O_DIRECTORY), &inodes);
	q.n = strtoull(argv[3], NULL, 10);
	if (!q.n || q.n > inodes.n)
		die("N_WANTED", -EINVAL);
	shuffle(&inodes, q.n, (unsigned)atoi(argv[4]));
	q.inodes = inodes.all;
	q.n_all = inodes.n;

	run_all(&q, argv[1], "cold", "3", n_runs);
	run_all(&q, argv[1], "names forgotten", "2", n_runs);
	run_all(&q, argv[1], "warm", "", n_runs);
	free(inodes.all);
	return 0;
}
