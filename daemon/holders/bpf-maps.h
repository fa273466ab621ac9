/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf-maps: what one walk in the kernel looks for. */
#pragma once

#include "bpf/holders.h"
#include "holders/bpf.h"
#include "holders/identity.h"

struct load {
	struct holders_key keys[HOLDERS_MAX_FILES];
	struct holders_file files[HOLDERS_MAX_FILES];
	__u32 numbers[HOLDERS_MAX_RANGES];
	struct holders_range ranges[HOLDERS_MAX_RANGES];
	__u32 n_files;
	__u32 n_ranges;
};

/* As many as fit, from ids->all[first] on. Returns the next one. */
size_t load_fill(struct load *l, const struct targets *targets, const struct identities *ids,
		 size_t first);

/* The maps are everybody's: until this process ends, they are ours. 0 or negative errno. */
int maps_lock(const struct bpf_programs *bpf);
int load_put(const struct bpf_programs *bpf, struct load *l);
int load_take(const struct bpf_programs *bpf, const struct load *l);
