/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stack-private: what the files of stack share (stack.c and stack-*.c). */
#pragma once

#include <dirent.h>

#include "locate/stack.h"

/* The kernel lets devices be stacked without a limit; nobody has so many. */
#define STACK_MAX_DEPTH 32

/* A device that a device-mapper device is built on. */
struct stack_slave {
	char name[STACK_NAME_BYTES];
	dev_t dev;
};

struct dm_device {
	char name[STACK_NAME_BYTES]; /* "dm-0" */
	char label[128]; /* "vg-home"; empty where it is not known */
	dev_t dev;
	struct stack_slave *slaves;
	size_t n_slaves;
	int error; /* negative errno: the table could not be read */
	struct dm_table table;
};

struct stack {
	int block_fd;
	struct dm_device *devices;
	size_t n_devices;
};

/* A directory of a block device, such as "holders"; NULL where there is none. */
DIR *stack_open_below(int sysfs_block_fd, const char *name, const char *sub);

/* Whether each byte of a device that is built on others is at a place that its table tells. */
bool stack_can_follow(const struct stack *s, const char *name);

/* 0, -ENOMEM or -E2BIG. Pieces that go on where the last one ends are made one. */
int pieces_add(struct stack_pieces *pieces, const char *name, dev_t dev, struct range bytes,
	       uint64_t at_bytes);
void pieces_sort(struct stack_pieces *pieces);

/*
 * Which bytes of dm are bytes of leg k's device? at_bytes counts on that device, as bytes does.
 */
int target_up(const struct dm_device *dm, const struct dm_target *target, size_t k,
	      struct range bytes, struct stack_pieces *ret);

/* The other way: bytes of the dm device, all of this target, on the legs' devices; no names. */
int target_down(const struct dm_target *target, struct range bytes, struct stack_pieces *ret);
