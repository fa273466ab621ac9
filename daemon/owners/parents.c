// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * parents: names from the inodes themselves.
 *
 *   ask -> [parents] -> filesystem
 *
 * In:   wanted inodes of an XFS whose inodes know their parents.
 * Out:  every hard link of each. No directory is read: the cost is a call for each link and for
 *       each directory above it, however many files there are.
 *
 * The names say how it was when each inode was asked. A rename in between gives a path that never
 * was, so each is looked up before it counts; where another mount hides the place that is not
 * possible, and the records are believed.
 *
 * Files of one directory are the common case: the paths of the directories last met are kept.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cleanup.h"
#include "kernel-abi.h"
#include "owners/parents.h"

#define BUFFER_BYTES 4096u /* a record is at most 32 bytes and a name */
#define N_KEPT	     1024u /* a power of two */

/* The path of a directory that was asked for before. */
struct kept {
	uint64_t inode;
	char *path; /* NULL: nothing is kept here */
};

struct parents {
	const struct inside *in;
	struct wanted *wanted;
	struct kept kept[N_KEPT];
	char buffer[BUFFER_BYTES]; /* for the inode whose names are asked for */
	char dir_buffer[BUFFER_BYTES]; /* for the directories above it */
	char path[WANTED_MAX_PATH_BYTES]; /* is written from its end */
};

static struct parents *parents_free(struct parents *p)
{
	for (size_t i = 0; i < N_KEPT; i++)
		free(p->kept[i].path);
	free(p);
	return NULL;
}
DEFINE_CLEANUP(struct parents *, parents_free);

static bool is_name(const char *name, size_t n_bytes)
{
	const char *end = memchr(name, '\0', n_bytes);

	return end && end != name && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

int parent_record_next(const void *buffer, size_t n_bytes, size_t *at, struct parent_record *ret)
{
	struct xfs_abi_parent record;
	const char *bytes = buffer;
	size_t left = n_bytes - *at;

	if (*at >= n_bytes)
		return 0;
	if (left < sizeof(record))
		return -EBADMSG;
	memcpy(&record, bytes + *at, sizeof(record));
	if (!record.record_bytes)
		return 0;
	if (record.record_bytes <= sizeof(record) || record.record_bytes > left ||
	    !is_name(bytes + *at + sizeof(record), record.record_bytes - sizeof(record)))
		return -EBADMSG;

	*ret = (struct parent_record){
		.inode = record.handle.inode,
		.generation = record.handle.generation,
		.name = bytes + *at + sizeof(record),
	};
	*at += record.record_bytes;
	return 1;
}

static struct xfs_abi_parents request_for(uint64_t inode, uint32_t generation, char *buffer)
{
	return (struct xfs_abi_parents){
		.handle = {
			.fid_length = XFS_ABI_FID_LENGTH,
			.generation = generation,
			.inode = inode,
		},
		.buffer_bytes = BUFFER_BYTES,
		.buffer = (uintptr_t)buffer,
	};
}

/* The next records into the request's buffer. 1, 0: the root, which has none; or negative errno. */
static int get_records(const struct parents *p, struct xfs_abi_parents *request)
{
	memset((void *)(uintptr_t)request->buffer, 0, request->buffer_bytes);
	if (ioctl(p->in->root_fd, XFS_ABI_GETPARENTS_BY_HANDLE, request) < 0)
		return errno == ENOTTY ? -EOPNOTSUPP : -errno;
	return !(request->oflags & XFS_ABI_PARENTS_ROOT);
}

/* 1 and the only parent of a directory; 0: it is the root; or negative errno. */
static int parent_of_directory(struct parents *p, uint64_t inode, uint32_t generation,
			       struct parent_record *ret)
{
	struct xfs_abi_parents request = request_for(inode, generation, p->dir_buffer);
	size_t at = 0;
	int r;

	r = get_records(p, &request);
	if (r <= 0)
		return r;
	r = parent_record_next(p->dir_buffer, BUFFER_BYTES, &at, ret);
	return r == 0 ? -ENOENT : r;
}

static struct kept *place_of(struct parents *p, uint64_t inode)
{
	return &p->kept[(inode * UINT64_C(0x9e3779b97f4a7c15)) >> 54];
}

static int keep(struct parents *p, uint64_t inode, const char *path)
{
	struct kept *k = place_of(p, inode);
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	free(k->path);
	*k = (struct kept){ inode, copy };
	return 0;
}

/* Put "/name" or a whole path in front of what is at p->path + *at. */
static int put_before(struct parents *p, size_t *at, const char *slash, const char *name)
{
	size_t length = strlen(name), slash_length = strlen(slash);

	if (length + slash_length > *at)
		return -ENAMETOOLONG;
	*at -= length;
	memcpy(p->path + *at, name, length);
	*at -= slash_length;
	memcpy(p->path + *at, slash, slash_length);
	return 0;
}

/*
 * The path of a directory, in front of p->path + *at. It ends: each step makes the path longer,
 * also where renames lead in a circle.
 */
static int put_directory(struct parents *p, uint64_t inode, uint32_t generation, size_t *at)
{
	struct parent_record up = { .inode = inode, .generation = generation };
	int r;

	for (;;) {
		const struct kept *k = place_of(p, up.inode);

		if (up.inode == p->in->root_inode)
			return 0;
		if (k->path && k->inode == up.inode)
			return put_before(p, at, "", k->path);
		r = parent_of_directory(p, up.inode, up.generation, &up);
		if (r <= 0)
			return r;
		r = put_before(p, at, "/", up.name);
		if (r < 0)
			return r;
	}
}

/* 0: also where the name is not one that can be told. */
static int note_record(struct parents *p, struct wanted_inode *inode,
		       const struct parent_record *record)
{
	size_t at = sizeof(p->path) - 1, dir_end;
	int r;

	p->path[at] = '\0';
	r = put_before(p, &at, "/", record->name);
	if (r < 0)
		return 0;
	dir_end = at;
	r = put_directory(p, record->inode, record->generation, &at);
	if (r < 0)
		return r == -ENAMETOOLONG || r == -ESTALE || r == -ENOENT ? 0 : r;
	if (inside_leads_to(p->in, p->path + at, inode->inode) == 0)
		return 0;
	r = wanted_note(p->wanted, inode, p->path + at);
	if (r < 0)
		return r;

	p->path[dir_end] = '\0';
	return at < dir_end ? keep(p, record->inode, p->path + at) : 0;
}

static int find_names(struct parents *p, struct wanted_inode *inode)
{
	struct xfs_abi_parents request = request_for(inode->inode, inode->generation, p->buffer);
	struct parent_record record;
	int r;

	if (inode->inode == p->in->root_inode)
		return wanted_note(p->wanted, inode, "/");
	do {
		size_t at = 0;

		r = get_records(p, &request);
		while (r > 0) {
			r = parent_record_next(p->buffer, BUFFER_BYTES, &at, &record);
			if (r > 0) {
				r = note_record(p, inode, &record);
				r = r < 0 ? r : 1;
			}
		}
		if (r < 0)
			return r;
	} while (!(request.oflags & XFS_ABI_PARENTS_DONE) && wanted_is_missing(p->wanted, inode));
	return 0;
}

int parents_find(const struct inside *in, struct wanted *wanted)
{
	_cleanup_(parents_freep) struct parents *p = calloc(1, sizeof(*p));
	int r;

	if (strcmp(in->filesystem, "xfs"))
		return -EOPNOTSUPP;
	if (!p)
		return -ENOMEM;
	p->in = in;
	p->wanted = wanted;

	for (size_t i = 0; i < wanted->n; i++) {
		if (!wanted_is_missing(wanted, &wanted->all[i]))
			continue;
		r = find_names(p, &wanted->all[i]);
		if (r < 0 && r != -ESTALE && r != -ENOENT && r != -EBADMSG)
			return r;
	}
	return 0;
}
