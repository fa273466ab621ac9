// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel-load: see kernel-load.h.
 *
 *   bpf/poison.bpf.c, bpf/probes.bpf.c, bpf/page.bpf.c -> programs-load -> [kernel-load] -> kernel
 *
 * A child loads them. It says what could not be, what the kernel calls its page types, and which
 * programs listen; its descriptors are all that comes into the daemon.
 */
#include "config.h"

#ifdef HAVE_BPF

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpf/page.skel.h"
#include "bpf/poison-sums.h"
#include "bpf/poison.skel.h"
#include "bpf/probes.skel.h"
#include "programs-load.h"
#include "source/kernel-load.h"

DEFINE_CLEANUP(struct btf *, btf__free);
DEFINE_CLEANUP(struct page_bpf *, page_bpf__destroy);
DEFINE_CLEANUP(struct probes_bpf *, probes_bpf__destroy);

#define MAX_MISSING 16

/* Of PROGRAMS_MAX_FDS. */
enum slot {
	SLOT_RING,
	SLOT_SUMS,
	SLOT_POISON_COUNTERS,
	SLOT_PROBES_COUNTERS,
	SLOT_PAGE_COUNTERS,
	SLOT_LINKS, /* and all behind it */
};

/* What the child says. */
struct loaded {
	int r;
	char reason[128];
	struct {
		char what[64];
		char reason[256];
	} missing[MAX_MISSING];
	unsigned n_missing;
	struct kernel_names page_types, results;
	bool index_is_huge;
};

struct loading {
	struct programs_load load;
	bool can_cast; /* bpf_rdonly_cast(), from 6.2 on */
	struct loaded *loaded;
	int *fds;
	unsigned n_links;
};

static int ignore_messages(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static void add_missing(struct loading *l, const char *what, const char *reason)
{
	struct loaded *to = l->loaded;

	if (to->n_missing == MAX_MISSING)
		return;
	snprintf(to->missing[to->n_missing].what, sizeof(to->missing[0].what), "kernel events: %s",
		 what);
	snprintf(to->missing[to->n_missing].reason, sizeof(to->missing[0].reason), "%s", reason);
	to->n_missing++;
}

/* Several programs may listen in one place: it is told once. */
static bool is_told(const struct loading *l, const char *name)
{
	for (unsigned i = 0; i < l->loaded->n_missing; i++)
		if (!strcmp(l->loaded->missing[i].what + strlen("kernel events: "), name))
			return true;
	return false;
}

/* Another way is there to look at a page, and a test's own are no loss. */
static bool is_spare(const struct loading *l, unsigned program)
{
	return (l->load.absent >> program & 1) &&
	       ((int)program == program_find("hwpoison_filter") ||
		(int)program == program_find("unpoison_memory"));
}

static void on_missing(unsigned program, const char *reason, void *userdata)
{
	if (is_spare(userdata, program) || is_told(userdata, program_place(program)->name))
		return;
	add_missing(userdata, program_place(program)->name, reason);
}

static int fail(struct loading *l, int r, const char *reason)
{
	snprintf(l->loaded->reason, sizeof(l->loaded->reason), "%s", reason);
	return r;
}

/* ---- what this kernel has ---- */

static int read_types(struct loading *l)
{
	_cleanup_(btf__freep) struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return fail(l, -ENOENT, "This kernel does not describe its types (no BTF)");
	kernel_names_read(btf, "mf_action_page_type", "MF_MSG_", &l->loaded->page_types);
	kernel_names_read(btf, "mf_result", "MF_", &l->loaded->results);
	/* 6.7 had no more use for it: the index is that of a small page since then. */
	l->loaded->index_is_huge = btf__find_by_name_kind(btf, "hugetlb_basepage_index",
							  BTF_KIND_FUNC) > 0;
	l->can_cast = btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
	l->load.absent = programs_absent(btf);
	return 0;
}

/* ---- the objects ---- */

static struct bpf_object *open_poison(bool may_read, void *userdata, void **ret)
{
	const struct loading *l = userdata;
	struct poison_bpf *s = poison_bpf__open();

	if (!s)
		return NULL;
	s->rodata->may_read_memory = may_read;
	s->rodata->can_cast = l->can_cast;
	*ret = s;
	return s->obj;
}

static void destroy_poison(void *skeleton)
{
	poison_bpf__destroy(skeleton);
}

/* Its programs write to the ring that is there already. False with errno. */
static bool share_ring(struct bpf_map *ring, const struct loading *l)
{
	int r = bpf_map__reuse_fd(ring, l->fds[SLOT_RING]);

	if (r < 0)
		errno = -r;
	return r >= 0;
}

static struct bpf_object *open_probes(bool may_read, void *userdata, void **ret)
{
	_cleanup_(probes_bpf__destroyp) struct probes_bpf *s = probes_bpf__open();

	if (!s)
		return NULL;
	s->rodata->may_read_memory = may_read;
	if (!share_ring(s->maps.ring, userdata))
		return NULL;
	*ret = s;
	return TAKE(s)->obj;
}

static void destroy_probes(void *skeleton)
{
	probes_bpf__destroy(skeleton);
}

static struct bpf_object *open_page(bool may_read, void *userdata, void **ret)
{
	_cleanup_(page_bpf__destroyp) struct page_bpf *s = page_bpf__open();

	if (!s)
		return NULL;
	s->rodata->may_read_memory = may_read;
	if (!share_ring(s->maps.ring, userdata))
		return NULL;
	*ret = s;
	return TAKE(s)->obj;
}

static void destroy_page(void *skeleton)
{
	page_bpf__destroy(skeleton);
}

static const struct program_object page_object = { open_page, destroy_page };
static const struct program_object poison_object = { open_poison, destroy_poison };
static const struct program_object probes_object = { open_probes, destroy_probes };

static void attach(struct loading *l, struct bpf_object *object)
{
	int *fds = l->fds + SLOT_LINKS + l->n_links;

	l->n_links += programs_attach(&l->load, object, fds,
				      PROGRAMS_MAX_FDS - SLOT_LINKS - l->n_links);
}

/* The skeletons are left as they are: they end with the child. */
static int load_poison(struct loading *l)
{
	struct bpf_object *object;
	struct poison_bpf *s;
	void *skeleton;
	int r;

	r = programs_load(&l->load, &poison_object, &object, &skeleton);
	if (r < 0)
		return r;
	s = skeleton;
	l->fds[SLOT_RING] = bpf_map__fd(s->maps.ring);
	l->fds[SLOT_SUMS] = bpf_map__fd(s->maps.sums);
	l->fds[SLOT_POISON_COUNTERS] = bpf_map__fd(s->maps.bss);
	attach(l, object);
	return 0;
}

static int load_probes(struct loading *l)
{
	struct bpf_object *object;
	struct probes_bpf *s;
	void *skeleton;
	int r;

	r = programs_load(&l->load, &probes_object, &object, &skeleton);
	if (r < 0)
		return r;
	s = skeleton;
	l->fds[SLOT_PROBES_COUNTERS] = bpf_map__fd(s->maps.bss);
	attach(l, object);
	return 0;
}

static void *map_shared(int fd, size_t n_bytes, int protection)
{
	void *shared;

	if (fd < 0)
		return NULL;
	shared = mmap(NULL, n_bytes, protection, MAP_SHARED, fd, 0);
	return shared == MAP_FAILED ? NULL : shared;
}

/* The skeleton's own view is of what the variables were before they were loaded. */
static void *map_counters(int fd)
{
	return map_shared(fd, (size_t)sysconf(_SC_PAGESIZE), PROT_READ);
}

/* Where the kernel's map of pages begins is asked before anybody listens. */
static int load_page(struct loading *l)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	bool has_filter = !((l->load.absent | l->load.skip) >> program_find("hwpoison_filter") & 1);
	struct bpf_object *object;
	const struct page_bpf__bss *now;
	struct page_bpf *s;
	void *skeleton;
	int r;

	r = programs_load(&l->load, &page_object, &object, &skeleton);
	if (r < 0)
		return r;
	s = skeleton;
	if (l->load.may_not_read)
		return -EACCES;
	(void)bpf_prog_test_run_opts(bpf_program__fd(s->progs.read_vmemmap), &options);
	now = map_counters(bpf_map__fd(s->maps.bss));
	if (!has_filter && (!now || !now->vmemmap_start))
		return -ENODATA;
	l->fds[SLOT_PAGE_COUNTERS] = bpf_map__fd(s->maps.bss);
	attach(l, object);
	return 0;
}

/* All that it does is to read. */
static void load_page_or_tell(struct loading *l, bool may_read)
{
	const char *why = "this kernel refuses the program";
	char reason[160];
	int r = may_read ? load_page(l) : -EACCES;

	if (r >= 0)
		return;
	if (r == -EACCES)
		why = "this kernel does not let BPF read its memory (lockdown=confidentiality)";
	else if (r == -ENODATA)
		why = "where the map of pages begins is not known (CAP_SYSLOG)";
	snprintf(reason, sizeof(reason),
		 "%s: whose page of plain memory was lost is told as far as its type tells", why);
	add_missing(l, "pages", reason);
}

static int load_all(struct loading *l)
{
	bool may_not_read;
	int r;

	r = read_types(l);
	if (r < 0)
		return r;
	r = load_poison(l);
	if (r == -EPERM)
		return fail(l, r, "Not allowed to load BPF programs (CAP_BPF and CAP_PERFMON)");
	if (r < 0)
		return fail(l, r, "The BPF programs cannot be loaded");
	may_not_read = l->load.may_not_read;
	r = load_probes(l);
	if (r < 0)
		add_missing(l, "probes", "the way of a page through the kernel can't be followed");
	load_page_or_tell(l, !may_not_read);
	if (may_not_read)
		add_missing(l, "labels",
			    "this kernel does not let BPF read its memory "
			    "(lockdown=confidentiality): the names of DIMMs stay unknown");
	if (!l->n_links)
		return fail(l, -ENOENT, "Nothing that tells of memory errors can be listened to");
	return 0;
}

static void run_in_child(void *result, int fds[static PROGRAMS_MAX_FDS], void *userdata)
{
	const uint32_t *skip = userdata;
	struct loading l = {
		.load = { .skip = *skip, .on_missing = on_missing, .userdata = &l },
		.loaded = result,
		.fds = fds,
	};

	/* It would write to stderr what is an ordinary answer here. */
	libbpf_set_print(ignore_messages);
	l.loaded->r = load_all(&l);
}

/* ---- the daemon's side ---- */

static int take_over(struct kernel_programs *p, const struct loaded *loaded)
{
	p->ring_fd = p->fds[SLOT_RING];
	p->page_types = loaded->page_types;
	p->results = loaded->results;
	p->tells_again = kernel_names_have(&p->page_types, "already-poisoned");
	p->index_is_huge = loaded->index_is_huge;
	p->poison_counters = map_counters(p->fds[SLOT_POISON_COUNTERS]);
	p->probes_counters = map_counters(p->fds[SLOT_PROBES_COUNTERS]);
	p->page_counters = map_counters(p->fds[SLOT_PAGE_COUNTERS]);
	p->sums = map_shared(p->fds[SLOT_SUMS], sizeof(*p->sums), PROT_READ | PROT_WRITE);
	return p->poison_counters && p->sums ? 0 : -ENOMEM;
}

int kernel_programs_load(const struct kernel_callbacks *callbacks, void *userdata, uint32_t skip,
			 struct kernel_programs *ret, const char **ret_reason)
{
	static struct loaded loaded;
	int r;

	if (skip == PROGRAMS_ALL) {
		*ret_reason = "Switched off by SkipBPF=";
		return -ENOENT;
	}
	loaded = (struct loaded){ 0 };
	*ret_reason = "The loader of BPF programs failed";
	r = programs_load_in_child(run_in_child, &skip, &loaded, sizeof(loaded), ret->fds);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < loaded.n_missing; i++)
		callbacks->on_degraded(loaded.missing[i].what, loaded.missing[i].reason, userdata);
	*ret_reason = loaded.reason;
	return loaded.r < 0 ? loaded.r : take_over(ret, &loaded);
}

void kernel_programs_done(struct kernel_programs *p)
{
	for (unsigned i = 0; i < PROGRAMS_MAX_FDS; i++)
		closep(&p->fds[i]);
	if (p->sums)
		munmap(p->sums, sizeof(*p->sums));
	if (p->poison_counters)
		munmap(p->poison_counters, (size_t)sysconf(_SC_PAGESIZE));
	if (p->probes_counters)
		munmap(p->probes_counters, (size_t)sysconf(_SC_PAGESIZE));
	if (p->page_counters)
		munmap(p->page_counters, (size_t)sysconf(_SC_PAGESIZE));
}

static uint64_t count_of(const __u64 *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void kernel_programs_losses(const struct kernel_programs *p, struct kernel_losses *ret)
{
	const struct poison_bpf__bss *poison = p->poison_counters;
	const struct probes_bpf__bss *probes = p->probes_counters;
	const struct page_bpf__bss *page = p->page_counters;

	*ret = (struct kernel_losses){
		.n_reports = count_of(&poison->n_lost),
		.n_failures = count_of(&poison->n_failures_lost),
		.n_corrected = count_of(&poison->n_corrected_lost),
	};
	if (page)
		ret->n_reports += count_of(&page->n_lost);
	if (!probes)
		return;
	ret->n_reports += count_of(&probes->n_lost);
	if (!p->tells_again)
		ret->n_failures += count_of(&probes->n_again_lost);
}

uint64_t kernel_programs_n_untold_sums(const struct kernel_programs *p)
{
	const struct poison_bpf__bss *poison = p->poison_counters;

	return count_of(&poison->n_untold_sums);
}

#endif
