// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stack-read: all device-mapper devices as they are put together now.
 *
 *   sysfs, dm_table -> [stack-read] -> stack
 *
 * In:   /sys/class/block, which names the devices and those that each is built on.
 * Out:  a snapshot of their tables. It is made for one question, since until the next a volume can
 *       have moved; partitions are asked of sysfs each time.
 *
 * A machine without device-mapper has no such devices, and its library is not even called.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "locate/block.h"
#include "locate/stack-private.h"
#include "locate/sysfs.h"

DIR *stack_open_below(int dir_fd, const char *name, const char *sub)
{
	char path[2 * STACK_NAME_BYTES];
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", name, sub);
	fd = sysfs_open_dir(dir_fd, path);
	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (!dir)
		close(fd);
	return dir;
}

static void dm_device_done(struct dm_device *dm)
{
	dm_table_done(&dm->table);
	free(dm->slaves);
}

struct stack *stack_free(struct stack *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->n_devices; i++)
		dm_device_done(&s->devices[i]);
	free(s->devices);
	free(s);
	return NULL;
}

void stack_freep(struct stack **s)
{
	stack_free(*s);
}

static int add_slave(const struct stack *s, struct dm_device *dm, const char *name)
{
	struct stack_slave *grown, slave = {};
	int r;

	r = block_dev_of(s->block_fd, name, &slave.dev);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	snprintf(slave.name, sizeof(slave.name), "%s", name);
	grown = reallocarray(dm->slaves, dm->n_slaves + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	dm->slaves = grown;
	grown[dm->n_slaves++] = slave;
	return 0;
}

static int find_slaves(const struct stack *s, struct dm_device *dm)
{
	_cleanup_(closedirp) DIR *dir = stack_open_below(s->block_fd, dm->name, "slaves");
	struct dirent *entry;
	int r = 0;

	while (r >= 0 && dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strlen(entry->d_name) < STACK_NAME_BYTES)
			r = add_slave(s, dm, entry->d_name);
	return r;
}

/* "vg-home", as people know it. */
static void read_label(const struct stack *s, struct dm_device *dm)
{
	char path[2 * STACK_NAME_BYTES];

	snprintf(path, sizeof(path), "%s/dm/name", dm->name);
	if (sysfs_read_line(s->block_fd, path, dm->label, sizeof(dm->label)) < 0)
		dm->label[0] = '\0';
}

static int add_dm_device(struct stack *s, const char *name, stack_table_reader read_table)
{
	struct dm_device *grown, dm = {};
	int r;

	r = block_dev_of(s->block_fd, name, &dm.dev);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	grown = reallocarray(s->devices, s->n_devices + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->devices = grown;

	snprintf(dm.name, sizeof(dm.name), "%s", name);
	read_label(s, &dm);
	r = find_slaves(s, &dm);
	if (r >= 0) {
		dm.error = read_table(dm.dev, &dm.table);
		r = dm.error == -ENOMEM ? -ENOMEM : 0;
	}
	if (r < 0) {
		dm_device_done(&dm);
		return r;
	}
	grown[s->n_devices++] = dm;
	return 0;
}

static int read_devices(struct stack *s, stack_table_reader read_table)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	struct dirent *entry;
	int fd, r;

	fd = sysfs_open_dir(s->block_fd, ".");
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	while ((errno = 0, entry = readdir(dir))) {
		if (strncmp(entry->d_name, "dm-", 3) || strlen(entry->d_name) >= STACK_NAME_BYTES)
			continue;
		r = add_dm_device(s, entry->d_name, read_table);
		if (r < 0)
			return r;
	}
	return -errno;
}

int stack_new_with(int sysfs_block_fd, stack_table_reader read_table, struct stack **ret)
{
	_cleanup_(stack_freep) struct stack *s = calloc(1, sizeof(*s));
	int r;

	assert(sysfs_block_fd >= 0);
	assert(read_table);
	assert(ret);

	if (!s)
		return -ENOMEM;
	s->block_fd = sysfs_block_fd;
	r = read_devices(s, read_table);
	if (r < 0)
		return r;
	*ret = TAKE(s);
	return 0;
}

int stack_new(int sysfs_block_fd, struct stack **ret)
{
	return stack_new_with(sysfs_block_fd, dm_table_read, ret);
}
