// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bpf-maps: what one walk in the kernel looks for.
 *
 *   targets, identity -> [bpf-maps] -> maps -> bpf/holders.bpf.c
 *
 * In:   what the targets are known as to the kernel, sorted, so that those of a file follow each
 *       other.
 * Out:  a load: as many of their files as the maps have room for, with the lost pages of each.
 *
 * The maps hold pages and the targets bytes, and two files can look the same in them: what the
 * kernel finds is a superset, and bpf-walk compares again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include <bpf/bpf.h>

#include "holders/bpf-maps.h"

static struct holders_key to_kernel(const struct identity *id)
{
	return (struct holders_key){
		.inode = id->key.inode,
		.dev = major(id->key.dev) << 20 | minor(id->key.dev),
		.type = id->key.type,
	};
}

static struct holders_range pages_of(struct range bytes)
{
	struct holders_range pages = { bytes.start_bytes / PAGE_BYTES, UINT64_MAX };

	if (range_end(bytes) <= UINT64_MAX - (PAGE_BYTES - 1))
		pages.end_page = (range_end(bytes) + PAGE_BYTES - 1) / PAGE_BYTES;
	return pages;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct holders_range *l = a, *r = b;

	return (l->first_page > r->first_page) - (l->first_page < r->first_page);
}

/* Sort them, and join what touches. How many there are then. */
static __u32 join_ranges(struct holders_range *all, size_t n)
{
	__u32 last = 0;

	qsort(all, n, sizeof(*all), compare_ranges);
	for (size_t i = 1; i < n; i++)
		if (all[i].first_page > all[last].end_page)
			all[++last] = all[i];
		else if (all[i].end_page > all[last].end_page)
			all[last].end_page = all[i].end_page;
	return last + 1;
}

/*
 * All identities with one key. -ENOSPC: no room is left beside what is there already; more than
 * there could ever be are coarsened to the whole file.
 */
static int add_file(struct load *l, const struct targets *targets, const struct identity *ids,
		    size_t n)
{
	struct holders_range *ranges = &l->ranges[l->n_ranges];
	struct holders_file file = { ids[0].mapping, l->n_ranges, 1 };
	bool whole = n > HOLDERS_MAX_RANGES;

	if (l->n_files == HOLDERS_MAX_FILES || (whole ? 1 : n) > HOLDERS_MAX_RANGES - l->n_ranges)
		return -ENOSPC;
	for (size_t i = 0; i < n; i++) {
		if (ids[i].mapping != file.mapping)
			file.mapping = 0; /* two files that look the same: told apart here */
		if (!whole)
			ranges[i] = pages_of(targets->all[ids[i].target].file_bytes);
	}
	if (whole)
		ranges[0] = (struct holders_range){ 0, UINT64_MAX };
	else
		file.n_ranges = join_ranges(ranges, n);
	l->keys[l->n_files] = to_kernel(&ids[0]);
	l->files[l->n_files++] = file;
	l->n_ranges += file.n_ranges;
	return 0;
}

static size_t n_of_key(const struct identities *ids, size_t first)
{
	size_t n = 1;

	while (first + n < ids->n &&
	       !file_key_compare(&ids->all[first].key, &ids->all[first + n].key))
		n++;
	return n;
}

size_t load_fill(struct load *l, const struct targets *targets, const struct identities *ids,
		 size_t first)
{
	l->n_files = l->n_ranges = 0;
	while (first < ids->n) {
		size_t n = n_of_key(ids, first);

		if (add_file(l, targets, &ids->all[first], n) < 0)
			break;
		first += n;
	}
	return first;
}

int maps_lock(const struct bpf_programs *bpf)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	while (fcntl(bpf->fds[BPF_LOCK], F_SETLKW, &whole) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* Nothing is there, unless who walked before was killed. */
static int clear_files(int fd)
{
	struct holders_key key;
	int r;

	while ((r = bpf_map_get_next_key(fd, NULL, &key)) == 0) {
		r = bpf_map_delete_elem(fd, &key);
		if (r < 0)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}

int load_put(const struct bpf_programs *bpf, struct load *l)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 n_files = l->n_files, n_ranges = l->n_ranges;
	int r;

	r = clear_files(bpf->fds[BPF_FILES]);
	if (r < 0)
		return r;
	for (__u32 i = 0; i < n_ranges; i++)
		l->numbers[i] = i;
	r = bpf_map_update_batch(bpf->fds[BPF_RANGES], l->numbers, l->ranges, &n_ranges, &opts);
	if (r < 0)
		return r;
	return bpf_map_update_batch(bpf->fds[BPF_FILES], l->keys, l->files, &n_files, &opts);
}

int load_take(const struct bpf_programs *bpf, const struct load *l)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 n_files = l->n_files;

	return bpf_map_delete_batch(bpf->fds[BPF_FILES], l->keys, &n_files, &opts);
}
