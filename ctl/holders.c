// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * holders: which processes map a file, or have it open?
 *
 *   main -> [holders] -> control/lookup; client, where we are not root
 *
 * Root asks the stations directly. An ordinary user can't, since owners and holders are hidden from
 * it, and so asks the daemon, if one is there and lets it.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "client.h"
#include "control/lookup.h"
#include "holders/holders.h"
#include "policy/config.h"
#include "print.h"

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
