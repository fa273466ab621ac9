/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lookup_cut: ranges that are asked about, cut into pieces that each lie on one device. */
#pragma once

#include <stdbool.h>

#include "control/lookup.h"
#include "incident.h"
#include "locate/address_map.h"
#include "locate/stack.h"

struct piece {
	struct incident *in; /* made up; with owners already where no device has it */
	bool has_phys; /* else in->phys is an offset on the disk */
};

/* Zero-initialized: none. */
struct pieces {
	struct piece *all;
	size_t n;
};

void pieces_done(struct pieces *p);

/* This machine, looked at once for all questions, and the device that was asked about last. */
struct machine {
	struct address_map *map;
	int block_fd;
	struct stack *stack; /* NULL: nobody has asked about a block device yet */
	const char *device; /* as it was asked about; a question's */
	char *name;
	uint64_t length_bytes; /* of a disk that is made of nothing else; else 0 */
	bool has_phys; /* which is on an NVDIMM */
};

/* 0 or negative errno; *ret is the caller's to machine_done() in any case. */
int machine_look(struct machine *ret);
void machine_done(struct machine *m);

/* Add the pieces of one range, or none. 0, or as lookup_resolve(). */
int lookup_cut(struct machine *m, const struct lookup_range *what, struct pieces *p);
