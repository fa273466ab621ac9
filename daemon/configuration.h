/* SPDX-License-Identifier: GPL-2.0-or-later */
/* configuration: read at the start and again on order; what is bad never replaces what is good. */
#pragma once

#include "degraded.h"
#include "options.h"
#include "policy/config.h"

/*
 * Read, and apply the command line over it. *ret_problems (the caller's): what is wrong, with file
 * and line, and rules that can never match. config->n_problems counts the former alone. 0; or a
 * negative errno: it can't be read at all.
 */
int configuration_load(const struct options *options, struct config **ret, char ***ret_problems);

/* The first time there is nothing else to go by: mistakes are told, and defaults stand in. */
int configuration_start(const struct options *options, struct degraded *degraded,
			struct config **ret);

/*
 * Again: 1 and *ret; 0: it has mistakes; negative errno: it can't be read. Where it is not 1, what
 * is in force must stay, and that is told through `degraded`.
 */
int configuration_reload(const struct options *options, struct degraded *degraded,
			 struct config **ret, char ***ret_problems);
