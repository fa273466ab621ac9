/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options: hwpoisond's command line (hwpoisond(8)). */
#pragma once

#include <stdbool.h>

struct options {
	const char *config_path;
	bool config_given;
	const char *state_dir;
	const char *runtime_dir;
	bool dry_run;
	bool check_config;
};

/* Over the defaults in *ret. -1: go on; else the exit status: all was said. */
int options_parse(int argc, char **argv, struct options *ret);
