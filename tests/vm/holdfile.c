// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * holdfile: a process that has a file mapped or open, for scenarios to harm.
 *
 *   scenario ──► [holdfile] ──► a log that the scenario reads
 *
 * It says what happens to it, one line each: "ready ADDR", every SIGBUS with its
 * code, every other signal with its value, and, in its loops, every byte that
 * is not what it was. It survives a SIGBUS, so that what comes after shows too.
 *
 * Signals that can wait go through a pipe to the main loop. A SIGBUS from our
 * own access cannot: it jumps back over the access.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const char usage[] =
	"usage: holdfile MODE [OPTIONS] FILE\n"
	"modes: sleep   map, touch, wait\n"
	"       check   read the range again and again, tell when it changes\n"
	"       spin    read one byte of the range without end, until a SIGBUS\n"
	"       store   write counters into slots of the range, check each before the next\n"
	"       open    only have it open\n"
	"       read    pread the range, print it and end\n"
	"       where   print \"MAJOR:MINOR BYTE\", its place on the block device, and end\n"
	"       forge   send itself the SIGBUS of a lost page, 100 times, and end\n"
	"  --map shared|sync|private   how to map it (shared)\n"
	"  --map anonymous|thp|huge    memory of no file, in pages of 4 KiB, or of 2 MiB; FILE is "
	"-\n"
	"  --map-length N              map so much, from 0 on; the range is a part of it\n"
	"  --phys                      print \"phys ADDR\" of the range's first page\n"
	"  --poison                    MADV_HWPOISON that page\n"
	"  --write                     open and map writable (store: always)\n"
	"  --offset N --length N       the range of the file (0, 4096)\n"
	"  --slots FROM:TO             where in the range store and check work (all of it)\n"
	"  --no-touch                  map the range without looking at it\n"
	"  --early-kill                ask for SIGBUS as soon as a page is lost\n"
	"  --die                       of SIGBUS\n"
	"  --ignore-term               report SIGTERM and stay\n"
	"  --release-on-term           on SIGTERM unmap and close, and live on\n"
	"  --log FILE                  append there instead of standard output\n"
	"SIGUSR1, SIGHUP and SIGRTMIN are reported; SIGUSR2 prints what the range holds now.\n";

#define N_SLOTS	    16
#define PAUSE_MSEC  1 /* between rounds: some 1000 accesses a second */
#define MANY_SIGBUS 200 /* reported one by one up to here, then counted */

static struct {
	const char *mode, *map, *file, *log;
	bool write, no_touch, early_kill, die, ignore_term, release_on_term, phys, poison;
	uint64_t offset, length, map_length, slots_from, slots_to;
} opt = { .map = "shared", .length = 4096 };

static int fd = -1;
static unsigned char *base; /* the range; NULL when it is not mapped */
static int signal_pipe[2];
static sigjmp_buf access_failed;
static volatile sig_atomic_t in_access;
static volatile unsigned long n_sigbus, n_rounds, n_lost;

static void die(const char *what)
{
	printf("failed %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- signals */

static const char *code_name(int code)
{
	switch (code) {
	case BUS_ADRERR:
		return "BUS_ADRERR";
	case BUS_MCEERR_AR:
		return "BUS_MCEERR_AR";
	case BUS_MCEERR_AO:
		return "BUS_MCEERR_AO";
	case SI_USER:
		return "SI_USER";
	case SI_QUEUE:
		return "SI_QUEUE";
	default:
		return "other";
	}
}

/* Smaller than PIPE_BUF, hence whole or not at all. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	if (write(signal_pipe[1], info, sizeof(*info)) < 0)
		_exit(3);
	errno = saved;

	/* "Action optional" tells of a loss elsewhere; the access goes on. */
	if (sig != SIGBUS || info->si_code == BUS_MCEERR_AO)
		return;
	if (!in_access)
		_exit(4);
	siglongjmp(access_failed, 1);
}

static void print_sigbus(const siginfo_t *info)
{
	uint64_t addr = (uintptr_t)info->si_addr, start = (uintptr_t)base;

	if (++n_sigbus > MANY_SIGBUS)
		return;
	printf("sigbus code=%d %s addr=0x%" PRIx64 " lsb=%d", info->si_code,
	       code_name(info->si_code), addr, info->si_addr_lsb);
	if (base && addr >= start && addr < start + opt.length)
		printf(" offset=%" PRIu64, opt.offset + addr - start);
	printf("\n");
}

/* --- the range */

static uint32_t crc32_of(const unsigned char *p, size_t n)
{
	uint32_t crc = ~0u;

	while (n--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static void print_bytes(const char *how, const unsigned char *p)
{
	printf("%s crc=%08x head=", how, crc32_of(p, opt.length));
	for (uint64_t i = 0; i < 16 && i < opt.length; i++)
		printf("%02x", p[i]);
	printf("\n");
}

/* Copies between the mapping and us; false when it raised SIGBUS. */
static bool guarded_copy(void *to, const void *from, size_t n)
{
	if (sigsetjmp(access_failed, 1)) {
		in_access = 0;
		return false;
	}
	in_access = 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	memcpy(to, from, n);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	in_access = 0;
	return true;
}

static void print_range(unsigned char *buf)
{
	if (!base)
		printf("now unmapped\n");
	else if (guarded_copy(buf, base, opt.length))
		print_bytes("now", buf);
	else
		printf("now sigbus\n");
}

static void read_range(unsigned char *buf)
{
	ssize_t n = pread(fd, buf, opt.length, opt.offset);

	if (n < 0)
		printf("read errno=%d %s\n", errno, strerror(errno));
	else if ((uint64_t)n < opt.length)
		printf("read short=%zd\n", n);
	else
		print_bytes("read", buf);
}

static void print_where(void)
{
	union {
		struct fiemap map;
		char bytes[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
	} u = { .map = { .fm_start = opt.offset,
			 .fm_length = 1,
			 .fm_extent_count = 1,
			 .fm_flags = FIEMAP_FLAG_SYNC } };
	const struct fiemap_extent *e = (const struct fiemap_extent *)(u.bytes + sizeof(u.map));
	struct stat st;

	if (fstat(fd, &st) < 0 || ioctl(fd, FS_IOC_FIEMAP, &u.map) < 0)
		die("fiemap");
	errno = ENODATA;
	if (!u.map.fm_mapped_extents || e->fe_logical > opt.offset)
		die("where");
	printf("%u:%u %" PRIu64 "\n", major(st.st_dev), minor(st.st_dev),
	       (uint64_t)(e->fe_physical + opt.offset - e->fe_logical));
}

#define HUGE_BYTES (2ull << 20)

/* Memory of no file. What is to be of 2 MiB pages is aligned to them, and filled. */
static unsigned char *map_memory(void)
{
	bool thp = !strcmp(opt.map, "thp");
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | (!strcmp(opt.map, "huge") ? MAP_HUGETLB : 0);
	uint64_t length = opt.map_length ? opt.map_length : opt.length;
	unsigned char *p = mmap(NULL, length + (thp ? HUGE_BYTES : 0), PROT_READ | PROT_WRITE,
				flags, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	if (thp) {
		p = (unsigned char *)(((uintptr_t)p + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1));
		if (madvise(p, length, MADV_HUGEPAGE) < 0)
			die("MADV_HUGEPAGE");
	}
	memset(p, 0x5a, length);
	return p;
}

static unsigned char *map_file(void)
{
	int prot = PROT_READ | (opt.write ? PROT_WRITE : 0), flags = MAP_SHARED;
	unsigned char *p;

	if (!strcmp(opt.map, "private"))
		flags = MAP_PRIVATE;
	else if (!strcmp(opt.map, "sync"))
		flags = MAP_SHARED_VALIDATE | MAP_SYNC;

	p = mmap(NULL, opt.map_length ? opt.map_length : opt.length, prot, flags, fd,
		 opt.map_length ? 0 : opt.offset);
	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void print_phys(void)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	if (pagemap < 0 || pread(pagemap, &entry, sizeof(entry),
				 (uintptr_t)base / 4096 * sizeof(entry)) != sizeof(entry))
		die("pagemap");
	close(pagemap);
	printf("phys 0x%llx\n", (entry & ((1ull << 55) - 1)) * 4096ull);
}

/* To the kernel this is an access of ours from 6.11 on, and signalled as one. */
static void poison_range(void)
{
	if (sigsetjmp(access_failed, 1)) {
		in_access = 0;
		return;
	}
	in_access = 1;
	if (madvise(base - (uintptr_t)base % 4096, 4096, MADV_HWPOISON) < 0)
		printf("poison errno=%d %s\n", errno, strerror(errno));
	in_access = 0;
}

static void map_range(void)
{
	unsigned char byte;

	base = fd < 0 ? map_memory() : map_file();
	if (opt.map_length)
		base += opt.offset;

	/* A writable one is touched by a store, so that the page table says so too. */
	if (opt.no_touch || !guarded_copy(&byte, base, 1) || !opt.write)
		return;
	guarded_copy(base, &byte, 1);
}

static void release(void)
{
	if (base)
		munmap(base, opt.length);
	base = NULL;
	close(fd);
	fd = -1;
	printf("released\n");
}

/* --- one round of each mode's loop */

static void check_round(unsigned char *before, unsigned char *buf)
{
	uint64_t from = opt.slots_from, n = opt.slots_to - from;

	if (!guarded_copy(buf, base + from, n) || !memcmp(buf, before + from, n))
		return;
	for (uint64_t i = 0; i < n; i++) {
		if (buf[i] == before[from + i])
			continue;
		printf("changed offset=%" PRIu64 " was=%02x is=%02x\n", opt.offset + from + i,
		       before[from + i], buf[i]);
		break;
	}
	memcpy(before + from, buf, n);
	n_lost++;
}

/* A store that raised SIGBUS has not happened: the slot keeps what it had. */
static void store_round(void)
{
	static uint64_t stored[N_SLOTS];
	uint64_t step = (opt.slots_to - opt.slots_from) / N_SLOTS & ~7ull;

	for (int i = 0; i < N_SLOTS; i++) {
		unsigned char *slot = base + opt.slots_from + i * step;
		uint64_t found, next = (n_rounds + 1) << 8 | i;

		if (n_rounds && guarded_copy(&found, slot, sizeof(found)) && found != stored[i]) {
			printf("lost slot=%d stored=%" PRIx64 " found=%" PRIx64 "\n", i, stored[i],
			       found);
			stored[i] = found;
			n_lost++;
		}
		if (guarded_copy(slot, &next, sizeof(next)))
			stored[i] = next;
		else if (!n_rounds)
			guarded_copy(&stored[i], slot, sizeof(stored[i]));
	}
}

/* Returns false when it is time to go. */
static bool handle_signal(const siginfo_t *info, unsigned char *buf)
{
	if (info->si_signo == SIGBUS) {
		print_sigbus(info);
		return true;
	}
	printf("signal %s code=%s pid=%d value=%d\n", sigabbrev_np(info->si_signo) ?: "RTMIN",
	       code_name(info->si_code), info->si_pid, info->si_value.sival_int);
	if (info->si_signo == SIGUSR2)
		print_range(buf);
	if (info->si_signo != SIGTERM || opt.ignore_term)
		return true;
	if (!opt.release_on_term)
		return false;
	release();
	return true;
}

/* Nothing but loads, so that what this processor consumes is ours. */
static void spin(void)
{
	const volatile unsigned char *byte = base;

	if (sigsetjmp(access_failed, 1)) {
		in_access = 0;
		return;
	}
	in_access = 1;
	for (;;)
		(void)*byte;
}

static void wait_and_work(void)
{
	unsigned char *buf = malloc(opt.length), *before = calloc(1, opt.length);
	bool checks = !strcmp(opt.mode, "check"), stores = !strcmp(opt.mode, "store");
	struct pollfd pfd = { .fd = signal_pipe[0], .events = POLLIN };
	siginfo_t info;

	if (!buf || !before)
		die("malloc");
	if (checks)
		guarded_copy(before, base, opt.length);

	for (;;) {
		bool works = base && (checks || stores);

		if (poll(&pfd, 1, works ? PAUSE_MSEC : -1) > 0) {
			if (read(signal_pipe[0], &info, sizeof(info)) != sizeof(info))
				die("read");
			if (!handle_signal(&info, buf))
				break;
			continue;
		}
		if (works && checks)
			check_round(before, buf);
		if (works && stores)
			store_round();
		n_rounds++;
		if (n_rounds == 1 && works)
			printf("working\n");
	}
	printf("done rounds=%lu lost=%lu sigbus=%lu\n", n_rounds, n_lost, n_sigbus);
}

/* --- start */

static void catch_signals(void)
{
	const int reported[] = { SIGBUS, SIGUSR1, SIGUSR2, SIGHUP, SIGTERM, SIGRTMIN };
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	if (pipe2(signal_pipe, O_CLOEXEC) < 0)
		die("pipe2");
	for (size_t i = 0; i < sizeof(reported) / sizeof(reported[0]); i++)
		sigaction(reported[i], &sa, NULL);
}

static void parse(int argc, char **argv)
{
	const struct option longs[] = { { "map", 1, NULL, 'm' },
					{ "write", 0, NULL, 'w' },
					{ "offset", 1, NULL, 'o' },
					{ "length", 1, NULL, 'n' },
					{ "slots", 1, NULL, 's' },
					{ "no-touch", 0, NULL, 't' },
					{ "early-kill", 0, NULL, 'e' },
					{ "die", 0, NULL, 'd' },
					{ "ignore-term", 0, NULL, 'i' },
					{ "release-on-term", 0, NULL, 'r' },
					{ "log", 1, NULL, 'l' },
					{ "map-length", 1, NULL, 'M' },
					{ "phys", 0, NULL, 'p' },
					{ "poison", 0, NULL, 'P' },
					{} };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'm':
			opt.map = optarg;
			break;
		case 'w':
			opt.write = true;
			break;
		case 'o':
			opt.offset = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			opt.length = strtoull(optarg, NULL, 0);
			break;
		case 't':
			opt.no_touch = true;
			break;
		case 'e':
			opt.early_kill = true;
			break;
		case 'd':
			opt.die = true;
			break;
		case 'i':
			opt.ignore_term = true;
			break;
		case 'r':
			opt.release_on_term = true;
			break;
		case 'l':
			opt.log = optarg;
			break;
		case 'M':
			opt.map_length = strtoull(optarg, NULL, 0);
			break;
		case 'p':
			opt.phys = true;
			break;
		case 'P':
			opt.poison = true;
			break;
		case 's':
			if (sscanf(optarg, "%" SCNu64 ":%" SCNu64, &opt.slots_from,
				   &opt.slots_to) == 2)
				break;
			/* fall through */
		default:
			goto wrong;
		}
	}
	if (argc - optind != 2)
		goto wrong;
	opt.mode = argv[optind];
	opt.file = argv[optind + 1];
	if (!strcmp(opt.mode, "store"))
		opt.write = true;
	if (!opt.slots_to)
		opt.slots_to = opt.length;
	if (opt.slots_to <= opt.length && opt.slots_to - opt.slots_from >= 8 * N_SLOTS &&
	    opt.slots_from < opt.slots_to)
		return;
wrong:
	fputs(usage, stderr);
	exit(2);
}

/* As the kernel fills it in, and to one thread as the kernel sends it. */
static void forge(void)
{
	siginfo_t info = {};

	info.si_signo = SIGBUS;
	info.si_code = BUS_MCEERR_AR;
	info.si_addr = &info;
	info.si_addr_lsb = 12;
	for (unsigned i = 0; i < 100; i++) {
		info.si_code = i % 2 ? BUS_MCEERR_AR : BUS_MCEERR_AO;
		if (syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &info) < 0)
			die("rt_tgsigqueueinfo");
	}
}

int main(int argc, char **argv)
{
	unsigned char *buf;

	parse(argc, argv);
	if (opt.log && !freopen(opt.log, "a", stdout))
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	catch_signals();
	if (opt.die)
		signal(SIGBUS, SIG_DFL);
	if (!strcmp(opt.mode, "forge")) {
		signal(SIGBUS, SIG_IGN);
		forge();
		return 0;
	}
	if (opt.early_kill && prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0) < 0)
		die("PR_MCE_KILL_EARLY");

	if (strcmp(opt.file, "-"))
		fd = open(opt.file, (opt.write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0 && strcmp(opt.file, "-"))
		die("open");
	if (!strcmp(opt.mode, "read")) {
		buf = malloc(opt.length);
		if (!buf)
			die("malloc");
		read_range(buf);
		return 0;
	}
	if (!strcmp(opt.mode, "where")) {
		print_where();
		return 0;
	}
	if (strcmp(opt.mode, "open"))
		map_range();

	if (opt.phys)
		print_phys();
	if (opt.poison)
		poison_range();
	printf("ready 0x%" PRIx64 "\n", (uint64_t)(uintptr_t)base);
	if (!strcmp(opt.mode, "spin"))
		spin();
	wait_and_work();
	return 0;
}
