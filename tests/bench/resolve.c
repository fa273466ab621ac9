// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * resolve: how long does it take to find whose a range is?
 *
 *   resolve.sh ──► [resolve] ──► our stations, the bare ioctls, xfs_io, debugfs, find ──► rows
 *
 * "Bare" is GETFSMAP and bulkstat of each range, and no more: what is above it, is ours. Each way
 * runs in a process of its own, so that its peak memory is its own, and the ways take turns. What
 * takes less than a millisecond is asked again there, and the median counts; the CPU time is that
 * of the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fsmap.h>

#include "control/lookup.h"
#include "measure.h"
#include "owners/filesystem.h"
#include "owners/handle.h"
#include "owners/owners.h"

#define MANY_RANGES 1000u

/* A DIMM that fails: asked about where the filesystem has a reverse map and as many files. */
#define MAX_RANGES 100000u
#define N_ROUNDS   15u

/* What is over in less is asked again by the same process, which has its own pages then. */
#define QUICK_MSEC 1.0
#define N_QUICKEST 20u

static const char usage[] =
	"usage: resolve fill DIR N_FILES | resolve measure DIR DISK N_FILES LABEL\n";

struct bench {
	const char *dir;
	const char *disk; /* "loop0" */
	const char *label;
	const char *device; /* "/dev/loop0" */
	dev_t dev; /* of the filesystem, which sysfs tells us otherwise */
	uint64_t n_files;
	bool is_xfs;
	bool has_map;
	size_t n; /* of ranges, this time */
	uint64_t *sectors; /* at least as many */
	int proc_fd;
	struct mounts *mounts;
	char bad[64]; /* a file of them, for those who are not us */
};

static void file_path(char *to, size_t n_bytes, const char *dir, uint64_t i)
{
	snprintf(to, n_bytes, "%s/%03" PRIu64 "/%03" PRIu64 "/%02" PRIu64, dir, i / 100000,
		 i / 100 % 1000, i % 100);
}

/* ---- files of one block, a hundred to a directory ---- */

static void make_directories(const char *dir, uint64_t i)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%03" PRIu64, dir, i / 100000);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%03" PRIu64 "/%03" PRIu64, dir, i / 100000,
		 i / 100 % 1000);
	mkdir(path, 0755);
}

static int fill(const char *dir, uint64_t n_files)
{
	static char block[4096] = "a file of one block";

	for (uint64_t i = 0; i < n_files; i++) {
		_cleanup_(closep) int fd = -1;
		char path[4096];

		if (i % 100 == 0)
			make_directories(dir, i);
		file_path(path, sizeof(path), dir, i);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0 || write(fd, block, sizeof(block)) != sizeof(block))
			die(path, -errno);
	}
	sync();
	return 0;
}

/* ---- which ranges ---- */

static uint64_t sector_of(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct {
		struct fiemap head;
		struct fiemap_extent extent;
	} map = { .head = { .fm_length = ~UINT64_C(0),
			    .fm_flags = FIEMAP_FLAG_SYNC,
			    .fm_extent_count = 1 } };

	if (fd < 0 || ioctl(fd, FS_IOC_FIEMAP, &map) < 0 || map.head.fm_mapped_extents != 1)
		die(path, -errno);
	return map.extent.fe_physical / SECTOR_BYTES;
}

static bool asks_all(const struct bench *b)
{
	return b->has_map && b->n_files >= MAX_RANGES;
}

static void choose(struct bench *b)
{
	size_t n = asks_all(b) ? MAX_RANGES : MANY_RANGES;
	char path[4096];
	FILE *f;

	b->sectors = calloc(n, sizeof(*b->sectors));
	if (!b->sectors)
		die("sectors", -ENOMEM);
	srandom(1);
	for (size_t i = 0; i < n; i++) {
		file_path(path, sizeof(path), b->dir, (uint64_t)random() % b->n_files);
		b->sectors[i] = sector_of(path) + (uint64_t)random() % 8;
	}
	snprintf(b->bad, sizeof(b->bad), "/tmp/hwpoisond-bench-%d", (int)getpid());
	f = fopen(b->bad, "we");
	if (!f)
		die(b->bad, -errno);
	fclose(f);
}

static void write_bad(const struct bench *b)
{
	FILE *f = fopen(b->bad, "we");

	for (size_t i = 0; f && i < b->n; i++)
		fprintf(f, "%" PRIu64 "\n", b->sectors[i]);
	if (!f || fclose(f))
		die(b->bad, -errno);
}

/* ---- the bare ioctls ---- */

static size_t run_bare(const struct bench *b)
{
	struct {
		struct fsmap_head head;
		struct fsmap records[8];
	} q;
	_cleanup_(closep) int fd = open(b->dir, O_RDONLY | O_CLOEXEC);
	struct inode_facts facts;
	size_t n_found = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(b->dir, -errno);
	for (size_t i = 0; i < b->n; i++) {
		memset(&q.head, 0, sizeof(q.head));
		q.head.fmh_count = 8;
		q.head.fmh_keys[0].fmr_device = q.head.fmh_keys[1].fmr_device = (uint32_t)st.st_dev;
		q.head.fmh_keys[0].fmr_physical = b->sectors[i] * SECTOR_BYTES;
		q.head.fmh_keys[1].fmr_physical = b->sectors[i] * SECTOR_BYTES + SECTOR_BYTES - 1;
		q.head.fmh_keys[1].fmr_owner = q.head.fmh_keys[1].fmr_offset = UINT64_MAX;
		q.head.fmh_keys[1].fmr_flags = UINT32_MAX;
		if (ioctl(fd, FS_IOC_GETFSMAP, &q) < 0)
			die("GETFSMAP", -errno);
		for (uint32_t k = 0; k < q.head.fmh_entries; k++)
			if (!(q.records[k].fmr_flags & FMR_OF_SPECIAL_OWNER) &&
			    handle_inode(fd, "xfs", q.records[k].fmr_owner, &facts) == 0)
				n_found++;
	}
	return n_found;
}

/* ---- ours ---- */

static struct incident **make_incidents(const struct bench *b)
{
	struct incident **all = calloc(b->n, sizeof(struct incident *));

	for (size_t i = 0; all && i < b->n; i++) {
		all[i] = incident_new((struct range){ b->sectors[i] * SECTOR_BYTES, SECTOR_BYTES },
				      0);
		if (!all[i] || string_set(&all[i]->device.blockdev, b->disk) < 0)
			die("incident", -ENOMEM);
		all[i]->device.sector = b->sectors[i];
		all[i]->device.n_sectors = 1;
		all[i]->owners_complete = true;
	}
	return all;
}

/* And done with them. */
static size_t count_found(struct incident **all, size_t n, bool named)
{
	size_t n_found = 0;

	for (size_t i = 0; i < n; i++) {
		if (all[i]->owners_complete && all[i]->n_owners == 1 && all[i]->owners[0].inode &&
		    (!named || all[i]->owners[0].paths))
			n_found++;
		incident_free(all[i]);
	}
	free(all);
	return n_found;
}

/* As the bare ioctls: inode, generation, offset; where it is mounted is known, and no names. */
static size_t run_unnamed(const struct bench *b)
{
	struct incident **all = make_incidents(b);
	struct filesystem fs;

	if (filesystem_find(b->proc_fd, b->mounts, b->dev, &fs) <= 0)
		die(b->dir, -ENODEV);
	for (size_t i = 0; i < b->n; i++)
		if (filesystem_ask(&fs, 0, all[i]->phys, all[i]) < 0)
			die("ask", -EIO);
	if (filesystem_answer(&fs) < 0)
		die("answer", -EIO);
	filesystem_done(&fs);
	return count_found(all, b->n, false);
}

static size_t run_answer(const struct bench *b)
{
	struct incident **all = make_incidents(b);
	int r = owners_find(all, b->n, NULL);

	if (r < 0)
		die("owners", r);
	return count_found(all, b->n, true);
}

static int count_answer(struct json_object *range, void *userdata)
{
	struct json_object *owners = json_object_object_get(range, "owners");

	if (json_object_array_length(owners) == 1 &&
	    json_object_object_get(json_object_array_get_idx(owners, 0), "paths"))
		(*(size_t *)userdata)++;
	return 0;
}

/* As hwpoisonctl has them of a list, without writing them down. */
static size_t run_list(const struct bench *b)
{
	_cleanup_(freep) struct lookup_question *all = calloc(b->n, sizeof(*all));
	const struct scan_how how = {};
	size_t n_found = 0;

	for (size_t i = 0; all && i < b->n; i++)
		all[i].what = (struct lookup_range){ .device = b->device,
						     .sector = b->sectors[i],
						     .n_sectors = 1 };
	if (!all || lookup_resolve_all(all, b->n, &how, count_answer, &n_found) < 0)
		die("list", -EIO);
	return n_found;
}

static size_t run_with_hints(const struct bench *b)
{
	struct scan_how how = { .hints_directory = getenv("HINTS") };
	struct incident **all = make_incidents(b);
	int r = owners_find(all, b->n, &how);

	if (r < 0)
		die("owners", r);
	return count_found(all, b->n, true);
}

/* ---- others ---- */

static size_t run_shell(const char *command)
{
	_cleanup_(freep) char *line = NULL;
	size_t capacity = 0, n_found = 0;
	FILE *f = popen(command, "re");

	while (f && getline(&line, &capacity, f) > 0)
		n_found++;
	if (!f || pclose(f) < 0)
		die(command, -errno);
	return n_found;
}

/* The whole of it, as an administrator waits for it: one line names the device, and one the file.
 */
static size_t run_command(const struct bench *b)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "\"$BUILDDIR\"/hwpoisonctl resolve --device %s --sector %" PRIu64 " | tail -n +2",
		 b->device, b->sectors[0]);
	return run_shell(command);
}

/* Records are sorted, and so are the sectors that are looked for. */
static size_t run_xfs_io(const struct bench *b)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "sort -n %s -o %s; xfs_io -r -c fsmap %s | awk -v BAD=%s '"
		 "BEGIN { while ((getline s < BAD) > 0) bad[n++] = s }"
		 "{ split($3, r, /[[.\\]]+/); while (i < n && bad[i] < r[2]) i++;"
		 "  for (k = i; k < n && bad[k] <= r[3] + 0; k++) print bad[k], $0 }'",
		 b->bad, b->bad, b->dir, b->bad);
	return run_shell(command);
}

static size_t run_filefrag(const struct bench *b)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "find %s -xdev -type f -exec filefrag -v {} + | awk -v BAD=%s '"
		 "BEGIN { while ((getline s < BAD) > 0) bad[int(s / 8)]++ }"
		 "/^File size of/ { file = $4 }"
		 "$1 ~ /^[0-9]+:$/ { first = $4 + 0; last = $5 + 0;"
		 "  for (k = first; k <= last; k++) while (bad[k]-- > 0) print file }'",
		 b->dir, b->bad);
	return run_shell(command);
}

/* icheck for the inodes, ncheck for the names. */
static size_t run_debugfs(const struct bench *b)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "inodes=$({ printf icheck; awk '{ printf \" %%d\", $1 / 8 }' %s; echo; } |"
		 "debugfs -f - %s 2>/dev/null | awk '$1 ~ /^[0-9]+$/ { printf \" %%s\", $2 }');"
		 "echo ncheck $inodes | debugfs -f - %s 2>/dev/null | grep '^[0-9]'",
		 b->bad, b->device, b->device);
	return run_shell(command);
}

/* ---- measuring ---- */

struct way {
	const char *name;
	size_t (*run)(const struct bench *b);
	bool xfs_only, ext4_only;
	bool needs_map;
	bool no_map_only;
	bool one_only;
};

static const struct way ways[] = {
	{ "the bare ioctls", run_bare, .xfs_only = true, .needs_map = true },
	{ "ours, without names", run_unnamed, .xfs_only = true, .needs_map = true },
	{ "ours", run_answer },
	{ "ours, as a list", run_list, .needs_map = true },
	{ "ours, with hints of an earlier search", run_with_hints, .no_map_only = true },
	{ "hwpoisonctl resolve", run_command, .needs_map = true, .one_only = true },
	{ "xfs_io fsmap, awk", run_xfs_io, .xfs_only = true, .needs_map = true },
	{ "debugfs icheck, ncheck", run_debugfs, .ext4_only = true },
	{ "find, filefrag, awk", run_filefrag },
};

#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

struct figures {
	double wall_msec[N_ROUNDS];
	double cpu_msec[N_ROUNDS];
	size_t n_rounds;
	double peak_kib;
	size_t n_found;
};

static double msec_of(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

struct told {
	size_t n_found;
	double wall_msec;
};

/* In the child. */
static void run_and_tell(const struct bench *b, const struct way *way, struct told *ret)
{
	double each[N_QUICKEST], start;
	size_t n = 0;

	do {
		start = wall_msec();
		ret->n_found = way->run(b);
		each[n++] = wall_msec() - start;
	} while (n < N_QUICKEST && each[0] < QUICK_MSEC);
	/* The first was busy with getting memory. */
	ret->wall_msec = n > 1 ? median(each + 1, n - 1) : each[0];
}

/* In a child, which tells how many it found, and how long that took. */
static void run_once(const struct bench *b, const struct way *way, struct figures *ret)
{
	struct told *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct rusage u;
	int status;
	pid_t pid;

	if (told == MAP_FAILED)
		die("mmap", -errno);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		run_and_tell(b, way, told);
		_exit(0);
	}
	if (pid < 0 || wait4(pid, &status, 0, &u) < 0 || status)
		die(way->name, -ECHILD);
	ret->wall_msec[ret->n_rounds] = told->wall_msec;
	ret->cpu_msec[ret->n_rounds++] = msec_of(u.ru_utime) + msec_of(u.ru_stime);
	ret->n_found = told->n_found;
	if ((double)u.ru_maxrss > ret->peak_kib)
		ret->peak_kib = (double)u.ru_maxrss;
	munmap(told, sizeof(*told));
}

static bool applies(const struct bench *b, const struct way *way)
{
	return !(way->xfs_only && !b->is_xfs) && !(way->ext4_only && b->is_xfs) &&
	       !(way->needs_map && !b->has_map) && !(way->no_map_only && b->has_map) &&
	       !(way->one_only && b->n > 1);
}

static void print_way(const struct bench *b, const struct way *way, struct figures *f)
{
	char name[128];
	struct json_object *row;

	snprintf(name, sizeof(name), "%s, %zu of %" PRIu64 " files: %s", b->label, b->n, b->n_files,
		 way->name);
	row = row_new("resolve", name);
	row_put(row, "wall_msec", median(f->wall_msec, f->n_rounds));
	row_put(row, "cpu_msec", median(f->cpu_msec, f->n_rounds));
	row_put(row, "peak_kib", f->peak_kib);
	row_put(row, "n_found", (double)f->n_found);
	row_print(row);
}

/* Of rounds, in which the two took turns: the machine's load is in both. */
static double median_ratio(const struct figures *ours, const struct figures *theirs)
{
	size_t n = ours->n_rounds < theirs->n_rounds ? ours->n_rounds : theirs->n_rounds;
	double ratios[N_ROUNDS];

	for (size_t i = 0; i < n; i++)
		ratios[i] = ours->wall_msec[i] / theirs->wall_msec[i];
	return median(ratios, n);
}

static void claim(const struct bench *b, const struct figures *all)
{
	char what[128];

	snprintf(what, sizeof(what), "%s, %zu of %" PRIu64 " files", b->label, b->n, b->n_files);
	if (b->has_map) {
		strncat(what, ": our wall time, in those of the bare ioctls", 50);
		claim_at_most("resolve", what, median_ratio(&all[1], &all[0]), 1.2);
		snprintf(what, sizeof(what),
			 "%s, %zu of %" PRIu64 " files: MiB of memory, as a list", b->label, b->n,
			 b->n_files);
		claim_at_most("resolve", what, all[3].peak_kib / 1024, 20.0);
	} else if (!b->is_xfs) {
		strncat(what, ": our wall time, in those of icheck and ncheck", 50);
		claim_at_most("resolve", what, median_ratio(&all[2], &all[7]), 1.0);
	}
}

/* What takes seconds is not taken many times. */
static bool is_enough(const struct figures *f)
{
	double total = 0;

	for (size_t i = 0; i < f->n_rounds; i++)
		total += f->wall_msec[i];
	return total > 3000;
}

static void measure(struct bench *b, size_t n_ranges)
{
	struct figures all[N_WAYS] = {};

	b->n = n_ranges;
	write_bad(b);
	for (unsigned round = 0; round < N_ROUNDS; round++)
		for (size_t w = 0; w < N_WAYS; w++)
			if (applies(b, &ways[w]) && !is_enough(&all[w]))
				run_once(b, &ways[w], &all[w]);
	claim(b, all); /* the medians of the rows sort the rounds */
	for (size_t w = 0; w < N_WAYS; w++)
		if (all[w].n_rounds)
			print_way(b, &ways[w], &all[w]);
}

static int measure_all(const char *dir, const char *device, uint64_t n_files, const char *label)
{
	_cleanup_(closep) int fd = open(dir, O_RDONLY | O_CLOEXEC);
	struct bench b = { .dir = dir, .device = device, .n_files = n_files, .label = label };
	struct fsmap_view view;
	int r;

	b.disk = strrchr(device, '/') ? strrchr(device, '/') + 1 : device;
	r = fd < 0 ? -errno : fsmap_open(fd, &view);
	if (r >= 0)
		r = fsmap_learn(&view);
	if (r < 0)
		die(dir, r);
	b.dev = view.dev;
	b.is_xfs = !strcmp(view.filesystem, "xfs");
	b.has_map = view.names_owners;
	b.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = b.proc_fd < 0 ? -errno : mounts_read(b.proc_fd, &b.mounts);
	if (r < 0)
		die("/proc", r);
	choose(&b);
	measure(&b, 1);
	measure(&b, MANY_RANGES);
	if (asks_all(&b))
		measure(&b, MAX_RANGES);
	free(b.sectors);
	mounts_free(b.mounts);
	close(b.proc_fd);
	unlink(b.bad);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "fill"))
		return fill(argv[2], strtoull(argv[3], NULL, 0));
	if (argc == 6 && !strcmp(argv[1], "measure"))
		return measure_all(argv[2], argv[3], strtoull(argv[4], NULL, 0), argv[5]);
	fputs(usage, stderr);
	return 2;
}
