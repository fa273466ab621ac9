// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims about daemon/policy: glob.c, match.c, policy.c, protect.c, explain.c, check.c. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "policy/glob.h"
#include "policy/policy.h"
#include "test.h"

/* A configuration from text, as an administrator would give it. */
static struct config *rules(const char *text)
{
	char path[] = "/tmp/test-policy-XXXXXX";
	struct config *c = NULL;
	_cleanup_(closep) int fd = mkstemp(path);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    config_read(path, true, NULL, NULL, &c) < 0)
		abort();
	unlink(path);
	return c;
}

/* Of all owners the process has only this one, in this way. */
static void holds_only(struct holder *h, const struct owner *o, bool maps, bool opens)
{
	h->n_holds = 0;
	h->maps = maps;
	h->opens = opens;
	if (holder_add_held(h, (struct held_owner){ owner_id_of(o), maps, opens }) < 0)
		abort();
}

static void holds_too(struct holder *h, const struct owner *o, bool maps, bool opens)
{
	h->maps |= maps;
	h->opens |= opens;
	if (holder_add_held(h, (struct held_owner){ owner_id_of(o), maps, opens }) < 0)
		abort();
}

/* One file, held by one process that maps it. */
static struct incident *lost_page(const char *path)
{
	struct incident *in = incident_new((struct range){ 0x8021a000, 4096 }, SOURCE_BADBLOCKS);
	struct owner *o = in ? incident_add_owner(in) : NULL;
	struct holder *h = in ? incident_add_holder(in) : NULL;

	if (!o || !h)
		abort();
	o->kind = OWNER_FILE_DATA;
	o->inode = 131;
	if (strv_push(&o->paths, path) < 0 || string_set(&o->mountpoint, "/srv") < 0 ||
	    string_set(&in->device.blockdev, "pmem0") < 0 ||
	    string_set(&in->device.namespace_name, "namespace0.0") < 0 ||
	    string_set(&in->device.region, "region0") < 0 ||
	    string_set(&in->device.bus, "ndbus0") < 0)
		abort();
	in->owners_complete = true;
	h->pid = 5000000; /* above PID_MAX_LIMIT: nobody has it */
	h->uid = 105;
	holds_only(h, o, true, false);
	if (string_set(&h->comm, "postgres") < 0 || string_set(&h->exe, "/usr/bin/postgres") < 0 ||
	    string_set(&h->unit, "postgresql@15.service") < 0 ||
	    string_set(&h->cgroup, "/system.slice/pg.service") < 0)
		abort();
	return in;
}

static void add_owner(struct incident *in, enum owner_kind kind, const char *path)
{
	struct owner *o = incident_add_owner(in);

	if (!o || (path && strv_push(&o->paths, path) < 0))
		abort();
	o->kind = kind;
	o->inode = 132;
}

static int decide(const char *config, struct incident *in)
{
	_cleanup_(config_freep) struct config *c = rules(config);
	struct policy_context ctx = { .config = c, .proc_fd = -1, .self = getpid() };

	return policy_decide(&ctx, in);
}

#define LOST(path) _cleanup_(incident_freep) struct incident *in = lost_page(path)

/* The overlay of a container engine on the host is ours to name; what is within is the container's.
 */
TEST(a_path_of_an_overlay_counts_in_our_own_namespace_only)
{
	LOST("/srv/layers/1/data");
	struct owner_view *view = owner_add_view(&in->owners[0]);

	string_set(&view->path, "/var/lib/x/merged/data");
	CHECK(!decide("[Rule x]\nPath=/var/lib/x/**\nHolders=kill\n", in));
	CHECK(in->holders[0].action == VERB_KILL);
	view->mount_pid = 99;
	CHECK(!decide("[Rule x]\nPath=/var/lib/x/**\nHolders=kill\n", in));
	CHECK(in->holders[0].action == VERB_REPORT);
}

TEST(globs)
{
	static const struct {
		const char *glob, *path;
		bool matches;
	} table[] = {
		{ "/a", "/a", true },
		{ "/a", "/ab", false },
		{ "/a", "/", false },
		{ "", "", true },
		{ "", "a", false },
		{ "*", "", true },
		{ "*", "a", true },
		{ "*", "/a", false },
		{ "**", "/a/b", true },
		{ "/srv/*", "/srv/a", true },
		{ "/srv/*", "/srv/a/b", false },
		{ "/srv/*", "/srv/", true },
		{ "/srv/*", "/srv", false },
		{ "/srv/**", "/srv/a/b/c", true },
		{ "/srv/**", "/srvx/a", false },
		{ "/srv/**/x", "/srv/a/b/x", true },
		{ "/srv/**/x", "/srv/x", false },
		{ "/srv/**x", "/srv/x", true },
		{ "/srv/*/x", "/srv/a/x", true },
		{ "/srv/*/x", "/srv/a/b/x", false },
		{ "/srv/**/*.db", "/srv/a/b.db", true },
		{ "/srv/**/*.db", "/srv/a.db/b", false },
		{ "/srv/**/a*b/c", "/srv/x/aab/c", true },
		{ "/srv/**/a*b/c", "/srv/ax/b/axb/c", true },
		{ "/srv/***", "/srv/a/b", true },
		{ "/s?v", "/srv", true },
		{ "/s?v", "/s/v", false },
		{ "/s??v", "/srv", false },
		{ "/[a-c]x", "/bx", true },
		{ "/[a-c]x", "/dx", false },
		{ "/[!a-c]x", "/dx", true },
		{ "/[!a-c]x", "/ax", false },
		{ "/[^a]", "/b", true },
		{ "/a[!b]c", "/a/c", false },
		{ "/a[/]c", "/a/c", false },
		{ "/[]]", "/]", true },
		{ "/[]-a]", "/^", true },
		{ "/[a-]", "/-", true },
		{ "/[\\]]", "/]", true },
		{ "/[\\!]", "/!", true },
		{ "/\\*", "/*", true },
		{ "/\\*", "/a", false },
		{ "/\\#", "/#", true },
		{ "/\\\\", "/\\", true },
		{ "/srv/a/", "/srv/a", false },
		{ "/srv/a", "/srv/a/", false },
		{ "/srv/*", "/srv/new\nline", true },
		{ "/srv/?", "/srv/\n", true },
		{ "/srv/*", "/srv/\xff\xfe", true },
		{ "/srv/[\xf0-\xff]", "/srv/\xff", true },
		{ "/srv/.*", "/srv/.hidden", true },
		{ "/srv/*", "/srv/.hidden", true },
		{ "/SRV", "/srv", false },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		bool matches = path_glob_match(table[i].glob, table[i].path);

		if (matches != table[i].matches)
			printf("# \"%s\" on \"%s\"\n", table[i].glob, table[i].path);
		CHECK(matches == table[i].matches);
	}
}

TEST(a_name_that_is_no_path_has_no_directories)
{
	CHECK(name_glob_match("a*c", "a/b/c"));
	CHECK(name_glob_match("postgresql@*.service", "postgresql@15-main.service"));
	CHECK(!name_glob_match("postgresql@*.service", "postgresql@15.service.d"));
	CHECK(name_glob_match("pmem[01]", "pmem1"));
}

TEST(a_pattern_full_of_stars_ends_in_time)
{
	static char path[4096], glob[512];

	memset(path, 'a', sizeof(path) - 1);
	for (size_t i = 0; i + 2 < sizeof(glob); i += 2)
		memcpy(glob + i, "*a", 2);
	glob[sizeof(glob) - 2] = 'b';
	CHECK(!path_glob_match(glob, path));
	memcpy(glob, "**", 2);
	CHECK(!path_glob_match(glob, path));
}

TEST(a_pattern_that_does_not_end_is_not_well_formed)
{
	static const char *const bad[] = { "[", "[a", "a[", "[]", "[!]", "[\\]", "a\\", "[a]b[" };
	static const char *const good[] = { "", "a", "[a]", "[]]", "[!]]", "\\[", "a]", "\\\\" };

	for (size_t i = 0; i < 8; i++) {
		CHECK(!glob_is_well_formed(bad[i]));
		CHECK(glob_is_well_formed(good[i]));
	}
}

TEST(without_a_rule_everything_is_reported_and_nothing_repaired)
{
	LOST("/srv/a");

	CHECK(!decide("", in));
	CHECK(in->holders[0].action == VERB_REPORT && !in->holders[0].rule);
	CHECK_STREQ(in->holders[0].reason, "no rule matches, so it is only reported");
	CHECK(in->repair.wish == REPAIR_NONE && !in->repair.rule && !in->repair.pause_holders);
	CHECK(!in->repair.reason && !in->repair.detail);
}

TEST(the_first_matching_rule_wins)
{
	LOST("/srv/pg/a");

	CHECK(!decide("[Rule other]\nPath=/home/**\nHolders=kill\nRepair=zero\n"
		      "[Rule first]\nPath=/srv/**\nHolders=terminate\nGraceSec=7\nRepair=clear\n"
		      "[Rule second]\nHolders=kill\nRepair=zero\n",
		      in));
	CHECK(in->holders[0].action == VERB_TERMINATE);
	CHECK(in->holders[0].grace_usec == 7000000);
	CHECK_STREQ(in->holders[0].rule, "first");
	CHECK_STREQ(in->holders[0].reason, "rule \"first\" says Holders=terminate");
	CHECK(in->repair.wish == REPAIR_CLEAR);
	CHECK_STREQ(in->repair.rule, "first");
	CHECK(in->repair.pause_holders);
}

TEST(one_who_only_has_the_file_open_gets_the_verdict_for_openers)
{
	LOST("/srv/a");

	holds_only(&in->holders[0], &in->owners[0], false, true);
	CHECK(!decide("[Rule r]\nHolders=kill\n", in));
	CHECK(in->holders[0].action == VERB_REPORT);
	CHECK_STREQ(in->holders[0].reason, "rule \"r\" says Openers=report");

	CHECK(!decide("[Rule r]\nHolders=kill\nOpeners=signal\nSignal=USR2\n", in));
	CHECK(in->holders[0].action == VERB_SIGNAL && in->holders[0].signal_number == SIGUSR2);
	CHECK(!in->holders[0].grace_usec);
}

#define RULE_A "[Rule a]\nPath=/srv/a\nHolders=kill\nOpeners=signal\n"
#define RULE_B "[Rule b]\nPath=/srv/clone\nHolders=terminate\n"

/* /srv/a and its clone share the lost page. */
#define LOST_TWICE()                                                                               \
	LOST("/srv/a");                                                                            \
	add_owner(in, OWNER_FILE_DATA, "/srv/clone");                                              \
	struct holder *h = &in->holders[0];                                                        \
	const struct owner *clone = &in->owners[1]

TEST(who_holds_only_the_clone_is_left_alone_by_a_rule_for_the_other)
{
	LOST_TWICE();

	holds_only(h, clone, true, true);
	CHECK(!decide(RULE_A, in));
	CHECK(h->action == VERB_REPORT && !h->rule);
	holds_only(h, &in->owners[0], true, true);
	CHECK(!decide(RULE_A, in));
	CHECK(h->action == VERB_KILL);
	CHECK_STREQ(h->rule, "a");
}

TEST(each_of_two_holders_is_judged_by_its_own_file)
{
	LOST_TWICE();
	struct holder *other = incident_add_holder(in);

	REQUIRE(other);
	h = &in->holders[0];
	other->pid = 4713;
	holds_only(other, clone, true, false);
	CHECK(!decide(RULE_A RULE_B, in));
	CHECK(h->action == VERB_KILL && other->action == VERB_TERMINATE);
}

TEST(who_maps_both_falls_under_the_first_rule_for_either)
{
	LOST_TWICE();

	holds_too(h, clone, true, false);
	CHECK(!decide(RULE_A RULE_B, in));
	CHECK_STREQ(h->rule, "a");
	CHECK(!decide(RULE_B RULE_A, in));
	CHECK_STREQ(h->rule, "b");
	CHECK(h->action == VERB_TERMINATE);
	CHECK(!decide("[Rule shield]\nPath=/srv/clone\n" RULE_A, in));
	CHECK(h->action == VERB_REPORT);
}

TEST(what_it_maps_comes_before_what_it_has_open)
{
	LOST_TWICE();

	holds_only(h, clone, true, true);
	holds_too(h, &in->owners[0], false, true);
	CHECK(!decide(RULE_A RULE_B, in));
	CHECK_STREQ(h->reason, "rule \"b\" says Holders=terminate");
	/* No rule is for what it maps: the one for what it has open is, but as an opener. */
	CHECK(!decide(RULE_A, in));
	CHECK_STREQ(h->reason, "rule \"a\" says Openers=signal");
	CHECK(h->action == VERB_SIGNAL);
}

TEST(a_clone_without_a_name_is_not_judged_by_the_name_of_the_other)
{
	LOST_TWICE();

	in->owners[1].paths = strv_free(in->owners[1].paths);
	in->owners[1].unlinked = true;
	holds_only(h, clone, true, true);
	CHECK(!decide(RULE_A "[Rule all]\nPath=**\nHolders=kill\n", in));
	CHECK(h->action == VERB_REPORT && !h->rule);
	CHECK(!decide(RULE_A "[Rule data]\nOwner=file-data\nHolders=kill\n", in));
	CHECK_STREQ(h->rule, "data");
}

TEST(the_same_number_on_another_filesystem_is_another_file)
{
	LOST_TWICE();

	in->owners[0].dev = 7;
	in->owners[1].dev = 8;
	in->owners[1].inode = in->owners[0].inode;
	holds_only(h, clone, true, false);
	CHECK(!decide(RULE_A, in));
	CHECK(h->action == VERB_REPORT);
	CHECK(!decide(RULE_B, in));
	CHECK(h->action == VERB_TERMINATE);
}

TEST(what_else_of_the_file_is_lost_is_not_held_by_those_who_map_its_data)
{
	LOST("/srv/a");

	add_owner(in, OWNER_EXTENT_MAP, "/srv/a");
	in->owners[1].inode = in->owners[0].inode;
	CHECK(!decide("[Rule map]\nOwner=extent-map\nHolders=kill\nOpeners=kill\n", in));
	CHECK(in->holders[0].action == VERB_REPORT);
}

TEST(who_holds_more_than_is_known_or_nothing_that_is_lost_is_only_reported)
{
	LOST("/srv/a");
	struct holder *h = &in->holders[0];

	h->holds_more = true;
	CHECK(!decide("[Rule all]\nHolders=kill\nOpeners=kill\n", in));
	CHECK(h->action == VERB_REPORT && !h->rule);
	CHECK_STREQ(h->reason, "it holds more than 1024 owners, too many to judge it by, so it is "
			       "only reported");
	h->holds_more = false;
	h->n_holds = 0;
	CHECK(!decide("[Rule all]\nHolders=kill\nOpeners=kill\n", in));
	CHECK(h->action == VERB_REPORT && !h->rule);
}

TEST(nobody_ends_for_what_a_read_brings_back)
{
	LOST("/srv/db/base");
	in->owners[0].kind = OWNER_RAM_FILE;
	in->owners[0].rereadable = true;
	holds_only(&in->holders[0], &in->owners[0], true, false);

	CHECK(decide("[Rule a]\nPath=/srv/db/**\nHolders=kill\n", in) == 0);
	CHECK(in->holders[0].action == VERB_REPORT);
	CHECK(strstr(in->holders[0].reason, "nothing is lost"));
	in->owners[0].rereadable = false;
	CHECK(decide("[Rule a]\nPath=/srv/db/**\nHolders=kill\n", in) == 0);
	CHECK(in->holders[0].action == VERB_KILL);
}

TEST(who_holds_a_lost_page_beside_one_that_is_not_lost_is_judged)
{
	LOST("/srv/db/base");
	in->owners[0].rereadable = true;
	add_owner(in, OWNER_RAM_FILE, "/srv/db/other");
	holds_too(&in->holders[0], &in->owners[1], true, false);

	CHECK(decide("[Rule a]\nPath=/srv/db/**\nHolders=kill\n", in) == 0);
	CHECK(in->holders[0].action == VERB_KILL);
}

TEST(plain_memory_is_never_repaired)
{
	LOST("/srv/db/base");
	string_set(&in->device.mode, "ram");
	string_set(&in->device.blockdev, NULL);

	CHECK(decide("[Rule a]\nPath=/srv/db/**\nHolders=kill\nRepair=zero\n", in) == 0);
	CHECK(in->holders[0].action == VERB_KILL && in->repair.wish == REPAIR_NONE);
}

TEST(every_key_must_match)
{
	static const struct {
		const char *keys;
		bool matches;
	} table[] = {
		{ "Path=/srv/*", true },
		{ "Path=/srv/b", false },
		{ "Unit=postgresql@*.service", true },
		{ "Unit=ssh.service", false },
		{ "User=105", true },
		{ "User=106", false },
		{ "User=root", false },
		{ "Exe=/usr/bin/*", true },
		{ "Exe=/usr/*", false },
		{ "Cgroup=/system.slice/**", true },
		{ "Cgroup=/user.slice/**", false },
		{ "Mountpoint=/srv", true },
		{ "Mountpoint=/mnt", false },
		{ "Owner=file-data", true },
		{ "Owner=free", false },
		{ "Device=pmem0", true },
		{ "Device=pmem*", true },
		{ "Device=namespace0.0", true },
		{ "Device=region0", true },
		{ "Device=ndbus0", true },
		{ "Device=pmem1", false },
		{ "Path=/srv/*\nUnit=postgresql@*.service\nUser=105\nDevice=pmem0\nExe=/usr/bin/*",
		  true },
		{ "Path=/srv/*\nUser=106", false },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		LOST("/srv/a");
		char text[256];

		snprintf(text, sizeof(text), "[Rule r]\n%s\nHolders=kill\nRepair=zero\n",
			 table[i].keys);
		CHECK(!decide(text, in));
		if ((in->holders[0].action == VERB_KILL) != table[i].matches ||
		    (in->repair.wish == REPAIR_ZERO) != table[i].matches)
			printf("# %s\n", table[i].keys);
		CHECK((in->holders[0].action == VERB_KILL) == table[i].matches);
		CHECK((in->repair.wish == REPAIR_ZERO) == table[i].matches);
	}
}

TEST(what_is_not_known_does_not_match)
{
	LOST("/srv/a");
	struct holder *h = &in->holders[0];

	CHECK(!string_set(&h->unit, NULL) && !string_set(&h->exe, NULL) &&
	      !string_set(&h->cgroup, NULL));
	CHECK(!decide("[Rule a]\nUnit=*\nHolders=kill\n[Rule b]\nExe=**\nHolders=kill\n"
		      "[Rule c]\nCgroup=**\nHolders=kill\n[Rule d]\nDevice=dax*\nHolders=kill\n",
		      in));
	CHECK(h->action == VERB_REPORT && !h->rule);
}

TEST(an_executable_that_an_update_replaced_still_matches)
{
	LOST("/srv/a");

	CHECK(!string_set(&in->holders[0].exe, "/usr/bin/postgres (deleted)"));
	CHECK(!decide("[Rule a]\nExe=/usr/bin/postgres\nHolders=kill\n", in));
	CHECK(in->holders[0].action == VERB_KILL);
}

TEST(an_unlinked_file_has_no_path_to_match)
{
	LOST("/srv/a");

	in->owners[0].paths = strv_free(in->owners[0].paths);
	in->owners[0].unlinked = true;
	CHECK(!decide("[Rule a]\nPath=**\nHolders=kill\nRepair=zero\n", in));
	CHECK(in->holders[0].action == VERB_REPORT && in->repair.wish == REPAIR_NONE);
	CHECK(!decide("[Rule a]\nOwner=file-data\nHolders=kill\nRepair=zero\n", in));
	CHECK(in->holders[0].action == VERB_KILL && in->repair.wish == REPAIR_ZERO);
}

TEST(any_of_several_hard_links_matches)
{
	LOST("/srv/a");

	CHECK(!strv_push(&in->owners[0].paths, "/srv/other/b"));
	CHECK(!decide("[Rule a]\nPath=/srv/other/*\nHolders=kill\nRepair=zero\n", in));
	CHECK(in->holders[0].action == VERB_KILL && in->repair.wish == REPAIR_ZERO);
}

TEST(path_and_kind_must_match_the_same_owner)
{
	LOST("/srv/a");

	add_owner(in, OWNER_METADATA, NULL);
	CHECK(!decide("[Rule a]\nPath=/srv/a\nOwner=metadata\nHolders=kill\n", in));
	CHECK(in->holders[0].action == VERB_REPORT);
}

TEST(a_block_that_files_share_is_repaired_only_as_far_as_all_their_rules_wish)
{
	LOST("/srv/a");

	add_owner(in, OWNER_FILE_DATA, "/backup/a");
	CHECK(!decide("[Rule a]\nPath=/srv/**\nRepair=zero\n", in));
	CHECK(in->repair.wish == REPAIR_NONE && !in->repair.rule);
	CHECK_STREQ(in->repair.reason, "policy");
	CHECK_STREQ(in->repair.detail,
		    "no rule matches this file-data, and the least wish of all owners counts");

	CHECK(!decide(
		"[Rule a]\nPath=/srv/**\nRepair=zero\n[Rule b]\nPath=/backup/**\nRepair=clear\n",
		in));
	CHECK(in->repair.wish == REPAIR_CLEAR);
	CHECK_STREQ(in->repair.rule, "b");

	CHECK(!decide("[Rule a]\nPath=/srv/**\nRepair=zero\n"
		      "[Rule b]\nPath=/backup/**\nRepair=zero\nPauseHolders=no\n",
		      in));
	CHECK(in->repair.wish == REPAIR_ZERO && !in->repair.pause_holders);
	CHECK(!in->repair.reason && !in->repair.detail);
}

TEST(free_space_beside_a_file_has_no_say_and_alone_it_has)
{
	LOST("/srv/a");
	_cleanup_(incident_freep) struct incident *empty = lost_page("/srv/a");

	add_owner(in, OWNER_FREE, NULL);
	CHECK(!decide("[Rule a]\nPath=/srv/**\nRepair=zero\n", in));
	CHECK(in->repair.wish == REPAIR_ZERO);

	incident_clear_owners(empty);
	incident_clear_holders(empty);
	add_owner(empty, OWNER_FREE, NULL);
	CHECK(!decide("[Rule a]\nPath=/srv/**\nRepair=zero\n", empty));
	CHECK(empty->repair.wish == REPAIR_NONE);
	CHECK(!decide("[Rule a]\nOwner=free\nRepair=clear\n", empty));
	CHECK(empty->repair.wish == REPAIR_CLEAR);
}

TEST(metadata_beside_a_file_has_a_say)
{
	LOST("/srv/a");

	add_owner(in, OWNER_METADATA, NULL);
	CHECK(!decide("[Rule a]\nPath=/srv/**\nRepair=zero\n", in));
	CHECK(in->repair.wish == REPAIR_NONE);
}

TEST(an_owner_that_is_not_known_is_not_covered_by_a_path)
{
	LOST("/srv/a");

	in->owners_complete = false;
	CHECK(!decide("[Rule a]\nPath=/srv/**\nRepair=zero\n", in));
	CHECK(in->repair.wish == REPAIR_NONE);
	CHECK(!decide("[Rule a]\nDevice=pmem0\nRepair=zero\n", in));
	CHECK(in->repair.wish == REPAIR_ZERO);
}

TEST(media_that_nobody_owns_falls_under_a_rule_for_the_device)
{
	LOST("/srv/a");

	incident_clear_owners(in);
	incident_clear_holders(in);
	CHECK(!decide("[Rule a]\nOwner=free\nRepair=zero\n[Rule b]\nDevice=pmem0\nRepair=clear\n",
		      in));
	CHECK(in->repair.wish == REPAIR_CLEAR);
	CHECK(!decide("[Rule b]\nDevice=pmem0\nUser=0\nRepair=clear\n", in));
	CHECK(in->repair.wish == REPAIR_NONE);
}

TEST(a_rule_that_was_not_understood_only_reports_and_shields_what_is_below_it)
{
	LOST("/srv/pg/a");

	CHECK(!decide("[Rule pg]\nPath=/srv/pg/**\nUsr=105\nHolders=kill\nRepair=zero\n"
		      "[Rule rest]\nHolders=kill\nRepair=zero\n",
		      in));
	CHECK(in->holders[0].action == VERB_REPORT && in->repair.wish == REPAIR_NONE);
	CHECK_STREQ(in->holders[0].rule, "pg");
	CHECK(strstr(in->holders[0].reason, "was not understood, so it is only reported"));
	CHECK_STREQ(in->repair.reason, "policy");
}

TEST(a_reason_of_a_repair_that_was_planned_is_left_alone)
{
	LOST("/srv/a");

	CHECK(!string_set(&in->repair.state, "waiting") && !string_set(&in->repair.reason, "held"));
	CHECK(!decide("[Rule a]\nPath=/srv/a\nUsr=x\nRepair=zero\n", in));
	CHECK_STREQ(in->repair.reason, "held");
}

/* Beyond what any kernel gives away: a real one could be a kernel thread. */
#define NO_SUCH_PID 0x7ffffffe

/* Would this process be killed under a rule with these keys? */
static bool killed(const char *keys, void (*change)(struct holder *h))
{
	LOST("/srv/a");
	pid_t clients[] = { 100, 4712 };
	_cleanup_(closep) int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(config_freep) struct config *c = NULL;
	struct policy_context ctx = { .proc_fd = proc_fd,
				      .self = getpid(),
				      .control_clients = clients,
				      .n_control_clients = 2 };
	char text[128];

	snprintf(text, sizeof(text), "[Rule r]\n%s\nHolders=kill\n", keys);
	ctx.config = c = rules(text);
	in->holders[0].pid = NO_SUCH_PID;
	change(&in->holders[0]);
	if (policy_decide(&ctx, in) < 0)
		abort();
	if (in->holders[0].action == VERB_REPORT && in->holders[0].rule &&
	    !strstr(in->holders[0].reason, "rule \"r\" says Holders=kill, but "))
		printf("# %s\n", in->holders[0].reason);
	return in->holders[0].action == VERB_KILL;
}

static void set(char **field, const char *value)
{
	if (string_set(field, value) < 0)
		abort();
}

static void nobody_special(struct holder *h)
{
}

static void pid_1(struct holder *h)
{
	h->pid = 1;
}

static void the_daemon(struct holder *h)
{
	h->pid = getpid();
}

static void a_worker(struct holder *h)
{
	char exe[4096] = "";

	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
		abort();
	set(&h->exe, exe);
}

static void a_client(struct holder *h)
{
	h->pid = 4712;
}

static void sshd(struct holder *h)
{
	set(&h->exe, "/usr/sbin/sshd");
	set(&h->unit, "ssh.service");
}

static void sshd_updated(struct holder *h)
{
	set(&h->exe, "/usr/sbin/sshd (deleted)");
}

static void journald(struct holder *h)
{
	set(&h->exe, "/usr/lib/systemd/systemd-journald");
	set(&h->unit, "systemd-journald.service");
}

static void bus_without_exe(struct holder *h)
{
	set(&h->exe, NULL);
	set(&h->unit, "dbus.service");
}

static void pretender(struct holder *h)
{
	set(&h->comm, "sshd");
	set(&h->exe, "/home/mallory/sshd");
}

TEST(the_protected_are_never_acted_upon)
{
	CHECK(killed("", nobody_special));
	CHECK(!killed("", pid_1));
	CHECK(!killed("", the_daemon));
	CHECK(!killed("", a_worker));
	CHECK(!killed("", a_client));
	CHECK(!killed("Unit=postgresql@15.service", pid_1));
	CHECK(!killed("User=105", a_client));
}

TEST(the_essential_must_be_named)
{
	CHECK(!killed("", sshd) && !killed("Unit=ssh*", sshd) && !killed("Exe=/usr/sbin/*", sshd));
	CHECK(!killed("", journald) && !killed("", bus_without_exe) && !killed("", sshd_updated));
	CHECK(!killed("Exe=/usr/sbin/ssh\\d", sshd));
	CHECK(killed("Unit=ssh.service", sshd));
	CHECK(killed("Exe=/usr/sbin/sshd", sshd));
	CHECK(killed("Unit=dbus.service", bus_without_exe));
	CHECK(killed("Exe=/usr/sbin/sshd", sshd_updated));
}

TEST(a_name_alone_protects_nobody)
{
	CHECK(killed("", pretender));
}

TEST(a_kernel_thread_is_never_acted_upon)
{
	LOST("/srv/a");
	_cleanup_(closep) int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(config_freep) struct config *c = rules("[Rule r]\nHolders=kill\n");
	struct policy_context ctx = { .config = c, .proc_fd = proc_fd, .self = getpid() };
	char comm[16] = "";
	_cleanup_(closep) int fd = open("/proc/2/comm", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, comm, sizeof(comm)) < 8 || strncmp(comm, "kthreadd", 8))
		SKIP("pid 2 is no kernel thread in this pid namespace");
	in->holders[0].pid = 2;
	CHECK(!policy_decide(&ctx, in));
	CHECK(in->holders[0].action == VERB_REPORT);
}

TEST(one_who_must_not_be_touched_must_not_be_paused)
{
	LOST("/srv/a");
	struct holder *h = &in->holders[0];

	set(&h->exe, "/usr/sbin/sshd");
	CHECK(!decide("[Rule r]\nRepair=zero\n", in));
	CHECK(in->repair.pause_holders); /* it could not write */
	h->open_writable = true;
	CHECK(!decide("[Rule r]\nRepair=zero\n", in));
	CHECK(in->repair.wish == REPAIR_ZERO && !in->repair.pause_holders);
}

struct real_file {
	char path[4096];
};

static void real_file_done(struct real_file *f)
{
	unlink(f->path);
}

/* A file that exists, in an incident; false where its filesystem has no user attributes. */
static bool lose_real_file(struct real_file *f, struct incident *in)
{
	struct stat st;
	_cleanup_(closep) int fd = -1;

	/* Not in /tmp, which may keep no user attributes. */
	if (!getcwd(f->path, sizeof(f->path) - 32))
		abort();
	strcat(f->path, "/test-policy-XXXXXX");
	fd = mkstemp(f->path);
	if (fd < 0 || fstat(fd, &st) < 0)
		abort();
	in->owners[0].dev = st.st_dev;
	in->owners[0].inode = st.st_ino;
	in->owners[0].paths = strv_free(in->owners[0].paths);
	if (strv_push(&in->owners[0].paths, "/nowhere") < 0 ||
	    strv_push(&in->owners[0].paths, f->path) < 0)
		abort();
	holds_only(&in->holders[0], &in->owners[0], true, false);
	return !fsetxattr(fd, "user.hwpoisond.avoid", "", 0, 0);
}

TEST(a_file_with_the_attribute_is_only_reported)
{
	LOST("/srv/a");
	_cleanup_(real_file_done) struct real_file f = {};

	if (!lose_real_file(&f, in))
		SKIP("no extended attributes here");
	CHECK(!decide("[Rule r]\nHolders=kill\nRepair=zero\n", in));
	CHECK(in->holders[0].action == VERB_REPORT && in->repair.wish == REPAIR_NONE);
	CHECK(strstr(in->holders[0].reason, "the file has the attribute user.hwpoisond.avoid"));
	CHECK_STREQ(in->repair.reason, "policy");

	CHECK(!removexattr(f.path, "user.hwpoisond.avoid"));
	CHECK(!decide("[Rule r]\nHolders=kill\nRepair=zero\n", in));
	CHECK(in->holders[0].action == VERB_KILL && in->repair.wish == REPAIR_ZERO);
}

TEST(the_attribute_of_a_file_that_it_does_not_hold_spares_nobody)
{
	LOST("/srv/a");
	_cleanup_(real_file_done) struct real_file f = {};

	if (!lose_real_file(&f, in))
		SKIP("no extended attributes here");
	add_owner(in, OWNER_FILE_DATA, "/srv/clone");
	holds_only(&in->holders[0], &in->owners[1], true, false);
	CHECK(!decide("[Rule r]\nHolders=kill\nRepair=zero\n", in));
	CHECK(in->holders[0].action == VERB_KILL);
	CHECK(in->repair.wish == REPAIR_NONE); /* which would change both */

	holds_too(&in->holders[0], &in->owners[0], false, true);
	CHECK(!decide("[Rule r]\nHolders=kill\n", in));
	CHECK(in->holders[0].action == VERB_REPORT);
}

TEST(another_file_that_took_the_path_says_nothing)
{
	LOST("/srv/a");
	_cleanup_(real_file_done) struct real_file f = {};

	if (!lose_real_file(&f, in))
		SKIP("no extended attributes here");
	in->owners[0].inode++;
	holds_only(&in->holders[0], &in->owners[0], true, false);
	CHECK(!decide("[Rule r]\nHolders=kill\nRepair=zero\n", in));
	CHECK(in->holders[0].action == VERB_KILL && in->repair.wish == REPAIR_ZERO);
}

TEST(the_attribute_of_a_cgroup_or_one_above_spares_its_processes)
{
	LOST("/srv/a");
	_cleanup_(config_freep) struct config *c = rules("[Rule r]\nHolders=kill\n");
	char root[] = "./test-policy-XXXXXX", path[96];
	struct policy_context ctx = { .config = c, .proc_fd = -1, .self = 1, .cgroup_root = root };
	bool has_attributes;

	REQUIRE(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/system.slice", root);
	REQUIRE(!mkdir(path, 0700));
	CHECK(!policy_decide(&ctx, in) && in->holders[0].action == VERB_KILL);
	has_attributes = !setxattr(path, "user.hwpoisond.avoid", "1", 1, 0);
	if (has_attributes) {
		CHECK(!policy_decide(&ctx, in) && in->holders[0].action == VERB_REPORT);
		set(&in->holders[0].cgroup, "/../system.slice");
		CHECK(!policy_decide(&ctx, in) && in->holders[0].action == VERB_KILL);
	}
	rmdir(path);
	rmdir(root);
	if (!has_attributes)
		SKIP("no extended attributes here");
}

static const char *text_at(struct json_object *json, const char *array, size_t i, const char *name)
{
	struct json_object *o = json_object_object_get(json, array);

	if (json_object_is_type(o, json_type_array))
		o = json_object_array_get_idx(o, i);
	return json_object_get_string(json_object_object_get(o, name));
}

TEST(explain_tells_which_key_decided)
{
	LOST("/srv/\xff");
	_cleanup_(config_freep) struct config *c = rules(
		"[Rule a]\nPath=/home/**\n[Rule b]\nUser=1\n[Rule c]\nDevice=x\n"
		"[Rule d]\nHolders=signal\nRepair=clear\n[Rule e]\nMountpoint=/srv\n");
	struct policy_context ctx = { .config = c, .proc_fd = -1, .self = 1 };
	_cleanup_(json_object_putp) struct json_object *json = policy_explain(&ctx, in);

	REQUIRE(json);
	CHECK_STREQ(json_object_get_string(json_object_object_get(json, "file")), "/srv/\ufffd");
	CHECK_STREQ(text_at(json, "repair", 0, "wish"), "clear");
	CHECK_STREQ(text_at(json, "repair", 0, "rule"), "d");
	CHECK_STREQ(text_at(json, "holders", 0, "action"), "signal");
	CHECK_STREQ(text_at(json, "holders", 0, "reason"), "rule \"d\" says Holders=signal");
	CHECK_STREQ(text_at(json, "rules", 0, "reason"), "Path=/home/** does not match");
	CHECK_STREQ(text_at(json, "rules", 1, "reason"), "User=1 does not match");
	CHECK_STREQ(text_at(json, "rules", 2, "reason"), "Device=x does not match");
	CHECK_STREQ(text_at(json, "rules", 3, "matches"), "true");
	CHECK(!text_at(json, "rules", 3, "reason"));
	CHECK_STREQ(text_at(json, "rules", 4, "matches"), "true");
	CHECK_STREQ(text_at(json, "rules", 4, "reason"), "but rule \"d\" above it does so first");
	CHECK(in->holders[0].action == VERB_REPORT && !in->holders[0].reason);
}

TEST(explain_says_why_a_file_without_a_name_has_no_rule)
{
	LOST("/srv/gone");
	_cleanup_(config_freep) struct config *c = rules("[Rule a]\nPath=/srv/**\n");
	struct policy_context ctx = { .config = c, .proc_fd = -1, .self = 1 };
	_cleanup_(json_object_putp) struct json_object *json = NULL;

	in->owners[0].unlinked = true;
	in->owners[0].paths = strv_free(in->owners[0].paths);
	json = policy_explain(&ctx, in);
	REQUIRE(json);
	CHECK_STREQ(text_at(json, "rules", 0, "reason"),
		    "Path=/srv/** does not match: the file has been unlinked, and has no path");
}

TEST(explain_tells_what_the_rules_say_of_a_process_alone)
{
	LOST("/srv/x");
	_cleanup_(config_freep) struct config *c = rules(
		"[Rule a]\nUnit=other.service\n[Rule b]\nUser=105\nPath=/srv/*\n"
		"[Rule c]\nExe=/usr/bin/*\n");
	struct policy_context ctx = { .config = c, .proc_fd = -1, .self = 1 };
	_cleanup_(json_object_putp) struct json_object *json =
		policy_explain_process(&ctx, &in->holders[0]);

	REQUIRE(json);
	CHECK_STREQ(json_object_get_string(json_object_object_get(json, "unit")),
		    "postgresql@15.service");
	CHECK_STREQ(text_at(json, "rules", 0, "reason"), "Unit=other.service does not match");
	CHECK_STREQ(text_at(json, "rules", 1, "matches"), "true");
	CHECK_STREQ(text_at(json, "rules", 1, "reason"),
		    "for what it has keys for besides the process");
	CHECK_STREQ(text_at(json, "rules", 2, "matches"), "true");
	CHECK(!text_at(json, "rules", 2, "reason"));
}

static void count(const char *sentence, void *userdata)
{
	printf("# %s\n", sentence);
	(*(unsigned *)userdata)++;
}

static unsigned n_told(const char *text)
{
	_cleanup_(config_freep) struct config *c = rules(text);
	unsigned n = 0;

	policy_check(c, count, &n);
	return n;
}

TEST(check_tells_rules_that_can_never_match)
{
	CHECK(n_told("[Rule a]\n[Rule b]\nPath=/x\n[Rule c]\nUnit=y.service\n") == 2);
	CHECK(n_told("[Rule a]\nPath=/srv/**\n[Rule b]\nPath=/srv/x\nUser=0\n") == 1);
	CHECK(n_told("[Rule a]\nPath=/x/*\n[Rule b]\nPath=/x/*\nUnit=y.service\n") == 1);
	CHECK(n_told("[Rule a]\nPath=/x\nOwner=free\n") == 1);
	CHECK(n_told("[Rule a]\nPath=/srv/**\n[Rule b]\nPath=/srv/a*\n") == 1);
	CHECK(n_told("[Rule a]\nUnit=pg@*\n[Rule b]\nUnit=pg@*.service\nUser=0\n") == 1);
}

TEST(check_tells_keys_that_exclude_each_other_or_that_nothing_has)
{
	CHECK(n_told("[Rule a]\nUnit=x.service\nOwner=free\n") == 1);
	CHECK(n_told("[Rule a]\nUser=0\nOwner=metadata\n") == 1);
	CHECK(n_told("[Rule a]\nUnit=postgresql\n") == 1);
	CHECK(n_told("[Rule a]\nDevice=/dev/pmem0\n") == 1);
	CHECK(n_told("[Rule a]\nPath=/srv/\n") == 1);
	CHECK(n_told("[Rule a]\nPath=/srv/../x\n[Rule b]\nExe=/usr//bin/x\n") == 2);
	CHECK(n_told("[Rule a]\nMountpoint=/srv/.\n") == 1);
	CHECK(n_told("[Rule a]\nUnit=x.service\nOwner=raw\nDevice=pmem*\n") == 0);
	CHECK(n_told("[Rule a]\nMountpoint=/\n[Rule b]\nPath=/srv/.*/..x\n") == 0);
	CHECK(n_told("[Rule a]\nUnit=postgresql*\n[Rule b]\nUnit=x.scope\n") == 0);
}

TEST(one_pattern_covers_another_only_where_that_is_certain)
{
	static const struct {
		const char *glob, *other;
		bool covers, as_names;
	} pairs[] = {
		{ "/srv/**", "/srv/*/x", true, true },
		{ "/srv/**", "/srv/**/x", true, true },
		{ "/srv/*", "/srv/*", true, true },
		{ "/srv/*", "/srv/**", false, true },
		{ "/srv/*", "/srv/a/b", false, true },
		{ "/srv/*", "/srv/*/b", false, true },
		{ "/srv/*b", "/srv/a?b", true, true },
		{ "/srv/?", "/srv/[ab]", true, true },
		{ "/srv/?", "/srv/*", false, false },
		{ "/srv/[ab]", "/srv/a", true, true },
		{ "/srv/[ab]", "/srv/[abc]", false, false },
		{ "/srv/[ab]", "/srv/\\a", true, true },
		{ "/srv/a", "/srv/?", false, false },
		{ "*/x", "/x", true, true },
		{ "**", "/a/**/b*", true, true },
		{ "a*b*c", "a*c", false, false },
		{ "a*c", "a*b*c", true, true },
		{ "/srv/**x", "/srv/**", false, false },
		{ "/?", "//", false, true },
		{ "\\*", "*", false, false },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		printf("# %s %s\n", pairs[i].glob, pairs[i].other);
		CHECK(glob_covers(pairs[i].glob, pairs[i].other, true) == pairs[i].covers);
		CHECK(glob_covers(pairs[i].glob, pairs[i].other, false) == pairs[i].as_names);
	}
}

/* Words that one pattern makes, by hand, must all match the one that is said to cover it. */
TEST(what_is_covered_is_matched)
{
	static const char *const atoms[] = { "a", "/", "*", "**", "?", "[ab]", "b" };
	static const char *const words[] = { "",   "a",	  "b",	 "/",	 "ab",	 "ba",	 "a/",
					     "/a", "a/b", "aab", "abab", "/a/b", "aaaa", "b/a/" };
	unsigned seed = 7;

	for (unsigned round = 0; round < 20000; round++) {
		char glob[2][32] = { "", "" };

		for (unsigned g = 0; g < 2; g++)
			for (unsigned n = rand_r(&seed) % 5; n; n--)
				strcat(glob[g], atoms[rand_r(&seed) % 7]);
		for (unsigned slashes = 0; slashes < 2; slashes++) {
			bool (*match)(const char *, const char *) = slashes ? path_glob_match
									    : name_glob_match;

			if (!glob_covers(glob[0], glob[1], slashes))
				continue;
			for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
				if (match(glob[1], words[i]) && !match(glob[0], words[i])) {
					printf("# %s %s %s\n", glob[0], glob[1], words[i]);
					CHECK(false);
				}
		}
	}
}

TEST(check_is_silent_where_it_is_not_certain)
{
	CHECK(n_told("[Rule a]\nPath=/srv/a*\n[Rule b]\nPath=/srv/**\n") == 0);
	CHECK(n_told("[Rule a]\nPath=/srv/*\n[Rule b]\nPath=/srv/*/*\n") == 0);
	CHECK(n_told("[Rule a]\nPath=/x\nUser=0\n[Rule b]\nPath=/x\n") == 0);
	CHECK(n_told("[Rule a]\nUnit=x.service\n[Rule b]\nUser=0\n") == 0);
	CHECK(n_told("[Rule a]\nPath=/x\nOwner=unwritten\n[Rule b]\nOwner=free\n") == 0);
}

TEST_MAIN()
