// SPDX-License-Identifier: GPL-2.0-or-later
/* events: see events.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/poison.skel.h"
#include "bpf/probes.skel.h"
#include "tests/bench/events.h"
#include "tests/bench/measure.h"
#include "tests/bench/put.skel.h"

#define FIRE "/sys/kernel/debug/edacbed/fire"

#define PAUSE_USEC 40000u

struct events {
	/* The kernel's own, heard by the daemon's programs; or ... */
	struct poison_bpf *poison;
	struct probes_bpf *probes;
	struct ring_buffer *ring;
	/* ... put into the ring of who listens. It also sees when lines leave. */
	struct put_bpf *put;
	bool is_real;
	/* A process of its own makes them, so that who listens sleeps meanwhile. */
	pid_t firer;
	int order_fd;
	/* which one is looked for in the ring, and what was found */
	enum event_kind kind;
	unsigned number;
	uint64_t seen_nsec;
};

struct order {
	enum event_kind kind;
	unsigned number;
};

bool events_are_real(void)
{
	return access(FIRE, W_OK) == 0;
}

void events_label(unsigned number, char ret[16])
{
	snprintf(ret, 16, "L%u.", number);
}

/* ---- in the process that makes them ---- */

/* From 6.11 on the kernel signals whoever asked for the loss, as if it had touched the page. */
static void on_bus(int number)
{
}

/* A guest's memory: the page stays lost until it ends. */
static void lose_a_page(void)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	char *page = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);

	if (page == MAP_FAILED)
		die("mmap", -errno);
	*page = 1;
	usleep(PAUSE_USEC);
	signal(SIGBUS, on_bus);
	if (madvise(page, page_bytes, MADV_HWPOISON) < 0)
		die("MADV_HWPOISON", -errno);
}

static void correct_an_error(unsigned number)
{
	int fd = open(FIRE, O_WRONLY | O_CLOEXEC);
	char label[16], line[64];

	events_label(number, label);
	snprintf(line, sizeof(line), "1 1 %s", label);
	usleep(PAUSE_USEC);
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		die(FIRE, -errno);
	close(fd);
}

static void put_a_record(struct put_bpf *put, const struct order *order)
{
	struct poison_event *record = &put->bss->record;
	LIBBPF_OPTS(bpf_test_run_opts, options);

	memset(record, 0, sizeof(*record));
	if (order->kind == CORRECTED) {
		record->kind = POISON_CORRECTED;
		record->corrected.count = 1;
		events_label(order->number, record->corrected.label);
	} else {
		record->kind = POISON_FAILURE;
		record->failure.pfn = 0x100000000 + order->number;
	}
	put->bss->n_wanted = 1;
	usleep(PAUSE_USEC);
	if (bpf_prog_test_run_opts(bpf_program__fd(put->progs.put_records), &options) < 0)
		die("put_records", -errno);
}

static _Noreturn void make_events(struct put_bpf *put, int order_fd)
{
	struct order order;

	while (read(order_fd, &order, sizeof(order)) == sizeof(order)) {
		if (put)
			put_a_record(put, &order);
		else if (order.kind == CORRECTED)
			correct_an_error(order.number);
		else
			lose_a_page();
	}
	_exit(0);
}

static int start_firer(struct events *e)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	e->firer = fork();
	if (e->firer < 0)
		return -errno;
	if (e->firer == 0) {
		close(pair[1]);
		make_events(e->is_real ? NULL : e->put, pair[0]);
	}
	close(pair[0]);
	e->order_fd = pair[1];
	return 0;
}

/* ---- programs ---- */

static int be_silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static int on_record(void *userdata, void *data, size_t n_bytes)
{
	const struct poison_event *record = data;
	struct events *e = userdata;

	if (events_is(record, e->kind, e->number))
		e->seen_nsec = record->seen_mono_nsec;
	return 0;
}

static int load_real(struct events *e)
{
	int r = 0;

	e->poison = poison_bpf__open();
	e->probes = probes_bpf__open();
	if (!e->poison || !e->probes)
		return -ENOMEM;
	r = poison_bpf__load(e->poison);
	if (r >= 0)
		r = bpf_map__reuse_fd(e->probes->maps.ring, bpf_map__fd(e->poison->maps.ring));
	if (r >= 0)
		r = probes_bpf__load(e->probes);
	if (r >= 0)
		r = poison_bpf__attach(e->poison);
	if (r >= 0)
		r = probes_bpf__attach(e->probes);
	return r < 0 ? -EOPNOTSUPP : 0;
}

/* Of the maps that a process has open: its ring, by what the kernel says of its descriptors. */
static int ring_of(pid_t pid)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	struct dirent *entry;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		unsigned type = 0, id = 0;
		char name[320], line[128];
		_cleanup_(fclosep) FILE *f = NULL;

		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		f = fopen(name, "re");
		while (f && fgets(line, sizeof(line), f)) {
			sscanf(line, "map_type: %u", &type);
			sscanf(line, "map_id: %u", &id);
		}
		if (type == BPF_MAP_TYPE_RINGBUF)
			return bpf_map_get_fd_by_id(id);
	}
	return -ENOENT;
}

static int load_put(struct events *e, pid_t daemon)
{
	int ring_fd, r = 0;

	e->put = put_bpf__open();
	if (!e->put)
		return -ENOMEM;
	if (daemon && !e->is_real) {
		ring_fd = ring_of(daemon);
		if (ring_fd < 0)
			return ring_fd;
		r = bpf_map__reuse_fd(e->put->maps.ring, ring_fd);
		close(ring_fd);
	}
	if (r >= 0)
		r = put_bpf__load(e->put);
	if (r >= 0)
		r = put_bpf__attach(e->put);
	return r < 0 ? -EOPNOTSUPP : 0;
}

int events_new(pid_t daemon, struct events **ret)
{
	struct events *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	libbpf_set_print(be_silent);
	e->is_real = events_are_real();
	r = load_put(e, daemon);
	if (r >= 0 && e->is_real)
		r = load_real(e);
	if (r >= 0 && e->is_real) {
		e->ring = ring_buffer__new(events_ring_fd(e), on_record, e, NULL);
		r = e->ring ? 0 : -errno;
	}
	if (r >= 0)
		r = start_firer(e);
	if (r < 0) {
		events_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

struct events *events_free(struct events *e)
{
	if (e->firer > 0) {
		close(e->order_fd);
		waitpid(e->firer, NULL, 0);
	}
	ring_buffer__free(e->ring);
	probes_bpf__destroy(e->probes);
	poison_bpf__destroy(e->poison);
	put_bpf__destroy(e->put);
	free(e);
	return NULL;
}

/* ---- one of them ---- */

void events_fire(struct events *e, enum event_kind kind, unsigned number)
{
	struct order order = { kind, number };

	e->kind = kind;
	e->number = number;
	e->seen_nsec = e->put->bss->sent_mono_nsec = 0;
	if (write(e->order_fd, &order, sizeof(order)) != sizeof(order))
		die("the process that makes events", -errno);
}

int events_ring_fd(const struct events *e)
{
	return bpf_map__fd(e->is_real ? e->poison->maps.ring : e->put->maps.ring);
}

bool events_is(const struct poison_event *record, enum event_kind kind, unsigned number)
{
	char label[16];

	if (kind == FAILURE)
		return record->kind == POISON_FAILURE;
	events_label(number, label);
	return record->kind == POISON_CORRECTED && !strcmp(record->corrected.label, label);
}

uint64_t events_seen_nsec(struct events *e)
{
	if (!e->is_real)
		return e->put->bss->seen_mono_nsec;
	ring_buffer__consume(e->ring);
	return e->seen_nsec;
}

void events_watch(struct events *e, pid_t sender)
{
	e->put->bss->sender_tgid = sender;
	e->put->bss->reader_tgid = getpid();
}

uint64_t events_sent_nsec(const struct events *e)
{
	return e->put->bss->sent_mono_nsec;
}
