// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * holders: real processes that hold real files.
 *
 * A holder is this program again, run from a copy: processes that run the asker's own program
 * file are left out. It does what its arguments say, one letter each, tells us, and waits until
 * we let it go:
 *
 * r, w    open the file for reading, for both             s, x    map it shared, writable or not
 * p        map it privately, writable                      c       close what it opened t  start
 * a thread                                  n       take a name that is hard to parse
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "holders/holders.h"
#include "holders/proc-maps.h"
#include "holders/process.h"
#include "scratch.h"
#include "test.h"

#define FILE_BYTES (16 * PAGE_BYTES)
#define EVIL_NAME  "a) R 1 1 1\n("

struct child {
	pid_t pid;
	int to_fd;
	int from_fd;
};

struct bed {
	struct scratch dir;
	int proc_fd;
	struct incident *in;
	struct child children[4];
	size_t n_children;
};

static void *wait_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void do_one(char letter, const char *path, int *fd)
{
	bool writable = strchr("wsp", letter) != NULL;
	pthread_t thread;

	if (strchr("rwsxp", letter) && *fd < 0)
		*fd = open(path, writable ? O_RDWR : O_RDONLY);
	if (strchr("sxp", letter) &&
	    mmap(NULL, FILE_BYTES, PROT_READ | (writable ? PROT_WRITE : 0),
		 letter == 'p' ? MAP_PRIVATE : MAP_SHARED, *fd, 0) == MAP_FAILED)
		exit(99);
	if (letter == 'c') {
		close(*fd);
		*fd = -1;
	}
	if (letter == 't' && pthread_create(&thread, NULL, wait_for_ever, NULL))
		exit(99);
	if (letter == 'n')
		prctl(PR_SET_NAME, EVIL_NAME);
}

/* Pairs of a path and the letters for it. */
static int hold(char **arguments)
{
	char c;

	for (; arguments[0]; arguments += 2) {
		int fd = -1;

		for (const char *letter = arguments[1]; *letter; letter++)
			do_one(*letter, arguments[0], &fd);
	}
	if (write(1, "!", 1) != 1)
		return 99;
	return read(0, &c, 1) != 0;
}

static int copy_program(const char *to)
{
	_cleanup_(closep) int from_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_(closep) int to_fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	struct stat st;
	off_t left;

	if (from_fd < 0 || to_fd < 0 || fstat(from_fd, &st) < 0)
		return -errno;
	for (left = st.st_size; left > 0;) {
		ssize_t n = copy_file_range(from_fd, NULL, to_fd, NULL, (size_t)left, 0);

		if (n <= 0)
			return -EIO;
		left -= n;
	}
	return 0;
}

static struct bed bed_new(void)
{
	struct bed b = { .dir = scratch_new() };
	struct stat st;
	int fd;

	b.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = open(scratch_file(&b.dir, "data"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	b.in = incident_new((struct range){ 0, PAGE_BYTES }, SOURCE_BADBLOCKS);
	if (fd < 0 || !b.in || ftruncate(fd, FILE_BYTES) < 0 || fstat(fd, &st) < 0 ||
	    copy_program(scratch_file(&b.dir, "holder")) < 0)
		exit(99);
	close(fd);
	b.in->owners_complete = true;
	*incident_add_owner(b.in) = (struct owner){
		.kind = OWNER_FILE_DATA,
		.dev = st.st_dev,
		.inode = st.st_ino,
		.file_offset_bytes = 2 * PAGE_BYTES + 512,
		.length_bytes = 1024,
	};
	return b;
}

static void child_end(struct child *c)
{
	int status;

	if (!c->pid)
		return;
	close(c->to_fd);
	close(c->from_fd);
	waitpid(c->pid, &status, 0);
	c->pid = 0;
}

static void bed_done(struct bed *b)
{
	for (size_t i = 0; i < b->n_children; i++)
		child_end(&b->children[i]);
	incident_free(b->in);
	close(b->proc_fd);
	scratch_done(&b->dir);
}

/* letters are for the file, and those for the clone are more, unless that is NULL. */
static struct child *start_program(struct bed *b, const char *program, const char *letters,
				   const char *clone_letters)
{
	struct child *c = &b->children[b->n_children++];
	int in[2], out[2];
	char ready;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		exit(99);
	c->pid = fork();
	if (c->pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl(program, "holder", "hold", scratch_file(&b->dir, "data"), letters,
		      clone_letters ? scratch_file(&b->dir, "clone") : NULL, clone_letters, NULL);
		_exit(99);
	}
	close(in[0]);
	close(out[1]);
	c->to_fd = in[1];
	c->from_fd = out[0];
	if (c->pid < 0 || read(c->from_fd, &ready, 1) != 1)
		exit(99);
	return c;
}

static struct child *start(struct bed *b, const char *letters)
{
	return start_program(b, scratch_file(&b->dir, "holder"), letters, NULL);
}

static struct child *start_on_both(struct bed *b, const char *letters, const char *clone_letters)
{
	return start_program(b, scratch_file(&b->dir, "holder"), letters, clone_letters);
}

/* A second owner of the lost bytes. Which blocks two files share is not looked at here. */
static const struct owner *add_clone(struct bed *b)
{
	int fd = open(scratch_file(&b->dir, "clone"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct owner *o = incident_add_owner(b->in);
	struct stat st;

	if (fd < 0 || !o || ftruncate(fd, FILE_BYTES) < 0 || fstat(fd, &st) < 0)
		exit(99);
	close(fd);
	*o = b->in->owners[0];
	o->inode = st.st_ino;
	return o;
}

static const struct held_owner *held(const struct holder *h, const struct owner *o)
{
	return holder_find_held(h, owner_id_of(o));
}

/* The only holder, or NULL. */
static const struct holder *only_holder(struct bed *b)
{
	if (holders_find(b->proc_fd, &b->in, 1) < 0 || b->in->n_holders != 1)
		return NULL;
	return &b->in->holders[0];
}

TEST(a_file_that_nobody_holds_has_no_holders)
{
	_cleanup_(bed_done) struct bed b = bed_new();

	CHECK(holders_find(b.proc_fd, &b.in, 1) == 0);
	CHECK(b.in->n_holders == 0);
}

TEST(a_mapping_is_found_with_the_address_of_the_lost_bytes)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	struct child *c = start(&b, "sc");
	const struct holder *h = only_holder(&b);

	REQUIRE(h);
	CHECK(h->pid == c->pid);
	CHECK(h->maps);
	CHECK(!h->opens);
	REQUIRE(h->n_mappings == 1);
	CHECK(h->mappings[0].virt_start % PAGE_BYTES == 512);
	CHECK(h->mappings[0].length_bytes == 1024);
	CHECK(h->mappings[0].writable);
}

TEST(a_mapping_of_other_pages_is_not_held)
{
	_cleanup_(bed_done) struct bed b = bed_new();

	b.in->owners[0].file_offset_bytes = FILE_BYTES;
	start(&b, "sc");
	CHECK(holders_find(b.proc_fd, &b.in, 1) == 0);
	CHECK(b.in->n_holders == 0);
}

TEST(lost_bytes_are_clipped_to_the_mapping)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	const struct holder *h;

	b.in->owners[0].file_offset_bytes = FILE_BYTES - 512;
	b.in->owners[0].length_bytes = 4096;
	start(&b, "sc");
	h = only_holder(&b);
	REQUIRE(h && h->n_mappings == 1);
	CHECK(h->mappings[0].length_bytes == 512);
}

TEST(open_for_reading_is_not_open_for_writing)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	struct child *c = start(&b, "r");
	const struct holder *h = only_holder(&b);

	REQUIRE(h);
	CHECK(h->opens && !h->open_writable && !h->maps);
	child_end(c);
	start(&b, "w");
	h = only_holder(&b);
	REQUIRE(h);
	CHECK(h->opens && h->open_writable && !h->maps);
}

TEST(only_shared_and_writable_mappings_can_store)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	struct child *c = start(&b, "pc");
	const struct holder *h = only_holder(&b);

	REQUIRE(h && h->n_mappings == 1);
	CHECK(!h->mappings[0].writable);
	child_end(c);
	start(&b, "xc");
	h = only_holder(&b);
	REQUIRE(h && h->n_mappings == 1);
	CHECK(!h->mappings[0].writable);
}

TEST(several_mappings_of_one_process_are_one_holder)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	const struct holder *h;

	start(&b, "ssxp");
	h = only_holder(&b);
	REQUIRE(h);
	CHECK(h->n_mappings == 4);
	CHECK(h->opens && h->open_writable);
}

TEST(threads_do_not_multiply_a_holder)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	const struct holder *h;

	start(&b, "ttts");
	h = only_holder(&b);
	REQUIRE(h);
	CHECK(h->n_mappings == 1);
}

TEST(several_processes_are_listed_by_pid)
{
	_cleanup_(bed_done) struct bed b = bed_new();

	start(&b, "r");
	start(&b, "s");
	start(&b, "w");
	REQUIRE(holders_find(b.proc_fd, &b.in, 1) == 0);
	REQUIRE(b.in->n_holders == 3);
	CHECK(b.in->holders[0].pid < b.in->holders[1].pid);
	CHECK(b.in->holders[1].pid < b.in->holders[2].pid);
}

TEST(one_walk_answers_for_several_incidents)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	_cleanup_(incident_freep) struct incident *other =
		incident_new((struct range){ 0, PAGE_BYTES }, SOURCE_BADBLOCKS);
	struct incident *both[2] = { b.in, other };
	struct owner *o = incident_add_owner(other);

	*o = b.in->owners[0];
	o->file_offset_bytes = 8 * PAGE_BYTES;
	o->length_bytes = PAGE_BYTES;
	start(&b, "sc");
	REQUIRE(holders_find(b.proc_fd, both, 2) == 0);
	REQUIRE(b.in->n_holders == 1 && other->n_holders == 1);
	CHECK(other->holders[0].mappings[0].virt_start - b.in->holders[0].mappings[0].virt_start ==
	      6 * PAGE_BYTES - 512);
}

TEST(who_holds_only_the_clone_does_not_hold_the_other)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	const struct owner *clone = add_clone(&b);
	const struct holder *h;

	start_on_both(&b, "", "s");
	h = only_holder(&b);
	REQUIRE(h && h->n_holds == 1 && held(h, clone));
	CHECK(held(h, clone)->maps && held(h, clone)->opens);
}

TEST(of_two_files_it_is_known_which_is_mapped_and_which_open)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	const struct owner *clone = add_clone(&b), *data = &b.in->owners[0];
	const struct holder *h;

	start_on_both(&b, "rr", "ssc");
	h = only_holder(&b);
	REQUIRE(h && h->n_holds == 2 && held(h, data) && held(h, clone));
	CHECK(h->maps && h->opens && !h->holds_more);
	CHECK(!held(h, data)->maps && held(h, data)->opens);
	CHECK(held(h, clone)->maps && !held(h, clone)->opens);
}

TEST(both_files_may_be_mapped)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	const struct owner *clone = add_clone(&b), *data = &b.in->owners[0];
	const struct holder *h;

	start_on_both(&b, "xc", "sc");
	unlink(scratch_file(&b.dir, "data"));
	h = only_holder(&b);
	REQUIRE(h && h->n_holds == 2 && h->n_mappings == 2);
	CHECK(held(h, data)->maps && held(h, clone)->maps && !h->opens);
}

/* Beyond what is listed of its mappings, too. */
TEST(a_file_is_not_lost_among_thousands_of_mappings_of_another)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	const struct owner *clone = add_clone(&b);
	const struct holder *h;
	char letters[1500] = "";

	memset(letters, 'x', sizeof(letters) - 1);
	start_on_both(&b, letters, "sc");
	h = only_holder(&b);
	REQUIRE(h);
	CHECK(h->n_holds == 2 && held(h, clone) && held(h, clone)->maps);
	CHECK(h->n_mappings < 1100);
}

TEST(an_unlinked_file_is_found_by_its_inode)
{
	_cleanup_(bed_done) struct bed b = bed_new();

	start(&b, "sc");
	unlink(scratch_file(&b.dir, "data"));
	CHECK(only_holder(&b));
}

TEST(nobody_loses_anything_by_metadata_or_unwritten_extents)
{
	static const enum owner_kind kinds[] = { OWNER_UNWRITTEN, OWNER_XATTR, OWNER_METADATA,
						 OWNER_FREE, OWNER_EXTENT_MAP };
	_cleanup_(bed_done) struct bed b = bed_new();

	start(&b, "s");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		b.in->owners[0].kind = kinds[i];
		CHECK(holders_find(b.proc_fd, &b.in, 1) == 0);
		CHECK(b.in->n_holders == 0);
	}
}

TEST(processes_of_our_own_program_are_left_out)
{
	_cleanup_(bed_done) struct bed b = bed_new();

	start_program(&b, "/proc/self/exe", "s", NULL);
	CHECK(holders_find(b.proc_fd, &b.in, 1) == 0);
	CHECK(b.in->n_holders == 0);
}

TEST(a_process_is_described)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	struct child *c = start(&b, "r");
	const struct holder *h = only_holder(&b);
	uint64_t ticks = 0;

	REQUIRE(h);
	CHECK_STREQ(h->comm, "holder");
	CHECK_STREQ(h->exe, scratch_file(&b.dir, "holder"));
	CHECK(h->uid == geteuid());
	CHECK(process_start_ticks(b.proc_fd, c->pid, &ticks) == 0);
	CHECK(ticks > 0 && h->start_ticks == ticks);
	CHECK(process_is_kernel_thread(b.proc_fd, c->pid) == 0);
}

TEST(a_name_with_parentheses_and_newlines_hides_nothing)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	struct child *c = start(&b, "nr");
	const struct holder *h = only_holder(&b);
	uint64_t ticks = 0;

	REQUIRE(h);
	CHECK_STREQ(h->comm, EVIL_NAME);
	CHECK(process_start_ticks(b.proc_fd, c->pid, &ticks) == 0);
	CHECK(ticks > 100); /* not one of the numbers in the name */
}

TEST(holder_check_follows_what_a_process_does)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	struct child *mapper = start(&b, "sc"), *opener = start(&b, "r"), *both = start(&b, "s");
	uint64_t ticks = 0;

	process_start_ticks(b.proc_fd, mapper->pid, &ticks);
	CHECK(holder_check(b.proc_fd, b.in, mapper->pid, ticks) == HOLDS_MAPPED);
	CHECK(holder_check(b.proc_fd, b.in, mapper->pid, ticks + 1) == -ESRCH);
	process_start_ticks(b.proc_fd, opener->pid, &ticks);
	CHECK(holder_check(b.proc_fd, b.in, opener->pid, ticks) == HOLDS_OPEN);
	process_start_ticks(b.proc_fd, both->pid, &ticks);
	CHECK(holder_check(b.proc_fd, b.in, both->pid, ticks) == (HOLDS_MAPPED | HOLDS_OPEN));
	b.in->owners[0].inode = UINT64_MAX;
	CHECK(holder_check(b.proc_fd, b.in, both->pid, ticks) == 0);
}

TEST(a_process_that_has_ended_holds_nothing)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	struct child *c = start(&b, "s");
	pid_t pid = c->pid;
	struct holder h = {};
	uint64_t ticks = 0;

	process_start_ticks(b.proc_fd, pid, &ticks);
	child_end(c);
	CHECK(holder_check(b.proc_fd, b.in, pid, ticks) == -ESRCH);
	CHECK(process_describe(b.proc_fd, pid, &h) == -ESRCH);
	CHECK(!h.comm && !h.exe);
	CHECK(holders_find(b.proc_fd, &b.in, 1) == 0);
	CHECK(b.in->n_holders == 0);
}

/* Ended, but its parent has not looked: there is still an entry in /proc. */
TEST(a_zombie_holds_nothing)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	struct child *c = start(&b, "s");
	siginfo_t info;
	uint64_t ticks = 0;

	process_start_ticks(b.proc_fd, c->pid, &ticks);
	kill(c->pid, SIGKILL);
	waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT);
	CHECK(holders_find(b.proc_fd, &b.in, 1) == 0);
	CHECK(b.in->n_holders == 0);
	CHECK(holder_check(b.proc_fd, b.in, c->pid, ticks) <= 0);
}

TEST(holders_of_a_file_are_asked_for_by_path)
{
	_cleanup_(bed_done) struct bed b = bed_new();
	struct child *c = start(&b, "sc");
	const char *path = scratch_file(&b.dir, "data");

	REQUIRE(holders_of_file(b.proc_fd, path, 0, 0, b.in) == 0);
	REQUIRE(b.in->n_holders == 1);
	CHECK(b.in->holders[0].pid == c->pid);
	CHECK(b.in->holders[0].mappings[0].length_bytes == FILE_BYTES);
	CHECK(held(&b.in->holders[0], &b.in->owners[0]));

	incident_clear_holders(b.in);
	REQUIRE(holders_of_file(b.proc_fd, path, FILE_BYTES, PAGE_BYTES, b.in) == 0);
	CHECK(b.in->n_holders == 0);
	CHECK(holders_of_file(b.proc_fd, "/no/such/file", 0, 0, b.in) == -ENOENT);
}

TEST(lines_of_maps_are_parsed_whole_or_refused)
{
	static const char good[] = "7f1c4a000000-7f1c4a002000 rw-s 00003000 103:0a 131    /a b\n";
	static const char *const bad[] = {
		"",
		"7f",
		"7f-80",
		"80-7f rw-s 0 0:0 1",
		"7f-80 rw-s",
		"7f-80 rw-s 0 0 1",
		"7f-80 rw-s 0 0:0",
		"7f-80 rw-s x 0:0 1",
		"7f-80 rw-s 0 0:0 1x",
		"fffffffffffffffff-80 rw-s 0 0:0 1",
	};
	struct maps_line m;

	REQUIRE(maps_parse_line(good, good + strlen(good) - 1, &m) == 0);
	CHECK(m.virt_start == 0x7f1c4a000000 && m.virt_end == 0x7f1c4a002000);
	CHECK(m.writable && m.shared && m.offset_bytes == 0x3000 && m.inode == 131);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK(maps_parse_line(bad[i], bad[i] + strlen(bad[i]), &m) == -EBADMSG);
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

TEST(units_and_containers_are_read_from_the_cgroup)
{
	static const struct {
		const char *cgroup;
		const char *unit;
		const char *container;
	} known[] = {
		{ "/", NULL, NULL },
		{ "", NULL, NULL },
		{ "/init.scope", "init.scope", NULL },
		{ "/system.slice/pg.service", "pg.service", NULL },
		{ "/system.slice/pg.service/worker", "pg.service", NULL },
		{ "/system.slice/system-postgresql.slice/postgresql@15-main.service",
		  "postgresql@15-main.service", NULL },
		{ "/user.slice/user-1000.slice/session-3.scope", "session-3.scope", NULL },
		{ "/user.slice/user-1000.slice/user@1000.service", "user@1000.service", NULL },
		{ "/user.slice/user-1000.slice/user@1000.service/app.slice/mail.service",
		  "mail.service", NULL },
		{ "/user.slice/user-1000.slice/user@1000.service/init.scope", "init.scope", NULL },
		{ "/system.slice/docker-" ID ".scope", "docker-" ID ".scope", ID },
		/* the container's own systemd has a pg.service too: that one is not ours to stop */
		{ "/system.slice/docker-" ID ".scope/system.slice/pg.service",
		  "docker-" ID ".scope", ID },
		{ "/docker/" ID, NULL, ID },
		{ "/docker/" ID "/system.slice/pg.service", NULL, ID },
		{ "/machine.slice/libpod-" ID ".scope/container", "libpod-" ID ".scope", ID },
		{ "/machine.slice/libpod-conmon-" ID ".scope", "libpod-conmon-" ID ".scope", NULL },
		{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/"
		  "cri-containerd-" ID ".scope",
		  "cri-containerd-" ID ".scope", ID },
		{ "/kubepods/burstable/pod1-2/" ID, NULL, ID },
		{ "/system.slice/containerd.service/"
		  "kubepods-besteffort-pod1.slice:cri-containerd:" ID,
		  "containerd.service", ID },
		{ "/lxc.payload.web-1/system.slice/pg.service", NULL, "web-1" },
		{ "/lxc/web/init.scope", NULL, "web" },
		{ "/machine.slice/systemd-nspawn@web.service/payload/system.slice/pg.service",
		  "systemd-nspawn@web.service", "web" },
		{ "/machine.slice/machine-my\\x2dbox.scope", "machine-my\\x2dbox.scope", "my-box" },
		{ "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
		  "machine-qemu\\x2d1\\x2dvm.scope", NULL },
		{ "/system.slice/_foo.service", "foo.service", NULL },
		{ "/system.slice/.service", NULL, NULL },
		{ "/system.slice/g" ID ".scope", "g" ID ".scope", NULL },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		_cleanup_(freep) char *unit = NULL;
		_cleanup_(freep) char *container = NULL;

		REQUIRE(cgroup_parse(known[i].cgroup, &unit, &container) == 0);
		if (known[i].unit)
			CHECK_STREQ(unit, known[i].unit);
		else
			CHECK(!unit);
		if (known[i].container)
			CHECK_STREQ(container, known[i].container);
		else
			CHECK(!container);
	}
}

int main(int argc, char **argv)
{
	if (argc >= 4 && argc % 2 == 0 && !strcmp(argv[1], "hold"))
		return hold(argv + 2);
	return test_main();
}
