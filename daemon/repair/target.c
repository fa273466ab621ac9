// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * target: see target.h.
 *
 * Everything goes through one fd that was opened by inode and generation and checked by fstat:
 * paths can be renamed under us, the inode can't.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "owners/handle.h"
#include "repair/extent.h"
#include "repair/target.h"

static const char *open_reason(int r)
{
	switch (r) {
	case -ESTALE:
	case -ENOENT:
		return "moved";
	case -EPERM:
	case -EACCES:
		return "immutable";
	case -EROFS:
		return "read-only";
	case -ETXTBSY:
		return "text-busy";
	default:
		return "io-error";
	}
}

static int measure(struct target *t)
{
	struct statx stx;

	if (statx(t->fd, "", AT_EMPTY_PATH, STATX_SIZE | STATX_TYPE, &stx) < 0)
		return -errno;
	if (!S_ISREG(stx.stx_mode) || stx.stx_size <= t->page_offset_bytes)
		return -ESTALE;
	/* What lies on the media is not what the file reads as. */
	if (stx.stx_attributes & (STATX_ATTR_ENCRYPTED | STATX_ATTR_COMPRESSED | STATX_ATTR_VERITY))
		return -EOPNOTSUPP;
	t->dax = stx.stx_attributes & STATX_ATTR_DAX;
	t->length_bytes = t->n_pages * PAGE_BYTES;
	if (stx.stx_size - t->page_offset_bytes < t->length_bytes)
		t->length_bytes = (uint32_t)(stx.stx_size - t->page_offset_bytes);
	return 0;
}

/* It can be opened by path alone, and then asked what keeps it from being written. */
static bool is_append_only(int root_fd, const char *filesystem, const struct owner *owner)
{
	_cleanup_(closep) int fd = handle_open(root_fd, filesystem, owner->inode, owner->generation,
					       O_PATH | O_CLOEXEC);
	struct statx stx;

	return fd >= 0 && statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) == 0 &&
	       (stx.stx_attributes & (STATX_ATTR_APPEND | STATX_ATTR_IMMUTABLE)) ==
		       STATX_ATTR_APPEND;
}

int target_open(int root_fd, const char *filesystem, const struct owner *owner, struct range pages,
		struct target *ret, const char **ret_reason)
{
	int r;

	/* The owner's bytes may begin inside of the page, or pages before it; modulo 2^64 it is one
	 * sum. */
	*ret = (struct target){
		.owner = owner,
		.fd = -1,
		.page_offset_bytes = owner->file_offset_bytes + pages.start_bytes -
				     owner->phys_start,
		.n_pages = (uint32_t)(pages.length_bytes / PAGE_BYTES),
	};
	r = handle_open(root_fd, filesystem, owner->inode, owner->generation,
			O_RDWR | O_NOATIME | O_CLOEXEC);
	if (r < 0) {
		*ret_reason = open_reason(r);
		if (r == -EPERM && is_append_only(root_fd, filesystem, owner))
			*ret_reason = "append-only";
		return r;
	}
	ret->fd = r;
	r = measure(ret);
	if (r < 0) {
		*ret_reason = r == -EOPNOTSUPP ? "encoded" : "moved";
		target_close(ret);
	}
	return r;
}

void target_close(struct target *t)
{
	if (t->fd >= 0)
		close(TAKE_FD(t->fd));
}

int target_is_on(const struct target *t, uint64_t dev_offset_bytes)
{
	struct range bytes = { t->page_offset_bytes, (uint64_t)t->n_pages * PAGE_BYTES };
	struct extent e;
	int r;

	r = extent_of(t->fd, bytes, &e);
	if (r < 0)
		return r;
	return e.mapped && !e.unwritten && e.dev_offset_bytes == dev_offset_bytes &&
	       e.length_bytes == bytes.length_bytes;
}

int target_page_is_on(const struct target *t, uint32_t page, uint64_t dev_offset_bytes)
{
	struct target one = *t;

	one.page_offset_bytes += (uint64_t)page * PAGE_BYTES;
	one.n_pages = 1;
	return target_is_on(&one, dev_offset_bytes);
}

bool target_changed_size(const struct target *t)
{
	struct target now = *t;

	return measure(&now) < 0 || now.length_bytes != t->length_bytes;
}

uint32_t target_bytes_of(const struct target *t, uint32_t page)
{
	uint32_t before = page * PAGE_BYTES;

	if (before >= t->length_bytes)
		return 0;
	return t->length_bytes - before < PAGE_BYTES ? t->length_bytes - before : PAGE_BYTES;
}

int target_reads_as(const struct target *t, const struct salvaged_page *saved)
{
	uint8_t data[PAGE_BYTES];
	bool same = true;

	for (uint32_t i = 0; i < t->n_pages; i++) {
		uint32_t n_bytes = target_bytes_of(t, i);
		ssize_t n = pread(t->fd, data, n_bytes,
				  (off_t)(t->page_offset_bytes + (uint64_t)i * PAGE_BYTES));

		if (n < 0)
			return -errno;
		same = same && n == (ssize_t)n_bytes && !memcmp(data, saved[i].data, n_bytes);
	}
	return same;
}

static int add_loss(const struct target *t, uint64_t start, uint64_t end, struct incident *in)
{
	struct loss *loss = incident_add_loss(in);
	int r;

	if (!loss)
		return -ENOMEM;
	loss->inode = t->owner->inode;
	loss->file_offset_bytes = t->page_offset_bytes + start;
	loss->length_bytes = end - start;
	r = string_set(&loss->mountpoint, t->owner->mountpoint);
	for (char **path = t->owner->paths; r >= 0 && path && *path; path++)
		r = strv_push(&loss->paths, *path);
	return r;
}

int target_add_losses_of(const struct target *t, uint32_t page, const struct salvaged_page *saved,
			 struct incident *in)
{
	uint32_t sector_bytes = SECTOR_BYTES, length_bytes = target_bytes_of(t, page);
	uint64_t before = (uint64_t)page * PAGE_BYTES;
	int r;

	for (uint32_t start = 0; start < length_bytes;) {
		uint32_t end = start;

		while (end < length_bytes && saved->bad_sectors & 1u << end / sector_bytes)
			end += sector_bytes;
		if (end == start) {
			start += sector_bytes;
			continue;
		}
		r = add_loss(t, before + start, before + (end < length_bytes ? end : length_bytes),
			     in);
		if (r < 0)
			return r;
		start = end;
	}
	return 0;
}

int target_add_losses(const struct target *t, const struct salvaged_page *saved,
		      struct incident *in)
{
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < t->n_pages; i++)
		r = target_add_losses_of(t, i, &saved[i], in);
	return r;
}

struct json_object *target_to_json(const struct target *t)
{
	struct json_object *o = owner_to_json(t->owner);

	if (!o)
		return NULL;
	json_object_object_add(o, "page_offset_bytes",
			       json_object_new_uint64(t->page_offset_bytes));
	json_object_object_add(o, "page_length_bytes", json_object_new_int(t->length_bytes));
	return o;
}
