// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * programs-load: see programs-load.h.
 *
 *   BPF objects -> [programs-load] -> source/kernel-load, holders/bpf
 *
 * One program that does not load or attach fails all of its object. So what the kernel lacks is
 * left out before. If that is not enough, nothing may read kernel memory (lockdown=confidentiality
 * forbids it); then each program is tried by itself, in an object of its own, and those that pass
 * make up the last try.
 */
#include "config.h"

#ifdef HAVE_BPF

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "programs-load.h"

int program_number(const struct bpf_program *program)
{
	const char *place = strrchr(bpf_program__section_name(program), '/');

	return place ? program_find(place + 1) : -ENOENT;
}

/* ---- what is left out ---- */

static bool has(const struct btf *btf, const struct place *place)
{
	char tracepoint[96];

	switch (place->kind) {
	case PLACE_TRACEPOINT:
		snprintf(tracepoint, sizeof(tracepoint), "btf_trace_%s", place->name);
		return btf__find_by_name_kind(btf, tracepoint, BTF_KIND_TYPEDEF) > 0;
	case PLACE_FUNCTION:
		return btf__find_by_name_kind(btf, place->name, BTF_KIND_FUNC) > 0;
	case PLACE_ITERATOR:
		break;
	}
	return true; /* older than any kernel that we run on */
}

uint32_t programs_absent(const struct btf *btf)
{
	uint32_t absent = 0;

	for (unsigned i = 0; program_place(i); i++)
		if (!has(btf, program_place(i)))
			absent |= UINT32_C(1) << i;
	return absent;
}

static void tell(const struct programs_load *load, unsigned i, const char *why)
{
	char reason[256];

	snprintf(reason, sizeof(reason), "%s: %s", why, program_place(i)->loss);
	load->on_missing(i, reason, load->userdata);
}

static void tell_missing(const struct programs_load *load, uint32_t in_object, uint32_t refused)
{
	for (unsigned i = 0; program_place(i); i++) {
		uint32_t bit = UINT32_C(1) << i;

		if (!(in_object & bit))
			continue;
		if (load->skip & bit)
			tell(load, i, "switched off by SkipBPF=");
		else if (load->absent & bit)
			tell(load, i, "this kernel has no such thing to listen to");
		else if (refused & bit)
			tell(load, i, "this kernel refuses the program");
	}
}

static uint32_t places_of(struct bpf_object *object)
{
	struct bpf_program *program;
	uint32_t places = 0;

	bpf_object__for_each_program(program, object)
	{
		int i = program_number(program);

		if (i >= 0)
			places |= UINT32_C(1) << i;
	}
	return places;
}

/* ---- tries ---- */

struct attempt {
	const struct program_object *kind;
	struct bpf_object *object;
	void *skeleton;
	uint32_t places;
};

static void try_end(struct attempt *t)
{
	if (t->skeleton)
		t->kind->destroy(t->skeleton);
	*t = (struct attempt){ .kind = t->kind };
}

/* What has no place listens to nothing: it is called. */
static bool is_wanted(const struct bpf_program *program, uint32_t wanted)
{
	int i = program_number(program);

	return i < 0 || wanted >> i & 1;
}

/* The places of `wanted` alone. */
static int try_load(struct attempt *t, struct programs_load *load, uint32_t wanted)
{
	struct bpf_program *program;

	try_end(t);
	t->object = t->kind->open(!load->may_not_read, load->userdata, &t->skeleton);
	if (!t->object)
		return -errno;
	t->places = places_of(t->object);
	bpf_object__for_each_program(program, t->object)
		bpf_program__set_autoload(program, is_wanted(program, wanted));
	return bpf_object__load(t->object);
}

/* Those of the object's programs that do not load even when alone. */
static uint32_t sift(struct attempt *t, struct programs_load *load, uint32_t wanted)
{
	uint32_t refused = 0;

	for (unsigned i = 0; program_place(i); i++) {
		uint32_t bit = UINT32_C(1) << i;

		if (wanted & t->places & bit && try_load(t, load, bit) < 0)
			refused |= bit;
	}
	return refused;
}

/* Reading is given up only for more programs. */
static uint32_t sift_both_ways(struct attempt *t, struct programs_load *load, uint32_t wanted)
{
	uint32_t with, without;

	load->may_not_read = false;
	with = sift(t, load, wanted);
	load->may_not_read = true;
	without = sift(t, load, wanted);
	if (__builtin_popcount(without) < __builtin_popcount(with))
		return without;
	load->may_not_read = false;
	return with;
}

int programs_load(struct programs_load *load, const struct program_object *object,
		  struct bpf_object **ret, void **ret_skeleton)
{
	uint32_t wanted = ~(load->skip | load->absent);
	struct attempt t = { .kind = object };
	int r;

	load->may_not_read = false;
	r = try_load(&t, load, wanted);
	if (r < 0 && r != -EPERM) {
		load->may_not_read = true;
		r = try_load(&t, load, wanted);
	}
	if (r < 0 && r != -EPERM) {
		wanted &= ~sift_both_ways(&t, load, wanted);
		r = try_load(&t, load, wanted);
	}
	if (r < 0) {
		try_end(&t);
		return r;
	}
	tell_missing(load, t.places, ~wanted);
	*ret = t.object;
	*ret_skeleton = t.skeleton;
	return 0;
}

/* ---- attaching ---- */

static int attach(struct bpf_program *program)
{
	struct bpf_link *link = bpf_program__attach(program);
	int fd;

	if (!link)
		return -errno;
	fd = fcntl(bpf_link__fd(link), F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		fd = -errno;
	bpf_link__destroy(link); /* the copy keeps it attached */
	return fd;
}

unsigned programs_attach(const struct programs_load *load, struct bpf_object *object, int *ret_fds,
			 unsigned n_fds)
{
	struct bpf_program *program;
	unsigned n = 0;

	bpf_object__for_each_program(program, object)
	{
		int fd;

		if (program_number(program) < 0 || !bpf_program__autoload(program))
			continue;
		assert(n < n_fds);
		fd = attach(program);
		if (fd < 0)
			tell(load, (unsigned)program_number(program),
			     "this kernel does not let the program listen");
		else
			ret_fds[n++] = fd;
	}
	return n;
}

#endif
