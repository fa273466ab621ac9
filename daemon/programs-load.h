/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * programs-load: bring an object of BPF programs into the kernel, without those that it refuses.
 *
 * What a section listens to is the end of its name, "tp_btf/mce_record", and has to be listed in
 * programs.c: one that is not, such as "syscall", is loaded but not attached.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "programs.h"

struct bpf_object;
struct bpf_program;
struct btf;

struct program_object {
	/*
	 * Open it anew. may_read: its programs may call helpers that read kernel memory.
	 * *ret_skeleton is for destroy(). NULL with errno when it can't be opened.
	 */
	struct bpf_object *(*open)(bool may_read, void *userdata, void **ret_skeleton);
	void (*destroy)(void *skeleton);
};

struct programs_load {
	uint32_t skip; /* not wanted */
	uint32_t absent; /* not in this kernel */
	/* Number `program` is left out, with a sentence that says why and what it costs. */
	void (*on_missing)(unsigned program, const char *reason, void *userdata);
	void *userdata; /* open's, too */
	bool may_not_read; /* set: what is loaded does without reading kernel memory */
};

/* The number of the place where it listens; -ENOENT: not listed. */
int program_number(const struct bpf_program *program);

/* The programs of this kind of place that a kernel with these types lacks. */
uint32_t programs_absent(const struct btf *btf);

/*
 * 0 with *ret_skeleton for destroy(), also when no program is left in it; or negative errno: -EPERM
 * not allowed to.
 */
int programs_load(struct programs_load *load, const struct program_object *object,
		  struct bpf_object **ret, void **ret_skeleton);

/*
 * Attach what is loaded. Returns how many descriptors it wrote: they keep it so, and are the
 * caller's. What can't be attached is told and left out.
 */
unsigned programs_attach(const struct programs_load *load, struct bpf_object *object, int *ret_fds,
			 unsigned n_fds);
