// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * near: names in the directories that lie near an inode.
 *
 *   names -> [near] -> handle, dcache
 *
 * In:   wanted inodes of an XFS, whose names the kernel has forgotten.
 * Out:  a name of each that was found.
 *
 * XFS takes the inode of a new file from the allocation group of its directory, and there as near
 * to it as it can. So the directories among the inodes around are read before all directories are:
 * on a large filesystem that nobody has looked at lately, that is the difference between a few
 * reads of the disk and a hundred thousand.
 *
 * A directory is opened by its inode number, and the kernel finds out what it is called.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <xfs/xfs.h>

#include "cleanup.h"
#include "owners/dcache.h"
#include "owners/handle.h"
#include "owners/near.h"

#define CHUNK_INODES 64u /* XFS makes so many at once */
#define MAX_CHUNKS   1024u
#define N_TRIED	     24u /* the nearest, for each inode */

/* Between chunks lie the data of files: where chunks are rare we look farther, in inode numbers. */
#define FIRST_REACH (UINT64_C(1) << 13)
#define LAST_REACH  (UINT64_C(1) << 25)

#define MAX_ENTRIES  65536u /* of directories, for each inode */
#define BUFFER_BYTES (32u << 10)

/* Whoever moves files about leaves none where it was made: then we give up soon. */
#define MISSES_BEFORE 4u
#define HITS_PER_MISS 4u

struct near {
	const struct inside *in;
	const char *mount_root;
	struct wanted *wanted;
	struct wanted seen; /* chunks and directories, as a set: each is read once for all */
	size_t n_entries;
	uint64_t chunks[MAX_CHUNKS];
	size_t n_chunks;
	union {
		struct xfs_inumbers_req inumbers;
		struct xfs_bulkstat_req bulkstat;
		unsigned char bytes[XFS_INUMBERS_REQ_SIZE(MAX_CHUNKS)];
	} request;
	char entries[BUFFER_BYTES];
};

_Static_assert(XFS_BULKSTAT_REQ_SIZE(CHUNK_INODES) <= XFS_INUMBERS_REQ_SIZE(MAX_CHUNKS),
	       "the larger one makes room for both");

static struct near *near_free(struct near *n)
{
	wanted_done(&n->seen);
	free(n);
	return NULL;
}
DEFINE_CLEANUP(struct near *, near_free);

/* ---- where inodes are ---- */

static int list_chunks(struct near *n, uint64_t first, uint64_t last)
{
	struct xfs_inumbers_req *request = &n->request.inumbers;

	*request = (struct xfs_inumbers_req){ .hdr = { .ino = first, .icount = MAX_CHUNKS } };
	n->n_chunks = 0;
	if (ioctl(n->in->fs_fd, XFS_IOC_INUMBERS, request) < 0)
		return errno == ENOTTY ? -EOPNOTSUPP : -errno;
	for (uint32_t i = 0; i < request->hdr.ocount && i < MAX_CHUNKS; i++)
		if (request->inumbers[i].xi_startino <= last)
			n->chunks[n->n_chunks++] = request->inumbers[i].xi_startino;
	return 0;
}

/* A directory is there before its files are, and mostly lies in front of them. */
static uint64_t distance(uint64_t chunk, uint64_t from)
{
	return chunk <= from ? from - chunk : 4 * (chunk - from);
}

static int compare_distances(const void *a, const void *b, void *from)
{
	uint64_t l = distance(*(const uint64_t *)a, *(const uint64_t *)from);
	uint64_t r = distance(*(const uint64_t *)b, *(const uint64_t *)from);

	return (l > r) - (l < r);
}

/* As many that there are some before it and behind it; or too many, and the list ends before it. */
static int list_around(struct near *n, uint64_t chunk, uint64_t reach)
{
	return list_chunks(n, chunk > reach ? chunk - reach : 0, chunk + reach);
}

static bool is_cut_before(const struct near *n, uint64_t chunk)
{
	return n->n_chunks == MAX_CHUNKS && n->chunks[MAX_CHUNKS - 1] < chunk;
}

/* The nearest chunks come first; that with the inode itself is among them. */
static int find_chunks(struct near *n, uint64_t inode)
{
	uint64_t chunk = inode - inode % CHUNK_INODES, reach = FIRST_REACH;
	int r = list_around(n, chunk, reach);

	while (r >= 0 && n->n_chunks < N_TRIED && reach < LAST_REACH) {
		r = list_around(n, chunk, reach << 4);
		if (r >= 0 && is_cut_before(n, chunk)) {
			r = list_around(n, chunk, reach);
			break;
		}
		reach <<= 4;
	}
	if (r < 0)
		return r;
	qsort_r(n->chunks, n->n_chunks, sizeof(*n->chunks), compare_distances, &chunk);
	return 0;
}

/* ---- what the directories there have ---- */

static int note_entry(struct near *n, int dir_fd, struct wanted_inode *inode, const char *name)
{
	char text[PATH_MAX + 1 + NAME_MAX + 1];
	size_t length;

	if (!strcmp(name, ".") || !strcmp(name, "..") || dcache_text_of(dir_fd, text) < 0)
		return 0;
	length = strcmp(text, "/") ? strlen(text) : 0;
	snprintf(text + length, sizeof(text) - length, "/%s", name);
	return dcache_take_text(n->in, n->mount_root, n->wanted, inode, text);
}

static int look_at_entries(struct near *n, int dir_fd, size_t n_bytes)
{
	for (size_t at = 0; at < n_bytes;) {
		const struct dirent64 *e = (const void *)(n->entries + at);
		struct wanted_inode *inode = wanted_find(n->wanted, e->d_ino);

		if (inode && wanted_is_missing(n->wanted, inode) &&
		    note_entry(n, dir_fd, inode, e->d_name) == -ENOMEM)
			return -ENOMEM;
		n->n_entries++;
		at += e->d_reclen;
	}
	return 0;
}

static int read_directory(struct near *n, const struct xfs_bulkstat *found)
{
	_cleanup_(closep) int fd = -1;
	ssize_t n_bytes;
	int r = 0;

	if (wanted_find(&n->seen, found->bs_ino))
		return 0;
	if (!wanted_add(&n->seen, found->bs_ino))
		return -ENOMEM;
	fd = handle_open(n->in->fs_fd, n->in->filesystem, found->bs_ino, found->bs_gen,
			 O_RDONLY | O_DIRECTORY | O_NOATIME);
	while (fd >= 0 && r >= 0 && n->n_entries < MAX_ENTRIES &&
	       (n_bytes = getdents64(fd, n->entries, sizeof(n->entries))) > 0)
		r = look_at_entries(n, fd, (size_t)n_bytes);
	return r;
}

static bool is_enough(const struct near *n, const struct wanted_inode *inode)
{
	return !wanted_is_missing(n->wanted, inode) || n->n_entries >= MAX_ENTRIES;
}

static int look_at_chunk(struct near *n, uint64_t chunk, const struct wanted_inode *inode)
{
	struct xfs_bulkstat_req *request = &n->request.bulkstat;
	uint64_t key = ~chunk; /* which is no inode's number */
	int r = 0;

	if (wanted_find(&n->seen, key))
		return 0;
	*request = (struct xfs_bulkstat_req){ .hdr = { .ino = chunk, .icount = CHUNK_INODES } };
	if (ioctl(n->in->fs_fd, XFS_IOC_BULKSTAT, request) < 0)
		return 0;
	for (uint32_t i = 0; r >= 0 && i < request->hdr.ocount && i < CHUNK_INODES; i++) {
		const struct xfs_bulkstat *found = &request->bulkstat[i];

		if (found->bs_ino >= chunk + CHUNK_INODES)
			break;
		if (is_enough(n, inode))
			return 0;
		if (S_ISDIR(found->bs_mode))
			r = read_directory(n, found);
	}
	return r < 0 || wanted_add(&n->seen, key) ? r : -ENOMEM;
}

static int look_around(struct near *n, const struct wanted_inode *inode)
{
	int r = find_chunks(n, inode->inode);

	n->n_entries = 0;
	for (size_t i = 0; r >= 0 && i < n->n_chunks && i < N_TRIED && !is_enough(n, inode); i++)
		r = look_at_chunk(n, n->chunks[i], inode);
	return r;
}

int near_find(const struct inside *in, const char *mount_root, struct wanted *wanted)
{
	_cleanup_(near_freep) struct near *n = NULL;
	size_t n_hits = 0, n_misses = 0;

	if (strcmp(in->filesystem, "xfs"))
		return -EOPNOTSUPP;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->in = in;
	n->mount_root = mount_root;
	n->wanted = wanted;

	for (size_t i = 0; i < wanted->n && n_misses <= MISSES_BEFORE + n_hits / HITS_PER_MISS;
	     i++) {
		int r;

		if (!wanted_is_missing(wanted, &wanted->all[i]))
			continue;
		r = look_around(n, &wanted->all[i]);
		if (r == -ENOMEM || r == -EOPNOTSUPP)
			return r;
		n_hits += !wanted_is_missing(wanted, &wanted->all[i]);
		n_misses += wanted_is_missing(wanted, &wanted->all[i]);
	}
	return 0;
}
