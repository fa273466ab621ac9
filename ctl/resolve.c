// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * resolve: who owns these bytes of memory, or of a block device?
 *
 *   main -> [resolve] -> control/lookup; client, where we are not root
 *
 * In:   one range, or a list of any length, such as a badblocks file of sysfs.
 * Out:  what was found of each, in that order; a range is cut where a device ends.
 *
 * Root asks the stations directly. An ordinary user can't, since owners are hidden from it, and so
 * asks the daemon, if one is there and lets it.
 *
 * Of a list, so many ranges are in memory as are asked about together, and what was found of one is
 * written before the next is made ready to be.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "client.h"
#include "control/lookup.h"
#include "locate/stack.h"
#include "print.h"

struct answering {
	const struct ctl *ctl;
	size_t n; /* ranges so far */
};

static int print_resolved(struct json_object *range)
{
	_cleanup_(incident_freep) struct incident *in = NULL;

	if (incident_from_parts(range, &in) < 0) {
		print_error("The answer is not understood.");
		return -EBADMSG;
	}
	if (json_object_object_get(range, "phys_start")) {
		print_range(in);
		printf(" bytes, ");
	}
	print_device_line(&in->device);
	printf("\n");
	print_owners(in);
	return 0;
}

/* A lookup_answer. Nobody may be left to read it, and then the rest is not looked for. */
static int show_range(struct json_object *range, void *userdata)
{
	struct answering *a = userdata;

	if (!a->ctl->json)
		return print_resolved(range) < 0 ? -EBADMSG : ferror(stdout) ? -EPIPE : 0;
	printf(a->n++ ? ",\n" : "{\"ranges\":[\n");
	print_json_part(range);
	return ferror(stdout) ? -EPIPE : 0;
}

static void show_end(const struct answering *a)
{
	if (a->ctl->json)
		printf(a->n ? "\n]}\n" : "{\"ranges\":[]}\n");
}

/* ---- one question ---- */

static int resolve_failed(const struct lookup_range *what, int r)
{
	if (what->device && r == -ENODEV)
		print_error("There is no block device %s.", what->device);
	else if (what->device && r == -ERANGE)
		print_error("Sector %" PRIu64 " is past the end of %s.", what->sector,
			    what->device);
	else if (r == -EINVAL)
		print_error("No valid range: it must not be empty, nor over 1 GiB.");
	else if (r == -E2BIG)
		print_error("This range is in more than %u pieces: ask about a part of it.",
			    STACK_MAX_BELOW);
	else
		print_error("Cannot resolve this range: %s.", strerror(-r));
	return EXIT_FAILED;
}

static struct json_object *range_parameters(const struct lookup_range *what)
{
	struct json_object *p = json_object_new_object();
	char hex[24];

	if (what->device) {
		json_object_object_add(p, "device", json_object_new_string(what->device));
		json_object_object_add(p, "sector", json_object_new_uint64(what->sector));
		json_object_object_add(p, "n_sectors", json_object_new_uint64(what->n_sectors));
		return p;
	}
	snprintf(hex, sizeof(hex), "0x%" PRIx64, what->phys_start);
	json_object_object_add(p, "phys_start", json_object_new_string(hex));
	json_object_object_add(p, "length_bytes", json_object_new_uint64(what->length_bytes));
	return p;
}

static int ask_daemon(const struct lookup_range *what, struct answering *a)
{
	_cleanup_(json_object_putp) struct json_object *parameters = range_parameters(what);
	_cleanup_(json_object_putp) struct json_object *answer = NULL;
	struct json_object *ranges;
	int r;

	r = client_ask(a->ctl, "Resolve", parameters, &answer);
	if (r != EXIT_FINE)
		return r;
	ranges = json_object_object_get(answer, "ranges");
	if (!json_object_is_type(ranges, json_type_array))
		return EXIT_FINE;
	for (size_t i = 0; i < json_object_array_length(ranges); i++)
		if (show_range(json_object_array_get_idx(ranges, i), a) < 0)
			return EXIT_FAILED;
	return EXIT_FINE;
}

/* A search through millions of inodes takes a while: somebody who waits for it likes to know. */
static void show_progress(uint64_t n_done, uint64_t n_total, void *userdata)
{
	fprintf(stderr, "\rSearched %" PRIu64 " of about %" PRIu64 " inodes ", n_done, n_total);
	*(bool *)userdata = true;
}

struct here {
	struct answering *answering;
	bool shown; /* progress, and it stands in its line still */
};

static int show_found(struct json_object *range, void *userdata)
{
	struct here *here = userdata;

	if (here->shown)
		fprintf(stderr, "\r\033[K");
	here->shown = false;
	return show_range(range, here->answering);
}

static int ask_here(struct lookup_question *questions, size_t n, struct answering *a)
{
	struct here here = { .answering = a };
	struct scan_how how = { .hints_directory = LOOKUP_HINTS_DIRECTORY };
	int r, status = EXIT_FINE;

	if (isatty(STDERR_FILENO)) {
		how.progress = show_progress;
		how.userdata = &here.shown;
	}
	r = lookup_resolve_all(questions, n, &how, show_found, &here);
	if (here.shown)
		fprintf(stderr, "\r\033[K");
	if (r == -EBADMSG || r == -EPIPE)
		return EXIT_FAILED; /* and it was said why */
	if (r < 0)
		return resolve_failed(&questions[0].what, r);
	for (size_t i = 0; i < n; i++)
		if (questions[i].r < 0)
			status = resolve_failed(&questions[i].what, questions[i].r);
	return status;
}

static int ask(struct lookup_question *questions, size_t n, struct answering *a)
{
	int r = EXIT_FINE;

	if (geteuid() == 0)
		return ask_here(questions, n, a);
	for (size_t i = 0; i < n && r != EXIT_NO_DAEMON && !ferror(stdout); i++) {
		int one = ask_daemon(&questions[i].what, a);

		r = one == EXIT_FINE ? r : one;
	}
	return r;
}

/* ---- a list of questions ---- */

/* "208 8", as in a badblocks file, or "0x8021a000 4096". False: neither, and no comment. */
static bool parse_line(char *line, const char *device, struct lookup_range *ret)
{
	char *rest = line, *words[3] = {};
	uint64_t start, length = device ? 1 : SECTOR_BYTES;

	for (unsigned n = 0; n < 3 && (words[n] = strsep(&rest, " \t\r\n"));)
		n += *words[n] != '\0';
	if (!words[0] || !parse_number(words[0], &start))
		return false;
	if (words[1] && *words[1] && !parse_number(words[1], &length))
		return false;
	if (words[2] && *words[2])
		return false;
	*ret = (struct lookup_range){ .device = device };
	*(device ? &ret->sector : &ret->phys_start) = start;
	*(device ? &ret->n_sectors : &ret->length_bytes) = length;
	return true;
}

static bool is_empty(const char *line)
{
	line += strspn(line, " \t\r\n");
	return !*line || *line == '#';
}

struct list {
	FILE *file;
	const char *name;
	unsigned n_lines;
	int status; /* of the lines that are no ranges */
};

/* The next ranges, up to n_max. Returns how many. */
static size_t read_some(struct list *list, const char *device, struct lookup_question *questions,
			size_t n_max)
{
	_cleanup_(freep) char *line = NULL;
	size_t capacity = 0, n = 0;

	while (n < n_max && getline(&line, &capacity, list->file) >= 0) {
		list->n_lines++;
		if (is_empty(line))
			continue;
		questions[n].r = 0;
		if (parse_line(line, device, &questions[n].what)) {
			n++;
			continue;
		}
		print_error("%s:%u: this is no range.", list->name, list->n_lines);
		list->status = EXIT_FAILED;
	}
	return n;
}

static int ask_list(struct list *list, struct answering *a)
{
	_cleanup_(freep) struct lookup_question *questions = calloc(LOOKUP_TOGETHER,
								    sizeof(*questions));
	int r = EXIT_FINE;
	size_t n;

	if (!questions) {
		print_error("out of memory");
		return EXIT_FAILED;
	}
	while (r != EXIT_NO_DAEMON && !ferror(stdout) &&
	       (n = read_some(list, a->ctl->device, questions, LOOKUP_TOGETHER))) {
		int some = ask(questions, n, a);

		r = some == EXIT_FINE ? r : some;
	}
	if (ferror(list->file)) {
		print_error("Cannot read %s.", list->name);
		r = EXIT_FAILED;
	}
	return r == EXIT_FINE ? list->status : r;
}

static int resolve_list(struct answering *a)
{
	_cleanup_(fclosep) FILE *opened = NULL;
	struct list list = { .file = stdin, .name = a->ctl->list };

	if (strcmp(a->ctl->list, "-")) {
		list.file = opened = fopen(a->ctl->list, "re");
		if (!opened) {
			print_error("Cannot read %s: %m.", a->ctl->list);
			return EXIT_FAILED;
		}
	}
	return ask_list(&list, a);
}

/* ---- the command ---- */

static int read_range(const struct ctl *ctl, struct lookup_range *ret)
{
	*ret = (struct lookup_range){
		.phys_start = ctl->phys_start,
		.length_bytes = SECTOR_BYTES,
		.sector = ctl->sector,
		.n_sectors = ctl->given & OPTION_COUNT ? ctl->count : 1,
		.device = ctl->device,
	};
	if ((ctl->n_arguments && !(ctl->given & OPTION_PHYS)) ||
	    (ctl->given & OPTION_COUNT && !(ctl->given & OPTION_SECTOR))) {
		print_error("LENGTH belongs to --phys, and --count to --device.");
		return EXIT_USAGE;
	}
	if (ctl->n_arguments && !parse_number(ctl->arguments[0], &ret->length_bytes)) {
		print_error("No number of bytes: %s.", ctl->arguments[0]);
		return EXIT_USAGE;
	}
	return EXIT_FINE;
}

int command_resolve(const struct ctl *ctl)
{
	struct answering answering = { .ctl = ctl };
	unsigned by_device = OPTION_DEVICE | OPTION_SECTOR, by_list = OPTION_LIST;
	unsigned ways = ctl->given & (by_device | OPTION_PHYS | OPTION_LIST);
	struct lookup_question question = {};
	int r;

	if (ways != OPTION_PHYS && ways != by_device && ways != by_list &&
	    ways != (by_list | OPTION_DEVICE)) {
		print_error("Give either --phys START [LENGTH], or --device DEV with --sector S, "
			    "or --list FILE.");
		return EXIT_USAGE;
	}
	r = read_range(ctl, &question.what);
	if (r != EXIT_FINE)
		return r;
	if (geteuid() != 0 && !client_reachable(ctl))
		return client_need_root("resolve");

	r = ctl->list ? resolve_list(&answering) : ask(&question, 1, &answering);
	if (r == EXIT_FINE || answering.n || ctl->list)
		show_end(&answering);
	return r;
}
