// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims about daemon/policy/config.c and what it reads with: lines.c, values.c, config_files.c. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "policy/config.h"
#include "policy/lines.h"
#include "policy/values.h"
#include "programs.h"
#include "strv.h"
#include "test.h"

struct told {
	char **sentences;
};

static void told_done(struct told *t)
{
	strv_free(t->sentences);
}

static void tell(const char *sentence, void *userdata)
{
	struct told *t = userdata;

	if (strv_push(&t->sentences, sentence) < 0)
		abort();
}

/* Does any sentence hold this? */
static bool said(const struct told *t, const char *what)
{
	for (char **s = t->sentences; s && *s; s++)
		if (strstr(*s, what))
			return true;
	printf("# nobody said: %s\n", what);
	for (char **s = t->sentences; s && *s; s++)
		printf("#   but: %s\n", *s);
	return false;
}

struct folder {
	char path[64];
	char conf[80];
};

static struct folder folder_new(void)
{
	struct folder f = { .path = "/tmp/test-config-XXXXXX" };

	if (!mkdtemp(f.path))
		abort();
	snprintf(f.conf, sizeof(f.conf), "%s/h.conf", f.path);
	return f;
}

static void folder_done(struct folder *f)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", f->path);
	if (system(command))
		abort();
}

static void put(const struct folder *f, const char *name, const char *text, size_t n)
{
	char path[160];
	_cleanup_(fclosep) FILE *file = NULL;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	file = fopen(path, "we");
	if (!file || fwrite(text, 1, n, file) != n)
		abort();
}

static struct config *read_bytes(const char *text, size_t n, struct told *t)
{
	_cleanup_(folder_done) struct folder f = folder_new();
	struct config *c = NULL;

	put(&f, "h.conf", text, n);
	if (config_read(f.conf, true, tell, t, &c) < 0)
		return NULL;
	return c;
}

static struct config *read_text(const char *text, struct told *t)
{
	return read_bytes(text, strlen(text), t);
}

#define READ(text)                                                                                 \
	_cleanup_(told_done) struct told t = { NULL };                                             \
	_cleanup_(config_freep) struct config *c = read_text(text, &t);                            \
	REQUIRE(c)

TEST(nothing_said_means_report_and_change_nothing)
{
	READ("");
	CHECK(!c->dry_run && c->feed_journal && c->feed_socket && !c->feed_file);
	CHECK(c->n_rules == 0 && c->n_problems == 0 && !t.sentences);
}

TEST(the_documented_example_is_read_as_it_is_meant)
{
	READ("[Daemon]\nDryRun=no\n[Feed]\nJournal=yes\nSocket=yes\nFile=\nMetricsTextfile=\n"
	     "[Rule postgres]\n# match: all given keys must match\nPath=/srv/pmem/pg/**\n"
	     "Unit=postgresql@*.service\nUser=root\nDevice=pmem0\nOwner=file-data\n# verdict\n"
	     "Holders=terminate        # processes that map lost bytes: report | signal\n"
	     "Openers=report           ; processes that only have the file open\n"
	     "Signal=SIGUSR1           # for Holders=signal\nGraceSec=5\n"
	     "Repair=zero              # none | clear | zero\n"
	     "PauseHolders=yes         # may be stopped\n");
	CHECK(c->n_problems == 0 && !t.sentences);
	REQUIRE(c->n_rules == 1);

	const struct rule *rule = &c->rules[0];
	CHECK_STREQ(rule->name, "postgres");
	CHECK_STREQ(rule->path, "/srv/pmem/pg/**");
	CHECK_STREQ(rule->unit, "postgresql@*.service");
	CHECK_STREQ(rule->device, "pmem0");
	CHECK(rule->uid == 0);
	CHECK(rule->owner_kind == OWNER_FILE_DATA);
	CHECK(rule->holders == VERB_TERMINATE && rule->openers == VERB_REPORT);
	CHECK(rule->signal_number == SIGUSR1);
	CHECK(rule->grace_usec == 5000000);
	CHECK(rule->repair == REPAIR_ZERO);
	CHECK(rule->pause_holders && !rule->broken);
	CHECK(rule->line == 8);
	CHECK(!rule->exe && !rule->cgroup && !rule->mountpoint && !rule->hook);
}

TEST(programs_to_skip_are_bits)
{
	READ("[Daemon]\nSkipBPF= mce_record\tmc_event \n");
	CHECK(c->skip_programs == (1u << program_find("mce_record") | 1u << program_find("mc_event")));
	CHECK(!c->n_problems);
}

TEST(all_programs_can_be_skipped)
{
	READ("[Daemon]\nSkipBPF=mce_record all\n");
	CHECK(c->skip_programs == PROGRAMS_ALL && !c->n_problems);
}

TEST(an_empty_list_skips_none_again)
{
	READ("[Daemon]\nSkipBPF=all\nSkipBPF=\n");
	CHECK(c->skip_programs == 0 && !c->n_problems);
}

TEST(a_program_that_there_is_not_skips_nothing_and_is_told)
{
	READ("[Daemon]\nSkipBPF=mc_event\nSkipBPF=mce_record probes\n");
	CHECK(said(&t, ":3: SkipBPF= must be"));
	CHECK(c->skip_programs == 1u << program_find("mc_event"));
}

TEST(a_problem_carries_file_and_line)
{
	READ("# one\n[Daemon]\n\nDryRun=maybe\n");
	CHECK(c->n_problems == 1);
	CHECK(said(&t, "/h.conf:4: DryRun= must be yes or no, not \"maybe\": ignored"));
	CHECK(!c->dry_run);
}

TEST(a_bad_value_leaves_the_earlier_one)
{
	READ("[Daemon]\nDryRun=yes\nDryRun=x\n[Feed]\nFile=/a\nFile=b\n");
	CHECK(c->dry_run);
	CHECK_STREQ(c->feed_file, "/a");
	CHECK(c->n_problems == 2);
}

TEST(an_empty_file_name_turns_the_sink_off)
{
	READ("[Feed]\nFile=/a\nFile=\nJournal=off\nSocket=0\n");
	CHECK(!c->feed_file && !c->feed_journal && !c->feed_socket && !c->n_problems);
}

TEST(unknown_sections_and_keys_are_told_and_their_keys_do_not_leak)
{
	READ("DryRun=yes\n[Deamon]\nDryRun=yes\n[Daemon]\nDryrun=yes\n[Feed]\nDryRun=yes\n");
	CHECK(!c->dry_run);
	CHECK(said(&t, ":1: DryRun= stands before any section"));
	CHECK(said(&t, ":2: unknown section [\"Deamon\"]"));
	CHECK(said(&t, ":5: unknown key Dryrun="));
	CHECK(said(&t, ":7: unknown key DryRun="));
	CHECK(c->n_problems == 4);
}

TEST(a_rule_with_a_bad_match_key_is_broken_and_never_wider)
{
	static const char *const bad[] = {
		"Path=srv/x",
		"Path=",
		"Path=/srv/[a",
		"Unit=x[!]",
		"Pth=/srv/x",
		"path=/srv/x",
		"Path /srv/x",
		"Path:/srv/x",
		"Unit=",
		"Unit=[",
		"User=",
		"User=no-such-user-here",
		"User=-1",
		"User=4294967295",
		"User=99999999999",
		"Owner=file",
		"Owner=",
		"Device=",
		"Exe=bash",
		"Cgroup=system.slice",
		"Mountpoint=x",
		"=x",
		"Path\x01=/srv/x",
		"\x7f",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		_cleanup_(told_done) struct told t = { NULL };
		_cleanup_(config_freep) struct config *c = NULL;
		char text[256];

		snprintf(text, sizeof(text), "[Rule a]\n%s\nHolders=kill\n[Rule b]\nUnit=x\n",
			 bad[i]);
		c = read_text(text, &t);
		REQUIRE(c);
		CHECK(c->n_rules == 2);
		CHECK(c->rules[0].broken);
		CHECK(!c->rules[1].broken);
		CHECK(c->n_problems == 1);
		CHECK(said(&t, "/h.conf:2: "));
		CHECK(said(&t, "this rule only reports"));
	}
}

TEST(a_bad_verdict_falls_back_to_the_mildest_and_breaks_nothing)
{
	READ("[Rule a]\nPath=/x\nHolders=trminate\nOpeners=stop\nRepair=zeros\nGraceSec=-1\n"
	     "Signal=KILL\nPauseHolders=perhaps\n");
	REQUIRE(c->n_rules == 1);
	CHECK(!c->rules[0].broken);
	CHECK(c->rules[0].holders == VERB_REPORT && c->rules[0].openers == VERB_REPORT);
	CHECK(c->rules[0].repair == REPAIR_NONE);
	CHECK(c->rules[0].grace_usec == 5000000);
	CHECK(c->rules[0].signal_number == SIGUSR1);
	CHECK(c->n_problems == 6);
	CHECK(said(&t, ":7: Signal=KILL: nobody can catch that signal"));
}

TEST(a_hook_and_a_metrics_file_are_paths)
{
	READ("[Feed]\nMetricsTextfile=/var/lib/node/h.prom\n[Rule a]\nHook=/etc/h\n");
	CHECK_STREQ(c->metrics_textfile, "/var/lib/node/h.prom");
	CHECK_STREQ(c->rules[0].hook, "/etc/h");
	CHECK(!c->rules[0].broken);
}

TEST(a_hook_that_is_no_absolute_path_is_refused)
{
	READ("[Rule a]\nHook=restore.sh\n");
	CHECK(!c->rules[0].hook && c->n_problems == 1 && !c->rules[0].broken);
}

TEST(a_name_taken_or_missing_breaks_that_rule_only)
{
	READ("[Rule a]\nPath=/x\n[Rule]\nHolders=kill\n[Rule a]\nHolders=kill\n[Rule  b ]\n"
	     "[Rule \xff]\n[Ruler]\nPath=/y\n");
	REQUIRE(c->n_rules == 5);
	CHECK(!c->rules[0].broken && c->rules[1].broken && c->rules[2].broken);
	CHECK(!c->rules[3].broken && c->rules[4].broken);
	CHECK_STREQ(c->rules[3].name, "b");
	CHECK_STREQ(c->rules[1].name, "line 3");
	CHECK(said(&t, ":5: rule \"a\" exists already"));
	CHECK(said(&t, "\"\\xff\" is no name for a rule"));
	CHECK(said(&t, "unknown section [\"Ruler\"]"));
	CHECK(c->n_problems == 4);
}

TEST(two_equal_sections_in_a_row_are_two_rules)
{
	READ("[Rule a]\nPath=/x\n[Rule a]\nPath=/y\n");
	CHECK(c->n_rules == 2);
	CHECK_STREQ(c->rules[0].path, "/x");
	CHECK(c->rules[1].broken);
}

TEST(a_rule_without_keys_is_a_rule)
{
	READ("[Rule everything]");
	CHECK(c->n_rules == 1 && !c->rules[0].broken && !c->n_problems);
}

TEST(a_header_without_an_end_does_not_lend_its_keys_to_the_rule_above)
{
	READ("[Rule a]\nPath=/x\n[Rule b\nHolders=kill\n[Daemon\nDryRun=yes\n");
	REQUIRE(c->n_rules == 2);
	CHECK(!c->rules[0].broken && c->rules[0].holders == VERB_REPORT);
	CHECK(c->rules[1].broken && c->rules[1].holders == VERB_KILL);
	CHECK(!c->dry_run);
	CHECK(c->n_problems == 2);
}

TEST(a_match_key_given_twice_breaks_the_rule_and_a_verdict_keeps_the_first)
{
	READ("[Rule a]\nPath=/x\nPath=/y\n[Rule b]\nRepair=none\nRepair=zero\n");
	CHECK(c->rules[0].broken);
	CHECK(!c->rules[1].broken && c->rules[1].repair == REPAIR_NONE);
	CHECK(c->n_problems == 2);
}

TEST(comments_begin_after_a_blank_only)
{
	READ("[Rule a]\nPath=/srv/a#b;c \t# not this\n  Unit = a\\#b ; nor this\n;x\n#y\n");
	CHECK_STREQ(c->rules[0].path, "/srv/a#b;c");
	CHECK_STREQ(c->rules[0].unit, "a\\#b");
	CHECK(!c->n_problems);
}

TEST(a_blank_and_a_hash_can_be_written_with_a_backslash)
{
	READ("[Rule a]\nPath=/srv/a \\# b\n");
	CHECK_STREQ(c->rules[0].path, "/srv/a \\# b");
}

TEST(values_keep_their_colons_equal_signs_and_quotes)
{
	READ("[Rule a]\nPath=/srv/a:b=c \"d\"\n");
	CHECK_STREQ(c->rules[0].path, "/srv/a:b=c \"d\"");
}

TEST(a_backslash_at_the_end_goes_on_and_lines_are_counted_all_the_same)
{
	READ("[Rule a]\nPath=/srv/a\\\nb\nUnit=x\\\\\n[Daemon]\nDryRun=?\n");
	CHECK_STREQ(c->rules[0].path, "/srv/a b");
	CHECK_STREQ(c->rules[0].unit, "x\\\\");
	CHECK(said(&t, ":6: DryRun="));
	CHECK(c->n_problems == 1);
}

TEST(a_backslash_left_behind_does_not_swallow_the_next_section)
{
	READ("[Rule a]\nHolders=kill\\\n[Rule b]\nPath=/x\n");
	CHECK(c->n_rules == 2);
	CHECK_STREQ(c->rules[1].path, "/x");
}

TEST(an_indented_line_is_a_key_and_not_a_continuation)
{
	READ("[Rule a]\nPath=/x\n   Holders=kill\n");
	CHECK_STREQ(c->rules[0].path, "/x");
	CHECK(c->rules[0].holders == VERB_KILL && !c->n_problems);
}

TEST(dos_line_ends_a_byte_order_mark_and_no_last_newline_are_fine)
{
	READ("\xef\xbb\xbf[Daemon]\r\nDryRun=yes");
	CHECK(c->dry_run && !c->n_problems);
}

TEST(a_long_path_is_read_whole_and_an_endless_one_breaks_the_rule)
{
	_cleanup_(told_done) struct told t = { NULL };
	_cleanup_(config_freep) struct config *c = NULL;
	static char text[3 * LINE_MAX_BYTES];
	size_t n = 0;

	n += sprintf(text, "[Rule a]\nPath=/");
	memset(text + n, 'x', 4000);
	n += 4000;
	n += sprintf(text + n, "\n[Rule b]\nUnit=");
	memset(text + n, 'y', LINE_MAX_BYTES);
	n += LINE_MAX_BYTES;
	sprintf(text + n, "\\\nHolders=kill\n[Rule c]\n");

	c = read_text(text, &t);
	REQUIRE(c && c->n_rules == 3);
	CHECK(strlen(c->rules[0].path) == 4001 && !c->rules[0].broken);
	CHECK(c->rules[1].broken && c->rules[1].holders == VERB_REPORT);
	CHECK(said(&t, ":4: the line is too long"));
	CHECK(!c->rules[2].broken);
}

TEST(bytes_that_do_not_belong_there_break_the_rule_they_are_in)
{
	static const char text[] = "[Rule a]\nPath=/x\0/y\nHolders=kill\n[Rule b]\n";
	_cleanup_(told_done) struct told t = { NULL };
	_cleanup_(config_freep) struct config *c = read_bytes(text, sizeof(text) - 1, &t);

	REQUIRE(c && c->n_rules == 2);
	CHECK(c->rules[0].broken && !c->rules[0].path && !c->rules[1].broken);
	CHECK(said(&t, ":2: control bytes"));
}

TEST(whatever_bytes_come_reading_ends_and_sentences_are_printable)
{
	static char text[65536];
	unsigned seed = 1;

	for (int round = 0; round < 50; round++) {
		static const char alphabet[] = "[]Rule a=\n\n#;\\\"Path*?/\t\xff\x01";
		_cleanup_(told_done) struct told t = { NULL };
		_cleanup_(config_freep) struct config *c = NULL;
		size_t n = 0;

		while (n < sizeof(text)) {
			seed = seed * 1103515245 + 12345;
			text[n++] = round % 2 ? (char)(seed >> 16)
					      : alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		c = read_bytes(text, n, &t);
		REQUIRE(c);
		CHECK(c->n_problems > 0);
		CHECK(strv_length(t.sentences) <= 101);
		for (char **s = t.sentences; s && *s; s++)
			for (const char *b = *s; *b; b++)
				CHECK(*b >= ' ' && *b <= '~');
		for (size_t i = 0; i < c->n_rules; i++)
			CHECK(c->rules[i].name && c->rules[i].file);
	}
}

TEST(too_many_rules_are_told_and_not_kept)
{
	_cleanup_(told_done) struct told t = { NULL };
	_cleanup_(config_freep) struct config *c = NULL;
	static char text[32768];
	size_t n = 0;

	for (int i = 0; i < 1030; i++)
		n += sprintf(text + n, "[Rule %d]\n", i);
	c = read_text(text, &t);
	REQUIRE(c);
	CHECK(c->n_rules == 1024 && c->n_problems == 6);
}

TEST(dropins_come_after_in_order_of_their_names)
{
	_cleanup_(folder_done) struct folder f = folder_new();
	_cleanup_(told_done) struct told t = { NULL };
	_cleanup_(config_freep) struct config *c = NULL;
	char dir[96];

	snprintf(dir, sizeof(dir), "%s.d", f.conf);
	REQUIRE(!mkdir(dir, 0700));
	put(&f, "h.conf", "[Daemon]\nDryRun=no\n[Rule m]\n", 28);
	put(&f, "h.conf.d/20-b.conf", "[Rule b]\n[Daemon]\nDryRun=yes", 28);
	put(&f, "h.conf.d/10-a.conf", "Path=/x\n[Rule a]\n", 17);
	put(&f, "h.conf.d/30-c.conf.bak", "[Rule c]\n", 9);
	put(&f, "h.conf.d/.hidden.conf", "[Rule d]\n", 9);
	snprintf(dir, sizeof(dir), "%s.d/40-dir.conf", f.conf);
	REQUIRE(!mkdir(dir, 0700));

	REQUIRE(!config_read(f.conf, true, tell, &t, &c));
	REQUIRE(c->n_rules == 3);
	CHECK_STREQ(c->rules[0].name, "m");
	CHECK_STREQ(c->rules[1].name, "a");
	CHECK_STREQ(c->rules[2].name, "b");
	CHECK(c->dry_run);
	CHECK(strstr(c->rules[1].file, "10-a.conf"));
	CHECK(said(&t, "10-a.conf:1: Path= stands before any section"));
	CHECK(said(&t, "40-dir.conf: cannot be read, ignored: Is a directory"));
	CHECK(c->n_problems == 2);
}

TEST(a_missing_file_counts_only_if_it_was_asked_for)
{
	_cleanup_(folder_done) struct folder f = folder_new();
	_cleanup_(config_freep) struct config *c = NULL;

	CHECK(config_read(f.conf, true, NULL, NULL, &c) == -ENOENT);
	CHECK(!c);
	CHECK(config_read(f.conf, false, NULL, NULL, &c) == 0);
	CHECK(c && !c->n_problems);
}

TEST(a_file_of_another_sort_or_size_is_refused_and_nothing_hangs)
{
	_cleanup_(folder_done) struct folder f = folder_new();
	_cleanup_(config_freep) struct config *c = NULL;
	_cleanup_(closep) int fd = -1;

	CHECK(config_read(f.path, false, NULL, NULL, &c) == -EISDIR);
	fd = open(f.conf, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0 && !ftruncate(fd, 2 << 20));
	CHECK(config_read(f.conf, true, NULL, NULL, &c) == -EFBIG);
	CHECK(config_read("/dev/zero", true, NULL, NULL, &c) == -EFBIG);
	CHECK(!c);
	CHECK(config_read("/dev/null", true, NULL, NULL, &c) == 0);
}

TEST(the_ledger_has_limits_and_they_can_be_lifted)
{
	{
		READ("");
		CHECK(c->ledger_max_age_days == 730 && c->ledger_max_size_bytes == 256 << 20);
	}
	{
		READ("[Ledger]\nMaxAgeDays=0\nMaxSize=0\n");
		CHECK(c->ledger_max_age_days == 0 && c->ledger_max_size_bytes == 0);
	}
	{
		READ("[Ledger]\nMaxAgeDays=7\nMaxSize=2G\n");
		CHECK(c->ledger_max_age_days == 7 && c->ledger_max_size_bytes == 2ull << 30);
	}
	{
		READ("[Ledger]\nMaxAgeDays=-1\nMaxSize=1K\nMaxSize=9T\nMaxSize=G\nMaxSize=1MB\n"
		     "MaxAgeDays=100000\nMaxSize=99999999999\n");
		CHECK(c->n_problems == 7);
		CHECK(c->ledger_max_age_days == 730 && c->ledger_max_size_bytes == 256 << 20);
	}
}

TEST(booleans)
{
	static const char *const yes[] = { "yes", "YES", "true", "on", "1" };
	static const char *const no[] = { "no", "False", "off", "0" };
	static const char *const bad[] = { "", "y", "2", "yes no", "yesno" };
	bool b;

	for (size_t i = 0; i < 5; i++)
		CHECK((b = false, value_boolean(yes[i], &b) == 0) && b);
	for (size_t i = 0; i < 4; i++)
		CHECK((b = true, value_boolean(no[i], &b) == 0) && !b);
	for (size_t i = 0; i < 5; i++)
		CHECK(value_boolean(bad[i], &b) == -EINVAL);
}

TEST(signals)
{
	static const struct {
		const char *text;
		int r, number;
	} table[] = {
		{ "SIGUSR1", 0, SIGUSR1 },  { "usr2", 0, SIGUSR2 },
		{ "sigterm", 0, SIGTERM },  { "10", 0, 10 },
		{ "SIGBUS", 0, SIGBUS },    { "KILL", -EPERM, 0 },
		{ "9", -EPERM, 0 },	    { "SIGSTOP", -EPERM, 0 },
		{ "0", -EINVAL, 0 },	    { "-1", -EINVAL, 0 },
		{ "65", -EINVAL, 0 },	    { "32", -EINVAL, 0 },
		{ "33", -EINVAL, 0 },	    { "", -EINVAL, 0 },
		{ "SIG", -EINVAL, 0 },	    { "SIGSIGUSR1", -EINVAL, 0 },
		{ "RTMIN-1", -EINVAL, 0 },  { "RTMIN+", -EINVAL, 0 },
		{ "RTMIN+99", -EINVAL, 0 }, { "RTMAX+1", -EINVAL, 0 },
		{ "USR1 ", -EINVAL, 0 },
	};
	int number = 0;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		number = 0;
		CHECK(value_signal(table[i].text, &number) == table[i].r);
		CHECK(number == table[i].number);
	}
	CHECK(!value_signal("SIGRTMIN+3", &number) && number == SIGRTMIN + 3);
	CHECK(!value_signal("rtmin", &number) && number == SIGRTMIN);
	CHECK(!value_signal("RTMAX-2", &number) && number == SIGRTMAX - 2);
	CHECK(!value_signal("RTMIN+30", &number) && number == SIGRTMAX);
}

TEST(grace_periods)
{
	static const struct {
		const char *text;
		int r;
		uint64_t usec;
	} table[] = {
		{ "5", 0, 5000000 },	       { "0", 0, 0 },
		{ "500ms", 0, 500000 },	       { "5s", 0, 5000000 },
		{ "5sec", 0, 5000000 },	       { "1min", 0, 60000000 },
		{ "1min 30s", 0, 90000000 },   { "1h", 0, 3600000000 },
		{ "3600", 0, 3600000000 },     { "3601", -ERANGE, 0 },
		{ "1h 1us", -ERANGE, 0 },      { "99999999999999999999", -ERANGE, 0 },
		{ "9999999999h", -ERANGE, 0 }, { "", -EINVAL, 0 },
		{ "-5", -EINVAL, 0 },	       { "5 s", -EINVAL, 0 },
		{ "5x", -EINVAL, 0 },	       { "1.5", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },	       { "infinity", -EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint64_t usec = 0;

		CHECK(value_grace(table[i].text, &usec) == table[i].r);
		CHECK(usec == table[i].usec);
	}
}

TEST_MAIN()
