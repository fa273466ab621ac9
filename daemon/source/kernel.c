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
 * How the programs come into the kernel is kernel-load.c.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "source/kernel.h"

#ifdef HAVE_BPF

#include <stdbool.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "bpf/poison.h"
#include "source/kernel-load.h"
#include "source/kernel-page.h"
#include "source/kernel-sums.h"

/* As long as records come faster than they are taken, others want their turn, too. */
#define MAX_AT_ONCE 1024u
#define TURN_USEC   20000u
#define LATER_USEC  1000000u

/* More than the ring holds. */
#define MAX_LAST_TURNS (POISON_RING_BYTES / POISON_BYTES(failure) / 8)

#define NSEC_PER_USEC 1000u
#define NSEC_PER_SEC  1000000000u

/* struct mce: x86's machine check bank registers */
#define STATUS_UNCORRECTED  (1ull << 61)
#define STATUS_HAS_MISC	    (1ull << 59)
#define STATUS_HAS_ADDRESS  (1ull << 58)
#define MISC_ADDRESS_LSB(m) ((m)&0x3f)

struct kernel_source {
	struct kernel_callbacks callbacks;
	void *userdata;
	struct kernel_programs programs;
	bool edac; /* a driver decodes corrected errors: the bare ones would be told twice */
	struct ring_buffer *ring;
	sd_event_source *source;
	unsigned n_at_once;
	uint64_t turn_end_usec;
	sd_event_source *later; /* another look at the losses, or NULL */
	bool is_busy; /* since that was set */
	uint64_t n_unreadable;
	struct kernel_losses losses; /* told so far */
	uint64_t n_untold_sums; /* likewise */
};

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

static size_t bytes_of(__u32 kind)
{
	static const size_t bytes[] = {
		[POISON_CHECK] = POISON_BYTES(check),
		[POISON_FAILURE] = POISON_BYTES(failure),
		[POISON_SIGNAL] = POISON_BYTES(signal),
		[POISON_CORRECTED] = POISON_BYTES(corrected),
		[POISON_ENTRY] = POISON_BYTES(failure),
		[POISON_RETURN] = POISON_BYTES(failure),
		[POISON_DAX] = POISON_BYTES(dax),
		[POISON_SOFT_OFFLINE] = POISON_BYTES(failure),
		[POISON_PAGE] = POISON_BYTES(page),
		[POISON_NAMES] = sizeof(struct poison_names),
		[POISON_UNPOISON] = POISON_BYTES(failure),
	};

	return kind < sizeof(bytes) / sizeof(bytes[0]) ? bytes[kind] : SIZE_MAX;
}

static void take_record(struct kernel_source *k, const void *data, size_t n_bytes)
{
	const struct poison_event *event = data;
	struct kernel_report report = { 0 };
	struct page_facts page;
	char label[POISON_LABEL_BYTES], name[PAGE_NAME_BYTES];
	int r = 0;

	if (n_bytes < offsetof(struct poison_event, check) || n_bytes < bytes_of(event->kind))
		return;
	report.seen_usec = event->seen_mono_nsec / NSEC_PER_USEC;
	report.running_tid = event->running_tid;
	switch (event->kind) {
	case POISON_CHECK:
		report.kind = REPORT_CHECK;
		r = take_check(k, &event->check, &report, label, sizeof(label));
		break;
	case POISON_FAILURE:
		report.kind = REPORT_FAILURE;
		report.page_type = kernel_name_of(&k->programs.page_types,
						  event->failure.page_type);
		report.result = kernel_name_of(&k->programs.results, event->failure.result);
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
		/* What the tracepoint has told is not told again. */
		if (k->programs.tells_again && report.error == -EHWPOISON)
			report.error = 0;
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
		r = page_facts_read(&event->page, k->programs.index_is_huge, &page);
		if (r == 0 && event->page.pfn)
			r = page_of(event->page.pfn, &report.phys);
		break;
	case POISON_NAMES:
		report.kind = REPORT_NAME;
		report.name = name;
		page_name_read(data, name);
		break;
	case POISON_UNPOISON:
		report.kind = REPORT_UNPOISON;
		r = page_of(event->failure.pfn, &report.phys);
		break;
	default:
		return;
	}
	if (r == 0)
		k->callbacks.on_report(&report, k->userdata);
}

static uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / NSEC_PER_USEC;
}

/* Other than 0 ends the turn, with this record taken. */
static int on_ring_record(void *userdata, void *data, size_t n_bytes)
{
	struct kernel_source *k = userdata;

	take_record(k, data, n_bytes);
	if (++k->n_at_once == MAX_AT_ONCE)
		return -EAGAIN;
	/* What begins with some of them takes long. */
	return k->n_at_once % 8 == 0 && now_usec() > k->turn_end_usec ? -EAGAIN : 0;
}

static void tell_sums(struct kernel_source *k)
{
	uint64_t now = kernel_programs_n_untold_sums(&k->programs);

	if (now != k->n_untold_sums)
		k->callbacks.on_sums(k->userdata);
	k->n_untold_sums = now;
}

/* Corrected errors that were only counted are told as such: their sum stays right. */
static void tell_lost(struct kernel_source *k)
{
	struct kernel_losses now, told = k->losses;
	struct kernel_report rest = {
		.kind = REPORT_CORRECTED,
		.controller = -1,
		.label = "lost",
	};

	tell_sums(k);
	kernel_programs_losses(&k->programs, &now);
	now.n_reports += k->n_unreadable;
	if (!memcmp(&now, &told, sizeof(now)))
		return;
	k->losses = now;
	rest.count = now.n_corrected - told.n_corrected;
	if (rest.count)
		k->callbacks.on_report(&rest, k->userdata);
	k->callbacks.on_lost(&now, k->userdata);
}

static void look_later(struct kernel_source *k);

static int on_later(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kernel_source *k = userdata;

	k->later = sd_event_source_disable_unref(k->later);
	if (k->is_busy)
		look_later(k);
	tell_lost(k);
	return 0;
}

/* What is counted right after we looked, with nothing behind it to wake us, would not be told. */
static void look_later(struct kernel_source *k)
{
	k->is_busy = k->later;
	if (k->later)
		return;
	if (sd_event_add_time_relative(sd_event_source_get_event(k->source), &k->later,
				       CLOCK_MONOTONIC, LATER_USEC, 0, on_later, k) < 0)
		k->later = NULL;
}

static int take_turn(struct kernel_source *k)
{
	k->n_at_once = 0;
	k->turn_end_usec = now_usec() + TURN_USEC;
	return ring_buffer__consume(k->ring);
}

/* What has come by the end is told. As long as more comes, that is not for ever. */
static void take_rest(struct kernel_source *k)
{
	unsigned n_turns = 0;

	while (take_turn(k) == -EAGAIN && n_turns++ < MAX_LAST_TURNS)
		;
	kernel_take_sums(k);
	tell_lost(k);
}

/* A ring that cannot be read has lost something: what, the next scan shows. */
static int on_ring_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct kernel_source *k = userdata;
	int r;

	r = take_turn(k);
	if (r == -EAGAIN)
		look_later(k);
	else if (r < 0)
		k->n_unreadable++;
	tell_lost(k);
	return 0;
}

static int read_ring(struct kernel_source *k, sd_event *event, const char **ret_reason)
{
	int ring_fd = k->programs.ring_fd, r;

	*ret_reason = "The BPF ring cannot be read";
	k->ring = ring_buffer__new(ring_fd, on_ring_record, k, NULL);
	if (!k->ring)
		return -errno;
	/* The map itself, not the epoll that libbpf has around it: one less to wake us through. */
	r = sd_event_add_io(event, &k->source, ring_fd, EPOLLIN, on_ring_readable, k);
	if (r < 0)
		return r;
	sd_event_source_set_description(k->source, "kernel");
	return 0;
}

bool kernel_take_sums(struct kernel_source *k)
{
	return kernel_sums_take(k->programs.sums, k->callbacks.on_report, k->userdata);
}

int kernel_new(sd_event *event, const struct kernel_callbacks *callbacks, void *userdata,
	       uint32_t skip, struct kernel_source **ret, const char **ret_reason)
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
	for (unsigned i = 0; i < PROGRAMS_MAX_FDS; i++)
		k->programs.fds[i] = -1;
	k->callbacks = *callbacks;
	k->userdata = userdata;

	r = kernel_programs_load(callbacks, userdata, skip, &k->programs, ret_reason);
	k->edac = access("/sys/devices/system/edac/mc/mc0", F_OK) == 0;
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
	if (k->ring)
		take_rest(k);
	sd_event_source_disable_unref(k->later);
	sd_event_source_disable_unref(k->source);
	ring_buffer__free(k->ring);
	kernel_programs_done(&k->programs);
	free(k);
	return NULL;
}

#else

int kernel_new(sd_event *event, const struct kernel_callbacks *callbacks, void *userdata,
	       uint32_t skip, struct kernel_source **ret, const char **ret_reason)
{
	*ret_reason = "Built without BPF";
	return -EOPNOTSUPP;
}

struct kernel_source *kernel_free(struct kernel_source *k)
{
	return NULL;
}

bool kernel_take_sums(struct kernel_source *k)
{
	return false;
}

#endif
