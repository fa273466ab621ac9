// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * identity: as what a target shows up in mappings and among open files.
 *
 *   targets -> [identity] -> proc-scan, bpf-walk
 *
 * In:   targets, as stat(2) knows them.
 * Out:  the same as mappings and open files will show them.
 *
 * No rule tells how a filesystem shows its files there, and kernels differ. So we open the file and
 * map a page of it, as a holder would, and look at what we are seen with. The page is never
 * touched: its bytes may be the lost ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "holders/identity.h"

static int compare(const struct identity *l, struct file_key key, bool open)
{
	return file_key_compare(&l->key, &key) ?: l->open - open;
}

static int compare_identities(const void *a, const void *b)
{
	const struct identity *l = a, *r = b;
	int order = compare(l, r->key, r->open);

	return order ? order : (l->target > r->target) - (l->target < r->target);
}

const struct identity *identities_find(const struct identities *ids, struct file_key key, bool open,
				       size_t *ret_n)
{
	size_t low = 0, high = ids->n, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&ids->all[middle], key, open) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < ids->n && !compare(&ids->all[end], key, open);)
		end++;
	*ret_n = end - low;
	return end > low ? &ids->all[low] : NULL;
}

/*
 * Without waking what lies there: opening a fifo or a device does something. -ESTALE: that path is
 * another file by now.
 */
static int open_target(const struct target *t)
{
	_cleanup_(closep) int path_fd = open(t->path, O_PATH | O_CLOEXEC);
	char link[32];
	struct stat st;
	int fd;

	if (path_fd < 0 || fstat(path_fd, &st) < 0)
		return -errno;
	if (st.st_dev != t->key.dev || st.st_ino != t->key.inode ||
	    (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return -ESTALE;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static void ask_about(const struct target *t, identity_ask ask, struct identity *pair,
		      void *userdata)
{
	_cleanup_(closep) int fd = open_target(t);
	void *mapped;

	if (fd < 0)
		return;
	mapped = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		mapped = NULL;
	ask(fd, mapped, &pair[0], &pair[1], userdata);
	if (mapped)
		munmap(mapped, PAGE_BYTES);
}

int identities_of(const struct targets *targets, identity_ask ask, void *userdata,
		  struct identities *ret)
{
	struct identity *all = calloc(targets->n ? 2 * targets->n : 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < targets->n; i++) {
		const struct target *t = &targets->all[i];
		struct identity *pair = &all[2 * i];

		pair[0] = (struct identity){ .key = t->key, .target = (uint32_t)i };
		pair[1] = pair[0];
		pair[1].open = true;
		/* A filesystem on a disk of its own has one device number, everywhere. */
		if (t->path && !t->key.type && major(t->key.dev) == 0)
			ask_about(t, ask, pair, userdata);
	}
	qsort(all, 2 * targets->n, sizeof(*all), compare_identities);
	*ret = (struct identities){ all, 2 * targets->n };
	return 0;
}

void identities_done(struct identities *ids)
{
	free(ids->all);
	*ids = (struct identities){};
}
