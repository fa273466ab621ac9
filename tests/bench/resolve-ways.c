// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * resolve-ways: how one finds whose a range is, by us and without us.
 *
 *   resolve, resolve-growth ──► [resolve-ways] ──► our stations, the bare ioctls, xfs_io, debugfs,
 * find
 *
 * "Bare" is GETFSMAP and bulkstat of each range, and no more: what is above it, is ours.
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
#include "owners/filesystem.h"
#include "owners/handle.h"
#include "owners/owners.h"
#include "resolve.h"
#include "measure.h"

/* What is over in less is asked again by the same process, which has its own pages then. */
#define QUICK_MSEC 1.0
#define N_QUICKEST 20u

/* ---- what is asked ---- */

void file_path(char *to, size_t n_bytes, const char *dir, uint64_t i)
{
	snprintf(to, n_bytes, "%s/%03" PRIu64 "/%03" PRIu64 "/%02" PRIu64, dir, i / 100000,
		 i / 100 % 1000, i % 100);
}

uint64_t sector_of(const char *path)
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

void bench_open(const char *dir, const char *device, uint64_t n_files, const char *label,
		struct bench *ret)
{
	struct bench b = { .dir = dir, .device = device, .n_files = n_files, .label = label };
	_cleanup_(closep) int fd = open(dir, O_RDONLY | O_CLOEXEC);
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
	*ret = b;
}

void bench_done(struct bench *b)
{
	free(b->sectors);
	mounts_free(b->mounts);
	close(b->proc_fd);
}

/* ---- the bare ioctls ---- */

size_t run_bare(const struct bench *b)
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
size_t run_unnamed(const struct bench *b)
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

size_t run_answer(const struct bench *b)
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
size_t run_list(const struct bench *b)
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

size_t run_with_hints(const struct bench *b)
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
size_t run_command(const struct bench *b)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "\"$BUILDDIR\"/hwpoisonctl resolve --device %s --sector %" PRIu64 " | tail -n +2",
		 b->device, b->sectors[0]);
	return run_shell(command);
}

/* Records are sorted, and so are the sectors that are looked for. */
size_t run_xfs_io(const struct bench *b)
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

size_t run_filefrag(const struct bench *b)
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
size_t run_debugfs(const struct bench *b)
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

static double msec_of(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

/* In the child. */
static void run_and_tell(const struct bench *b, size_t (*run)(const struct bench *b),
			 size_t n_times, struct told *ret)
{
	double each[N_QUICKEST], start;
	size_t n = 0;

	do {
		start = wall_msec();
		ret->n_found = run(b);
		each[n++] = wall_msec() - start;
	} while (n < N_QUICKEST && (n_times ? n < n_times : each[0] < QUICK_MSEC));
	/* The first was busy with getting memory. */
	ret->wall_msec = n > 1 ? median(each + 1, n - 1) : each[0];
}

void run_in_child(const struct bench *b, size_t (*run)(const struct bench *b), size_t n_times,
		  struct told *ret)
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
		run_and_tell(b, run, n_times, told);
		_exit(0);
	}
	if (pid < 0 || wait4(pid, &status, 0, &u) < 0 || status)
		die("child", -ECHILD);
	*ret = *told;
	ret->cpu_msec = msec_of(u.ru_utime) + msec_of(u.ru_stime);
	ret->peak_kib = (double)u.ru_maxrss;
	munmap(told, sizeof(*told));
}
