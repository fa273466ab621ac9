// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stack-disks: the disks that a device is made of.
 *
 *   sysfs, stack-read -> [stack-disks] -> source (device_bad)
 *
 * In:   a device.
 * Out:  the names of the disks below it, and whether its bytes can be followed to them.
 *
 * stack_below() has a piece for each chunk of a stripe, of which a large volume has millions. Who
 * only wants to know which disks to look at asks here, and what is found there goes up again.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "locate/block.h"
#include "locate/stack-private.h"

/* An array of hundreds of disks is one; beyond this, it is not told apart from an attack. */
#define MAX_DISKS 1024

void stack_disks_done(struct stack_disks *disks)
{
	free(disks->names);
	*disks = (struct stack_disks){};
}

static int add_disk(struct stack_disks *disks, const char *name)
{
	char(*grown)[STACK_NAME_BYTES];

	for (size_t i = 0; i < disks->n; i++)
		if (!strcmp(disks->names[i], name))
			return 0;
	if (disks->n == MAX_DISKS)
		return -E2BIG;
	grown = reallocarray(disks->names, disks->n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	disks->names = grown;
	snprintf(grown[disks->n++], sizeof(*grown), "%s", name);
	return 0;
}

static int find_disks(const struct stack *s, const char *name, unsigned depth,
		      struct stack_disks *ret);

/* What it is built on; a disk is built on nothing. */
static int find_below(const struct stack *s, const char *name, unsigned depth,
		      struct stack_disks *ret)
{
	_cleanup_(closedirp) DIR *dir = stack_open_below(s->block_fd, name, "slaves");
	struct dirent *entry;
	bool is_disk = true;
	int r = 0;

	while (r >= 0 && dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= STACK_NAME_BYTES)
			continue;
		is_disk = false;
		r = find_disks(s, entry->d_name, depth + 1, ret);
	}
	if (r >= 0 && is_disk)
		return add_disk(ret, name);
	if (r >= 0 && !*ret->opaque && !stack_can_follow(s, name))
		snprintf(ret->opaque, sizeof(ret->opaque), "%s", name);
	return r;
}

static int find_disks(const struct stack *s, const char *name, unsigned depth,
		      struct stack_disks *ret)
{
	char disk[STACK_NAME_BYTES];
	struct range extent;
	int r;

	if (depth == STACK_MAX_DEPTH)
		return -ELOOP;
	r = block_disk_of(s->block_fd, name, disk, &extent);
	return r < 0 ? r : find_below(s, disk, depth, ret);
}

int stack_disks(const struct stack *s, const char *name, struct stack_disks *ret)
{
	_cleanup_(stack_disks_done) struct stack_disks disks = {};
	int r;

	assert(s);
	assert(ret);

	r = find_disks(s, name, 0, &disks);
	if (r < 0)
		return r;
	*ret = disks;
	disks = (struct stack_disks){};
	return 0;
}
