// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * poison: what the hardware reports, and what the kernel did about it.
 *
 *   kernel -> [poison.bpf] -> ring -> daemon/source/kernel.c
 *
 * In:   tracepoints. User space loads those programs alone whose tracepoint the running kernel has.
 * Out:  a record for each event, or one more in n_lost where the ring is full.
 *
 * Copies facts and decides nothing. Pointers are followed by plain loads, so that all of them load
 * under lockdown=confidentiality as well; labels alone, of whose type the verifier knows nothing,
 * are left out then. The types below name what is used of them; where that lies, the kernel's BTF
 * tells when this is loaded.
 */
#include "bpf/poison-ring.h"
#include "bpf/poison-sums.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define SIGBUS	      7
#define BUS_MCEERR_AR 4
#define BUS_MCEERR_AO 5

#define HW_EVENT_ERR_CORRECTED 0
#define CPER_SEV_CORRECTED     2
#define NO_CONTROLLER	       (~0u)

/* In memory of both sides: a sum is taken without a call, and none is taken twice. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct poison_sums);
} sums SEC(".maps");

/* Begun sums, of which no record tells: the ring had no room. */
__u64 n_untold_sums;

/* Corrected errors that are in no sum, as there are too many DIMMs: they are counted. */
__u64 n_corrected_lost;

/* Of n_lost, those without which nobody hears of a failure. */
__u64 n_failures_lost;

/*
 * Set before this is loaded, where the kernel has the function. The newer ones, 6.12.y with them,
 * take the signal's info for a number (kernel/bpf/btf.c, raw_tp_null_args) until it is cast.
 */
const volatile _Bool can_cast = 0;
extern void *bpf_rdonly_cast(void *object, __u32 type) __ksym __weak;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct mce {
	__u64 status, misc, addr;
	__u8 bank;
	__u32 extcpu;
};

struct task_struct {
	int tgid;
	struct task_struct *group_leader;
	__u64 start_boottime;
	char comm[POISON_COMM_BYTES];
};

struct kernel_siginfo {
	int si_code;
	union {
		struct {
			__u32 _pid, _uid;
		} _kill;
	} _sifields;
};

struct cper_sec_mem_err {
	__u64 validation_bits, physical_addr;
};

#pragma clang attribute pop

/*
 * Kernels from 6.13 on pass a struct mce_hw_err, which begins with a struct mce. Not to be asked
 * for by name: a type that the kernel lacks makes libbpf search the modules, which we may not.
 */
SEC("tp_btf/mce_record")
int BPF_PROG(on_mce_record, struct mce *mce)
{
	struct poison_event *event = new_event(POISON_CHECK, POISON_BYTES(check));

	if (!event)
		return 0;
	event->check.status = mce->status;
	event->check.phys_address = mce->addr;
	event->check.misc = mce->misc;
	event->check.bank = mce->bank;
	event->check.cpu = mce->extcpu;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tp_btf/memory_failure_event")
int BPF_PROG(on_memory_failure_event, unsigned long pfn, int page_type, int result)
{
	struct poison_event *event = new_event(POISON_FAILURE, POISON_BYTES(failure));

	if (!event) {
		__sync_fetch_and_add(&n_failures_lost, 1);
		return 0;
	}
	event->failure.pfn = pfn;
	event->failure.page_type = page_type;
	event->failure.result = result;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/*
 * Anybody can send himself such a signal, so it is no more than a hint, and must not push out what
 * counts. Two small values of info are not pointers (SEND_SIG_NOINFO, SEND_SIG_PRIV).
 */
SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal_generate, int sig, struct kernel_siginfo *info, struct task_struct *task)
{
	struct poison_event *event;
	int code;

	if (sig != SIGBUS || (unsigned long)info <= 1)
		return 0;
	if (can_cast)
		info = bpf_rdonly_cast(info, bpf_core_type_id_kernel(struct kernel_siginfo));
	code = info->si_code;
	if ((code != BUS_MCEERR_AR && code != BUS_MCEERR_AO) || !has_room_for_minor())
		return 0;
	event = new_event(POISON_SIGNAL, POISON_BYTES(signal));
	if (!event)
		return 0;
	/* _sigfault._addr, which is in the same place: 6.1 follows a plain load only into the first
	 * member of a union, and there no further than the fields of that member. */
	event->signal.virt_address = info->_sifields._kill._pid | (__u64)info->_sifields._kill._uid
									  << 32;
	event->signal.start_boot_nsec = task->group_leader->start_boottime;
	event->signal.tgid = task->tgid;
	event->signal.code = code;
	__builtin_memcpy(event->signal.comm, task->group_leader->comm, sizeof(event->signal.comm));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* Of the page; where there are too many pages, of its DIMM. */
static __always_inline struct poison_sum *find_sum(struct poison_sum *key)
{
	struct poison_sum *sum;
	struct poison_sums *all;
	__u32 first = 0;

	all = bpf_map_lookup_elem(&sums, &first);
	if (!all)
		return 0;
	sum = poison_sum_find(all->pages, POISON_N_PAGE_SUMS, key);
	if (sum)
		return sum;
	key->phys_start = 0;
	return poison_sum_find(all->dimms, POISON_N_DIMM_SUMS, key);
}

static __always_inline int tell_first(__u64 phys_address, __u32 count, const struct poison_sum *key)
{
	struct poison_event *event = 0;

	if (has_room_for_minor())
		event = new_event(POISON_CORRECTED, POISON_BYTES(corrected));
	if (!event)
		return 0;
	event->corrected.phys_address = phys_address;
	event->corrected.count = count;
	event->corrected.controller = key->controller;
	__builtin_memcpy(event->corrected.label, key->label, sizeof(key->label));
	bpf_ringbuf_submit(event, 0);
	return 1;
}

static __always_inline void take_corrected(__u64 phys_address, __u32 count, __u32 controller,
					   const char *label)
{
	struct poison_sum key = {
		.phys_start = phys_address & ~(POISON_PAGE_BYTES - 1),
		.controller = controller,
	};
	struct poison_sum *sum;

	if (may_read_memory)
		bpf_probe_read_kernel_str(key.label, sizeof(key.label), label);
	sum = find_sum(&key);
	if (!sum) {
		__sync_fetch_and_add(&n_corrected_lost, count);
		return;
	}
	if (poison_sum_change(sum, POISON_SUM_QUIET, POISON_SUM_COUNTING)) {
		if (tell_first(phys_address, count, &key))
			return;
		__sync_fetch_and_add(&n_untold_sums, 1);
	}
	poison_sum_add(sum, count);
}

SEC("tp_btf/mc_event")
int BPF_PROG(on_mc_event, unsigned int type, const char *message, const char *label, int count,
	     __u8 controller, __s8 top, __s8 middle, __s8 low, unsigned long phys_address)
{
	if (type == HW_EVENT_ERR_CORRECTED && count > 0)
		take_corrected(phys_address, count, controller, label);
	return 0;
}

SEC("tp_btf/extlog_mem_event")
int BPF_PROG(on_extlog_mem_event, struct cper_sec_mem_err *error, __u32 number, const void *fru_id,
	     const char *fru_text, __u8 severity)
{
	if (severity == CPER_SEV_CORRECTED)
		take_corrected(error->physical_addr, 1, NO_CONTROLLER, fru_text);
	return 0;
}
