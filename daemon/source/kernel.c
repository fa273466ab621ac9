// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel: see kernel.h.
 *
 *   bpf/poison.bpf.c, bpf/probes.bpf.c, bpf/page.bpf.c -> ring -> [kernel] -> correlate
 *
 * In:   records of the ring.
 * Out:  reports: physical addresses, processes by pid and start, the kernel's own names for what a
 *       page was and what became of it.
 *
 * The kernel's numbers for these differ from one version to the next: 19 is an
 * unknown page on 6.1 and an already poisoned one on 6.12. So names are read from
 * the BTF of the kernel that runs, once.
 *
 * What a kernel lacks is recognised in its BTF before anything is loaded: one
 * program that cannot attach fails all of its object.
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
#include <sys/sysmacros.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpf/poison.h"
#include "bpf/poison.skel.h"
#include "bpf/probes.skel.h"
#include "source/kernel-page.h"

#define MAX_NAMES 64

#define NSEC_PER_USEC 1000u
#define NSEC_PER_SEC  1000000000u

/* struct mce: x86's machine check bank registers */
#define STATUS_UNCORRECTED  (1ull << 61)
#define STATUS_HAS_MISC	    (1ull << 59)
#define STATUS_HAS_ADDRESS  (1ull << 58)
#define MISC_ADDRESS_LSB(m) ((m)&0x3f)

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
	struct probes_bpf *probes; /* NULL: without */
	struct page_source *pages; /* NULL: without */
	bool index_is_huge;
	bool edac; /* a driver decodes corrected errors: the bare ones would be told twice */
	struct ring_buffer *ring;
	sd_event_source *source;
	struct enum_names page_types;
	struct enum_names results;
	uint64_t n_lost, n_corrected_lost; /* told so far */
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

/* ---- records ---- */

static int page_of(uint64_t pfn, struct range *ret)
{
	ret->length_bytes = PAGE_BYTES;
	return __builtin_mul_overflow(pfn, PAGE_BYTES, &ret->start_bytes) ? -EOVERFLOW : 0;
}

/* 0: has an address that means something. The register says how many low bits of it do not. */
static int take_check(const struct kernel_source *k, const struct poison_check *check,
		      struct kernel_report *ret, char *label, size_t n_bytes)
{
	unsigned lsb = check->status & STATUS_HAS_MISC ? MISC_ADDRESS_LSB(check->misc) : 12;

	if (!(check->status & STATUS_HAS_ADDRESS) || lsb >= 48)
		return -ENODATA;
	ret->phys = (struct range){ check->phys_address & ~((1ull << lsb) - 1), 1ull << lsb };
	ret->corrected = !(check->status & STATUS_UNCORRECTED);
	if (ret->corrected && k->edac)
		return -EALREADY;
	snprintf(label, n_bytes, "machine check bank %u", check->bank);
	ret->label = label;
	ret->count = 1;
	ret->controller = -1;
	return 0;
}

static void take_signal(const struct poison_signal *signal, struct kernel_report *ret)
{
	ret->pid = signal->tgid;
	ret->start_ticks = signal->start_boot_nsec /
			   (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
	ret->comm = signal->comm;
	ret->code = signal->code;
	ret->virt_start = signal->virt_address;
}

static void take_corrected(const struct poison_corrected *corrected, struct kernel_report *ret)
{
	if (corrected->phys_address)
		ret->phys = range_align_out((struct range){ corrected->phys_address, 1 },
					    PAGE_BYTES);
	ret->count = corrected->count;
	ret->controller = corrected->controller <= 255 ? (int)corrected->controller : -1;
	ret->label = *corrected->label ? corrected->label : "unknown";
}

/* The kernel's dev_t is not that of the C library. */
static int take_dax(const struct poison_dax *dax, struct kernel_report *ret)
{
	ret->dev = makedev((unsigned)(dax->device >> 20), (unsigned)(dax->device & 0xfffff));
	ret->inode = dax->inode;
	if (__builtin_mul_overflow(dax->index, PAGE_BYTES, &ret->file_range.start_bytes) ||
	    __builtin_mul_overflow(dax->n_pages, PAGE_BYTES, &ret->file_range.length_bytes))
		return -EOVERFLOW;
	return 0;
}

static int on_record(void *userdata, void *data, size_t n_bytes)
{
	struct kernel_source *k = userdata;
	const struct poison_event *event = data;
	struct kernel_report report = { 0 };
	struct page_facts page;
	char label[POISON_LABEL_BYTES], name[PAGE_NAME_BYTES];
	int r = 0;

	if (n_bytes < sizeof(*event))
		return 0;
	report.seen_usec = event->seen_mono_nsec / NSEC_PER_USEC;
	report.running_tid = event->running_tid;
	switch (event->kind) {
	case POISON_CHECK:
		report.kind = REPORT_CHECK;
		r = take_check(k, &event->check, &report, label, sizeof(label));
		break;
	case POISON_FAILURE:
		report.kind = REPORT_FAILURE;
		report.page_type = name_of(&k->page_types, event->failure.page_type);
		report.result = name_of(&k->results, event->failure.result);
		r = page_of(event->failure.pfn, &report.phys);
		break;
	case POISON_SIGNAL:
		report.kind = REPORT_SIGNAL;
		take_signal(&event->signal, &report);
		break;
	case POISON_CORRECTED:
		report.kind = REPORT_CORRECTED;
		take_corrected(&event->corrected, &report);
		break;
	case POISON_ENTRY:
	case POISON_RETURN:
		report.kind = event->kind == POISON_ENTRY ? REPORT_ENTRY : REPORT_RETURN;
		report.error = event->failure.result;
		r = page_of(event->failure.pfn, &report.phys);
		break;
	case POISON_DAX:
		report.kind = REPORT_DAX;
		r = take_dax(&event->dax, &report);
		break;
	case POISON_SOFT_OFFLINE:
		report.kind = REPORT_CORRECTED;
		report.label = "soft-offline";
		report.count = 1;
		report.controller = -1;
		r = page_of(event->failure.pfn, &report.phys);
		break;
	case POISON_PAGE:
		report.kind = REPORT_PAGE;
		report.page = &page;
		r = page_facts_read(&event->page, k->index_is_huge, &page);
		if (r == 0 && event->page.pfn)
			r = page_of(event->page.pfn, &report.phys);
		break;
	case POISON_NAMES:
		if (n_bytes < sizeof(struct poison_names))
			return 0;
		report.kind = REPORT_NAME;
		report.name = name;
		page_name_read(data, name);
		break;
	case POISON_UNPOISON:
		report.kind = REPORT_UNPOISON;
		r = page_of(event->failure.pfn, &report.phys);
		break;
	default:
		return 0;
	}
	if (r == 0)
		k->callbacks.on_report(&report, k->userdata);
	return 0;
}

static uint64_t count_of(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Corrected errors that were only counted are told as such: their sum stays right. */
static void tell_lost(struct kernel_source *k)
{
	uint64_t n_lost = count_of((uint64_t *)&k->skeleton->bss->n_lost);
	uint64_t n_corrected = count_of((uint64_t *)&k->skeleton->bss->n_corrected_lost);
	struct kernel_report rest = {
		.kind = REPORT_CORRECTED,
		.count = n_corrected - k->n_corrected_lost,
		.controller = -1,
		.label = "unknown",
	};

	if (k->probes)
		n_lost += count_of((uint64_t *)&k->probes->bss->n_lost);
	n_lost += page_source_n_lost(k->pages);
	if (n_lost != k->n_lost)
		k->callbacks.on_lost(n_lost - k->n_lost, k->userdata);
	k->n_lost = n_lost;
	if (rest.count)
		k->callbacks.on_report(&rest, k->userdata);
	k->n_corrected_lost = n_corrected;
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

/* ---- what this kernel has ---- */

#define N_TRACEPOINTS 5

struct tracepoint {
	struct bpf_program *program;
	const char *name;
	bool reads_memory; /* not allowed under lockdown=confidentiality */
};

static void list_tracepoints(struct kernel_source *k, struct tracepoint ret[N_TRACEPOINTS])
{
	ret[0] = (struct tracepoint){ k->skeleton->progs.on_mce_record, "mce_record", false };
	ret[1] = (struct tracepoint){ k->skeleton->progs.on_memory_failure_event,
				      "memory_failure_event", false };
	ret[2] = (struct tracepoint){ k->skeleton->progs.on_signal_generate, "signal_generate",
				      true };
	ret[3] = (struct tracepoint){ k->skeleton->progs.on_mc_event, "mc_event", true };
	ret[4] = (struct tracepoint){ k->skeleton->progs.on_extlog_mem_event, "extlog_mem_event",
				      true };
}

static bool has(const struct btf *btf, const char *prefix, const char *name, __u32 kind)
{
	char full[96];

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	return btf__find_by_name_kind(btf, full, kind) > 0;
}

static void leave_out(struct kernel_source *k, const struct tracepoint *t, const char *reason)
{
	char what[64];

	snprintf(what, sizeof(what), "kernel events: %s", t->name);
	bpf_program__set_autoload(t->program, false);
	k->callbacks.on_degraded(what, reason, k->userdata);
}

/* How many are left. */
static unsigned choose_tracepoints(struct kernel_source *k, const struct btf *btf, bool may_read)
{
	struct tracepoint all[N_TRACEPOINTS];
	unsigned n = 0;

	list_tracepoints(k, all);
	for (unsigned i = 0; i < N_TRACEPOINTS; i++) {
		if (!has(btf, "btf_trace_", all[i].name, BTF_KIND_TYPEDEF))
			leave_out(k, &all[i], "this kernel has no such tracepoint");
		else if (all[i].reads_memory && !may_read)
			leave_out(k, &all[i], "the program for it can't be loaded");
		else
			n++;
	}
	return n;
}

static int open_and_load(struct kernel_source *k, const struct btf *btf, bool may_read)
{
	int r;

	k->skeleton = poison_bpf__open();
	if (!k->skeleton)
		return -errno;
	if (!choose_tracepoints(k, btf, may_read))
		return -ENOENT;
	r = poison_bpf__load(k->skeleton);
	if (r >= 0)
		r = poison_bpf__attach(k->skeleton);
	return r;
}

static int load(struct kernel_source *k, const struct btf *btf, const char **ret_reason)
{
	int r;

	r = open_and_load(k, btf, true);
	if (r < 0 && r != -ENOENT) {
		/* Lockdown forbids some of them. */
		poison_bpf__destroy(k->skeleton);
		k->skeleton = NULL;
		r = open_and_load(k, btf, false);
	}
	*ret_reason = "The BPF programs cannot be loaded";
	if (r == -ENOENT)
		*ret_reason = "This kernel has none of the tracepoints that tell of memory errors";
	if (r == -EPERM || r == -EACCES) {
		*ret_reason = "Not allowed to load BPF programs (CAP_BPF and CAP_PERFMON)";
		return -EPERM;
	}
	return r;
}

static int load_probes(struct kernel_source *k, const struct btf *btf)
{
	bool failure = has(btf, "", "memory_failure", BTF_KIND_FUNC);
	struct probes_bpf *p;
	int r;

	if (!failure)
		return -ENOENT;
	p = k->probes = probes_bpf__open();
	if (!p)
		return -errno;
	bpf_program__set_autoload(p->progs.on_dax_kill_procs,
				  has(btf, "", "mf_dax_kill_procs", BTF_KIND_FUNC));
	bpf_program__set_autoload(p->progs.on_soft_offline_return,
				  has(btf, "", "soft_offline_page", BTF_KIND_FUNC));
	r = bpf_map__reuse_fd(p->maps.ring, bpf_map__fd(k->skeleton->maps.ring));
	if (r >= 0)
		r = probes_bpf__load(p);
	if (r >= 0)
		r = probes_bpf__attach(p);
	return r;
}

static void load_pages(struct kernel_source *k, const struct btf *btf)
{
	const char *reason = NULL;
	int r;

	k->index_is_huge = page_index_is_huge(btf);
	r = page_source_new(btf, bpf_map__fd(k->skeleton->maps.ring), &k->pages, &reason);
	if (r < 0)
		k->callbacks.on_degraded("kernel events: pages", reason, k->userdata);
}

static int read_kernel(struct kernel_source *k, const char **ret_reason)
{
	_cleanup_(btf__freep) struct btf *btf = NULL;
	int r;

	btf = btf__load_vmlinux_btf();
	if (!btf) {
		*ret_reason = "This kernel does not describe its types (no BTF)";
		return -ENOENT;
	}
	read_names(btf, "mf_action_page_type", "MF_MSG_", &k->page_types);
	read_names(btf, "mf_result", "MF_", &k->results);
	r = load(k, btf, ret_reason);
	if (r < 0)
		return r;
	r = load_probes(k, btf);
	if (r < 0) {
		probes_bpf__destroy(k->probes);
		k->probes = NULL;
		k->callbacks.on_degraded("kernel events: probes",
					 "the way of a page through memory_failure() can't be "
					 "followed in this kernel",
					 k->userdata);
		return 0;
	}
	load_pages(k, btf);
	return 0;
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
	r = read_kernel(k, ret_reason);
	k->edac = access("/sys/devices/system/edac/mc/mc0", F_OK) == 0;
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
	page_source_free(k->pages);
	probes_bpf__destroy(k->probes);
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
