// SPDX-License-Identifier: GPL-2.0-or-later
/* options: see options.h. */
#include <getopt.h>
#include <stdio.h>

#include "config.h"
#include "options.h"

static void usage(FILE *out)
{
	fprintf(out, "hwpoisond [--config FILE] [--state-dir DIR] [--runtime-dir DIR] [--dry-run]\n"
		     "hwpoisond --check-config [--config FILE]\n"
		     "hwpoisond --version\n");
}

int options_parse(int argc, char **argv, struct options *ret)
{
	static const struct option long_options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "state-dir", required_argument, NULL, 's' },
		{ "runtime-dir", required_argument, NULL, 'r' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "check-config", no_argument, NULL, 'C' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
		switch (option) {
		case 'c':
			ret->config_path = optarg;
			ret->config_given = true;
			break;
		case 's':
			ret->state_dir = optarg;
			break;
		case 'r':
			ret->runtime_dir = optarg;
			break;
		case 'n':
			ret->dry_run = true;
			break;
		case 'C':
			ret->check_config = true;
			break;
		case 'V':
			printf("hwpoisond %s\n", PACKAGE_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return 2;
	}
	return -1;
}
