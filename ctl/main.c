// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hwpoisonctl: ask hwpoisond, or this machine, what memory has lost.
 *
 *   [main] -> a command -> client, or control/lookup -> print
 *
 * One table says which commands there are and what each takes; options may stand anywhere.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>

#include "config.h"
#include "cleanup.h"
#include "ctl.h"
#include "print.h"

#define DEFAULT_SOCKET	  "/run/hwpoisond/io.hwpoisond"
#define DEFAULT_CONFIG	  "/etc/hwpoisond/hwpoisond.conf"
#define DEFAULT_STATE_DIR "/var/lib/hwpoisond"

struct command {
	const char *name[2]; /* "scrub", "start" */
	const char *synopsis; /* what comes behind the name */
	const char *what;
	unsigned options; /* enum ctl_option */
	int n_arguments_min, n_arguments_max; /* max -1: any number */
	ctl_command run;
};

static const struct command commands[] = {
	{ { "status" }, "", "the daemon, its sources, what is poisoned", 0, 0, 0, command_status },
	{ { "list" }, "[--all]", "incidents: open ones, or all", OPTION_ALL, 0, 0, command_list },
	{ { "show" }, "N", "one incident", 0, 1, 1, command_show },
	{ { "export" }, "", "all that the ledger remembers", 0, 0, 0, command_export },
	{ { "watch" }, "", "events as they happen", 0, 0, 0, command_watch },
	{ { "scrub", "start" },
	  "[BUS...] [--wait]",
	  "search the media",
	  OPTION_WAIT,
	  0,
	  -1,
	  command_scrub_start },
	{ { "scrub", "status" }, "", "does a scrub run?", 0, 0, 0, command_scrub_status },
	{ { "resolve" },
	  "--phys START [LENGTH]\n  resolve --device DEV --sector S [--count N]\n"
	  "  resolve --list FILE [--device DEV]",
	  "who owns these bytes?",
	  OPTION_PHYS | OPTION_DEVICE | OPTION_SECTOR | OPTION_COUNT | OPTION_LIST,
	  0,
	  1,
	  command_resolve },
	{ { "holders" },
	  "FILE [--offset N] [--length N]",
	  "who maps it or has it open?",
	  OPTION_OFFSET | OPTION_LENGTH,
	  1,
	  1,
	  command_holders },
	{ { "files" },
	  "FILE... [--state-dir DIR]",
	  "have they lost bytes, now or ever?",
	  OPTION_STATE_DIR,
	  1,
	  -1,
	  command_files },
	{ { "repair" },
	  "N [--dry-run]",
	  "repair, or show the plan",
	  OPTION_DRY_RUN,
	  1,
	  1,
	  command_repair },
	{ { "policy", "check" },
	  "[--config FILE]",
	  "is the configuration right?",
	  OPTION_CONFIG,
	  0,
	  0,
	  command_policy_check },
	{ { "policy", "explain" },
	  "[FILE] [--pid N] [--config FILE]",
	  "which rule would apply?",
	  OPTION_CONFIG | OPTION_PID,
	  0,
	  1,
	  command_policy_explain },
	{ { "reload" }, "", "put the configuration in force", 0, 0, 0, command_reload },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct {
	const char *name;
	unsigned bit;
} option_names[] = {
	{ "--all", OPTION_ALL },
	{ "--wait", OPTION_WAIT },
	{ "--dry-run", OPTION_DRY_RUN },
	{ "--phys", OPTION_PHYS },
	{ "--device", OPTION_DEVICE },
	{ "--sector", OPTION_SECTOR },
	{ "--count", OPTION_COUNT },
	{ "--offset", OPTION_OFFSET },
	{ "--length", OPTION_LENGTH },
	{ "--config", OPTION_CONFIG },
	{ "--state-dir", OPTION_STATE_DIR },
	{ "--pid", OPTION_PID },
	{ "--list", OPTION_LIST },
};

enum {
	GETOPT_JSON = 256,
	GETOPT_SOCKET,
	GETOPT_VERSION,
	GETOPT_BIT, /* and above: enum ctl_option by position */
};

static const struct option long_options[] = {
	{ "all", no_argument, NULL, GETOPT_BIT + 0 },
	{ "wait", no_argument, NULL, GETOPT_BIT + 1 },
	{ "dry-run", no_argument, NULL, GETOPT_BIT + 2 },
	{ "phys", required_argument, NULL, GETOPT_BIT + 3 },
	{ "device", required_argument, NULL, GETOPT_BIT + 4 },
	{ "sector", required_argument, NULL, GETOPT_BIT + 5 },
	{ "count", required_argument, NULL, GETOPT_BIT + 6 },
	{ "offset", required_argument, NULL, GETOPT_BIT + 7 },
	{ "length", required_argument, NULL, GETOPT_BIT + 8 },
	{ "config", required_argument, NULL, GETOPT_BIT + 9 },
	{ "state-dir", required_argument, NULL, GETOPT_BIT + 10 },
	{ "pid", required_argument, NULL, GETOPT_BIT + 11 },
	{ "list", required_argument, NULL, GETOPT_BIT + 12 },
	{ "json", no_argument, NULL, GETOPT_JSON },
	{ "socket", required_argument, NULL, GETOPT_SOCKET },
	{ "version", no_argument, NULL, GETOPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{},
};

bool parse_number(const char *text, uint64_t *ret)
{
	bool hex = !strncmp(text, "0x", 2) || !strncmp(text, "0X", 2);
	const char *digits = text + (hex ? 2 : 0);
	uint64_t value;

	if (!*digits || digits[strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")])
		return false;
	errno = 0;
	value = strtoull(digits, NULL, hex ? 16 : 10);
	if (errno)
		return false;
	*ret = value;
	return true;
}

static void print_usage(FILE *out)
{
	fprintf(out, "hwpoisonctl [--json] [--socket PATH] COMMAND ...\n\nCommands:\n");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		const struct command *c = &commands[i];
		bool two = c->name[1];
		int n = fprintf(out, "  %s%s%s %s", c->name[0], two ? " " : "",
				two ? c->name[1] : "", c->synopsis);

		if (strrchr(c->synopsis, '\n'))
			n = (int)strlen(strrchr(c->synopsis, '\n')) - 1;
		fprintf(out, "%*s%s\n", n < 50 ? 50 - n : 1, "", c->what);
	}
	fprintf(out, "\n  --json         one JSON document; lines of JSON from watch\n"
		     "  --socket PATH  where the daemon answers, " DEFAULT_SOCKET "\n"
		     "  --config FILE  " DEFAULT_CONFIG "\n"
		     "  --state-dir DIR  where the ledger is, " DEFAULT_STATE_DIR "\n"
		     "  --help, --version\n\n"
		     "START, LENGTH, S and N are decimal, or hexadecimal with 0x. LENGTH is in "
		     "bytes, 512\n"
		     "unless given; S and --count are in 512-byte sectors. FILE has lines of \"S "
		     "N\", as\n"
		     "badblocks of sysfs, or without --device \"START LENGTH\"; - is the standard "
		     "input.\n\n"
		     "Exit status: 0 fine, 1 failed, 2 usage, 3 no daemon, 4 (status) unrepaired "
		     "poison,\n(files) lost bytes.\n");
}

static int usage_error(void)
{
	fprintf(stderr, "Try 'hwpoisonctl --help'.\n");
	return EXIT_USAGE;
}

static int take_number(const char *name, uint64_t *ret)
{
	if (parse_number(optarg, ret))
		return EXIT_FINE;
	print_error("%s takes a number, not %s.", name, optarg);
	return usage_error();
}

static int take_option(struct ctl *ctl, unsigned position)
{
	const char *name = option_names[position].name;

	ctl->given |= option_names[position].bit;
	switch (option_names[position].bit) {
	case OPTION_PHYS:
		return take_number(name, &ctl->phys_start);
	case OPTION_SECTOR:
		return take_number(name, &ctl->sector);
	case OPTION_COUNT:
		return take_number(name, &ctl->count);
	case OPTION_OFFSET:
		return take_number(name, &ctl->offset_bytes);
	case OPTION_LENGTH:
		return take_number(name, &ctl->length_bytes);
	case OPTION_PID:
		return take_number(name, &ctl->pid);
	case OPTION_DEVICE:
		ctl->device = optarg;
		break;
	case OPTION_CONFIG:
		ctl->config = optarg;
		break;
	case OPTION_STATE_DIR:
		ctl->state_dir = optarg;
		break;
	case OPTION_LIST:
		ctl->list = optarg;
		break;
	}
	return EXIT_FINE;
}

/* EXIT_FINE, or how to end; *ret_over: all is said already. */
static int parse_options(int argc, char **argv, struct ctl *ctl, bool *ret_over)
{
	int option, r = EXIT_FINE;

	while (r == EXIT_FINE && (option = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
		if (option == GETOPT_JSON)
			ctl->json = true;
		else if (option == GETOPT_SOCKET)
			ctl->socket = optarg;
		else if (option >= GETOPT_BIT)
			r = take_option(ctl, (unsigned)(option - GETOPT_BIT));
		else if (option == 'h')
			*ret_over = true, print_usage(stdout);
		else if (option == GETOPT_VERSION)
			*ret_over = true, printf("hwpoisonctl " PACKAGE_VERSION "\n");
		else
			r = usage_error();
		if (*ret_over)
			break;
	}
	ctl->arguments = argv + optind;
	ctl->n_arguments = argc - optind;
	return r;
}

static const struct command *find_command(struct ctl *ctl)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		const struct command *c = &commands[i];
		int n_words = c->name[1] ? 2 : 1;

		if (ctl->n_arguments < n_words || strcmp(ctl->arguments[0], c->name[0]))
			continue;
		if (c->name[1] && strcmp(ctl->arguments[1], c->name[1]))
			continue;
		ctl->arguments += n_words;
		ctl->n_arguments -= n_words;
		return c;
	}
	return NULL;
}

static int check_arguments(const struct ctl *ctl, const struct command *c)
{
	unsigned odd = ctl->given & ~c->options;

	for (size_t i = 0; odd && i < sizeof(option_names) / sizeof(*option_names); i++)
		if (odd & option_names[i].bit) {
			print_error("%s does not take %s.", c->name[0], option_names[i].name);
			return usage_error();
		}
	if (ctl->n_arguments < c->n_arguments_min) {
		print_error("%s lacks an argument.", c->name[0]);
		return usage_error();
	}
	if (c->n_arguments_max >= 0 && ctl->n_arguments > c->n_arguments_max) {
		print_error("%s takes no argument %s.", c->name[0],
			    ctl->arguments[c->n_arguments_max]);
		return usage_error();
	}
	return EXIT_FINE;
}

static int run(int argc, char **argv)
{
	struct ctl ctl = {
		.socket = DEFAULT_SOCKET,
		.config = DEFAULT_CONFIG,
		.state_dir = DEFAULT_STATE_DIR,
	};
	const struct command *command;
	bool over = false;
	int r;

	r = parse_options(argc, argv, &ctl, &over);
	if (r != EXIT_FINE || over)
		return r;
	if (ctl.n_arguments && !strcmp(ctl.arguments[0], "help")) {
		print_usage(stdout);
		return EXIT_FINE;
	}
	command = find_command(&ctl);
	if (!command) {
		if (ctl.n_arguments)
			print_error("There is no such command: %s.", ctl.arguments[0]);
		else
			print_usage(stderr);
		return ctl.n_arguments ? usage_error() : EXIT_USAGE;
	}
	r = check_arguments(&ctl, command);
	return r == EXIT_FINE ? command->run(&ctl) : r;
}

/* What could not be written was not said: that is a failure, but a closed pipe is its reader's
 * wish. */
int main(int argc, char **argv)
{
	int r;

	signal(SIGPIPE, SIG_IGN);
	r = run(argc, argv);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return r;
	if (errno != EPIPE)
		print_error("Cannot write the answer: %m.");
	return r == EXIT_FINE ? EXIT_FAILED : r;
}
