// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lookup: resolve and holders: questions about this machine that need no daemon.
 *
 *   main -> [lookup] -> control/lookup; client, where we are not root
 *
 * Root asks the stations directly. An ordinary user can't, since owners and holders are hidden from
 * it, and so asks the daemon, if one is there and lets it.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "client.h"
#include "control/lookup.h"
#include "locate/stack.h"
#include "holders/holders.h"
#include "policy/config.h"
#include "print.h"

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

static int print_resolved(struct json_object *range)
{
	_cleanup_(incident_freep) struct incident *in = NULL;

	if (incident_from_parts(range, &in) < 0) {
		print_error("The answer is not understood.");
		return EXIT_FAILED;
	}
	if (json_object_object_get(range, "phys_start")) {
		print_range(in);
		printf(" bytes, ");
	}
	print_device_line(&in->device);
	printf("\n");
	print_owners(in);
	return EXIT_FINE;
}

static int show_ranges(const struct ctl *ctl, struct json_object *answer)
{
	struct json_object *ranges = json_object_object_get(answer, "ranges");
	size_t n = json_object_is_type(ranges, json_type_array) ? json_object_array_length(ranges)
								: 0;
	int r = EXIT_FINE;

	if (ctl->json)
		print_json(answer);
	for (size_t i = 0; !ctl->json && r == EXIT_FINE && i < n; i++)
		r = print_resolved(json_object_array_get_idx(ranges, i));
	return r;
}

static int resolve_failed(const struct lookup_range *what, int r)
{
	if (what->device && r == -ENODEV)
		print_error("There is no block device %s.", what->device);
	else if (what->device && r == -ERANGE)
		print_error("That is past the end of %s.", what->device);
	else if (r == -EINVAL)
		print_error("No valid range: it must not be empty, nor over 1 GiB.");
	else if (r == -E2BIG)
		print_error("This range is in more than %u pieces: ask about a part of it.",
			    STACK_MAX_BELOW);
	else
		print_error("Cannot resolve this range: %s.", strerror(-r));
	return EXIT_FAILED;
}

/* A search through millions of inodes takes a while: somebody who waits for it likes to know. */
static void show_progress(uint64_t n_done, uint64_t n_total, void *userdata)
{
	fprintf(stderr, "\rSearched %" PRIu64 " of about %" PRIu64 " inodes ", n_done, n_total);
	*(bool *)userdata = true;
}

static int resolve_here(struct lookup_range *what, struct json_object **ret)
{
	bool shown = false;
	int r;

	what->how.hints_directory = LOOKUP_HINTS_DIRECTORY;
	if (isatty(STDERR_FILENO)) {
		what->how.progress = show_progress;
		what->how.userdata = &shown;
	}
	r = lookup_resolve(what, ret);
	if (shown)
		fprintf(stderr, "\r\033[K");
	return r;
}

static int resolve(const struct ctl *ctl, struct lookup_range *what)
{
	_cleanup_(json_object_putp) struct json_object *answer = NULL, *parameters = NULL;
	int r;

	if (geteuid() != 0) {
		if (!client_reachable(ctl))
			return client_need_root("resolve");
		parameters = range_parameters(what);
		r = client_ask(ctl, "Resolve", parameters, &answer);
	} else {
		r = resolve_here(what, &answer);
		if (r < 0)
			return resolve_failed(what, r);
	}
	return r == EXIT_FINE ? show_ranges(ctl, answer) : r;
}

int command_resolve(const struct ctl *ctl)
{
	struct lookup_range what = {
		.phys_start = ctl->phys_start,
		.length_bytes = SECTOR_BYTES,
		.sector = ctl->sector,
		.n_sectors = ctl->given & OPTION_COUNT ? ctl->count : 1,
		.device = ctl->device,
	};
	unsigned by_device = OPTION_DEVICE | OPTION_SECTOR;
	unsigned ways = ctl->given & (by_device | OPTION_PHYS);

	if (ways != OPTION_PHYS && ways != by_device) {
		print_error("Give either --phys START [LENGTH], or --device DEV with --sector S.");
		return EXIT_USAGE;
	}
	if ((ctl->n_arguments && ctl->device) || (ctl->given & OPTION_COUNT && !ctl->device)) {
		print_error("LENGTH belongs to --phys, and --count to --device.");
		return EXIT_USAGE;
	}
	if (ctl->n_arguments && !parse_number(ctl->arguments[0], &what.length_bytes)) {
		print_error("No number of bytes: %s.", ctl->arguments[0]);
		return EXIT_USAGE;
	}
	return resolve(ctl, &what);
}

static int show_holders(const struct ctl *ctl, struct json_object *answer)
{
	_cleanup_(incident_freep) struct incident *in = NULL;

	if (ctl->json) {
		print_json(answer);
		return EXIT_FINE;
	}
	if (incident_from_parts(answer, &in) < 0) {
		print_error("The answer is not understood.");
		return EXIT_FAILED;
	}
	print_holders(in);
	if (!in->n_holders)
		printf("No process maps it or has it open\n");
	return EXIT_FINE;
}

static int ask_holders(const struct ctl *ctl, const char *file, struct json_object **ret)
{
	_cleanup_(json_object_putp) struct json_object *p = json_object_new_object();

	json_object_object_add(p, "file", json_object_new_string(file));
	json_object_object_add(p, "offset_bytes", json_object_new_uint64(ctl->offset_bytes));
	json_object_object_add(p, "length_bytes", json_object_new_uint64(ctl->length_bytes));
	return client_ask(ctl, "Holders", p, ret);
}

/* What does no good in the daemon does none here. */
static uint32_t programs_to_skip(const struct ctl *ctl)
{
	_cleanup_(config_freep) struct config *config = NULL;

	return config_read(ctl->config, false, NULL, NULL, &config) < 0 ? 0 : config->skip_programs;
}

int command_holders(const struct ctl *ctl)
{
	_cleanup_(json_object_putp) struct json_object *answer = NULL;
	const char *reason;
	char file[PATH_MAX];
	int r;

	if (!realpath(ctl->arguments[0], file)) {
		print_error("Cannot find %s: %m.", ctl->arguments[0]);
		return EXIT_FAILED;
	}
	if (geteuid() == 0) {
		holders_bpf_new(programs_to_skip(ctl),
				&reason); /* or else they are found in /proc */
		r = lookup_holders(file, ctl->offset_bytes, ctl->length_bytes, &answer);
		holders_bpf_free();
	} else if (client_reachable(ctl)) {
		r = ask_holders(ctl, file, &answer);
	} else {
		return client_need_root("holders");
	}

	if (r < 0) {
		print_error("Cannot examine %s: %s.", ctl->arguments[0], strerror(-r));
		return EXIT_FAILED;
	}
	return r == EXIT_FINE ? show_holders(ctl, answer) : r;
}
