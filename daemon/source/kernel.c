// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel: what the kernel's own error handling reports, by BPF.
 *
 *   bpf/poison.bpf.c -> ring -> [kernel] -> flow
 *
 * In:   records of the ring.
 * Out:  a physical address, with the kernel's own names for what the page was and
 *       what became of it.
 *
 * The kernel's numbers for these differ from one version to the next: 19 is an
 * unknown page on 6.1 and an already poisoned one on 6.12. So names are read from
 * the BTF of the kernel that runs, once.
 *
 * A kernel without the tracepoint is recognised in its BTF before anything is
 * loaded: one program that cannot attach fails all of them.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "source/kernel.h"

#ifdef HAVE_BPF

#include <ctype.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpf/poison.h"
#include "bpf/poison.skel.h"
#include "range.h"

#define MAX_NAMES 64

struct enum_names {
	struct {
		int value;
		char text[32];
	} names[MAX_NAMES];
	size_t n;
};

struct kernel_source {
	struct kernel_callbacks callbacks;
	void *userdata;
	struct poison_bpf *skeleton;
	struct ring_buffer *ring;
	sd_event_source *source;
	struct enum_names page_types;
	struct enum_names results;
	uint64_t n_lost; /* told so far */
};

DEFINE_CLEANUP(struct btf *, btf__free);

static int ignore_messages(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

/* MF_MSG_DIRTY_LRU -> "dirty-lru" */
static void make_name(char *ret, size_t n_bytes, const char *from, const char *prefix)
{
	size_t n = 0;

	if (!strncmp(from, prefix, strlen(prefix)))
		from += strlen(prefix);
	for (; *from && n < n_bytes - 1; from++, n++)
		ret[n] = *from == '_' ? '-' : (char)tolower((unsigned char)*from);
	ret[n] = '\0';
}

/* An enum that is not there leaves the table empty: everything is "unknown" then. */
static void read_names(const struct btf *btf, const char *enum_name, const char *prefix,
		       struct enum_names *ret)
{
	int id = btf__find_by_name_kind(btf, enum_name, BTF_KIND_ENUM);
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;
	const struct btf_enum *values = type ? btf_enum(type) : NULL;
	unsigned n_values = type ? btf_vlen(type) : 0;

	for (unsigned i = 0; i < n_values && ret->n < MAX_NAMES; i++) {
		const char *name = btf__name_by_offset(btf, values[i].name_off);

		if (!name || !*name)
			continue;
		ret->names[ret->n].value = values[i].val;
		make_name(ret->names[ret->n].text, sizeof(ret->names[0].text), name, prefix);
		ret->n++;
	}
}

static const char *name_of(const struct enum_names *names, int value)
{
	for (size_t i = 0; i < names->n; i++)
		if (names->names[i].value == value)
			return names->names[i].text;
	return "unknown";
}

static int on_record(void *userdata, void *data, size_t n_bytes)
{
	struct kernel_source *k = userdata;
	const struct poison_event *event = data;
	uint64_t phys_start;

	if (n_bytes < sizeof(*event) || __builtin_mul_overflow(event->pfn, PAGE_BYTES, &phys_start))
		return 0;
	k->callbacks.on_memory_failure(phys_start, name_of(&k->page_types, event->page_type),
				       name_of(&k->results, event->result), k->userdata);
	return 0;
}

static void tell_lost(struct kernel_source *k)
{
	uint64_t n_lost = __atomic_load_n(&k->skeleton->bss->n_lost, __ATOMIC_RELAXED);

	if (n_lost == k->n_lost)
		return;
	k->callbacks.on_lost(n_lost - k->n_lost, k->userdata);
	k->n_lost = n_lost;
}

/* A ring that cannot be read has lost something: what, the next scan shows. */
static int on_ring_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct kernel_source *k = userdata;

	if (ring_buffer__consume(k->ring) < 0)
		k->callbacks.on_lost(1, k->userdata);
	tell_lost(k);
	return 0;
}

/* Names, and whether this kernel has what we attach to. */
static int read_btf(struct kernel_source *k, const char **ret_reason)
{
	_cleanup_(btf__freep) struct btf *btf = NULL;

	btf = btf__load_vmlinux_btf();
	if (!btf) {
		*ret_reason = "This kernel does not describe its types (no BTF)";
		return -ENOENT;
	}
	if (btf__find_by_name_kind(btf, "btf_trace_memory_failure_event", BTF_KIND_TYPEDEF) < 0) {
		*ret_reason = "This kernel has no memory_failure_event tracepoint";
		return -ENOENT;
	}
	read_names(btf, "mf_action_page_type", "MF_MSG_", &k->page_types);
	read_names(btf, "mf_result", "MF_", &k->results);
	return 0;
}

static int load(struct kernel_source *k, const char **ret_reason)
{
	int r;

	*ret_reason = "The BPF program cannot be loaded";
	k->skeleton = poison_bpf__open_and_load();
	r = k->skeleton ? 0 : -errno;
	if (r >= 0)
		r = poison_bpf__attach(k->skeleton);
	if (r == -EPERM || r == -EACCES) {
		*ret_reason = "Not allowed to load BPF programs (CAP_BPF and CAP_PERFMON)";
		return -EPERM;
	}
	return r;
}

static int read_ring(struct kernel_source *k, sd_event *event, const char **ret_reason)
{
	int r;

	*ret_reason = "The BPF ring cannot be read";
	k->ring = ring_buffer__new(bpf_map__fd(k->skeleton->maps.ring), on_record, k, NULL);
	if (!k->ring)
		return -errno;
	r = sd_event_add_io(event, &k->source, ring_buffer__epoll_fd(k->ring), EPOLLIN,
			    on_ring_readable, k);
	if (r < 0)
		return r;
	sd_event_source_set_description(k->source, "kernel");
	return 0;
}

int kernel_new(sd_event *event, const struct kernel_callbacks *callbacks, void *userdata,
	       struct kernel_source **ret, const char **ret_reason)
{
	_cleanup_(kernel_freep) struct kernel_source *k = NULL;
	int r;

	assert(event);
	assert(callbacks);
	assert(ret);
	assert(ret_reason);

	*ret_reason = "Out of memory";
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->callbacks = *callbacks;
	k->userdata = userdata;

	/* It would write to stderr what is an ordinary answer here. */
	libbpf_set_print(ignore_messages);
	r = read_btf(k, ret_reason);
	if (r >= 0)
		r = load(k, ret_reason);
	/* The kernel's types took some 10 MB, of which the allocator gives back nothing by itself.
	 */
	malloc_trim(0);
	if (r < 0)
		return r;
	r = read_ring(k, event, ret_reason);
	if (r < 0)
		return r;

	*ret_reason = NULL;
	*ret = TAKE(k);
	return 0;
}

struct kernel_source *kernel_free(struct kernel_source *k)
{
	if (!k)
		return NULL;
	sd_event_source_disable_unref(k->source);
	ring_buffer__free(k->ring);
	poison_bpf__destroy(k->skeleton);
	free(k);
	return NULL;
}

#else

int kernel_new(sd_event *event, const struct kernel_callbacks *callbacks, void *userdata,
	       struct kernel_source **ret, const char **ret_reason)
{
	*ret_reason = "Built without BPF";
	return -EOPNOTSUPP;
}

struct kernel_source *kernel_free(struct kernel_source *k)
{
	return NULL;
}

#endif
