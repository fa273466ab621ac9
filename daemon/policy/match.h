/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * match: does a rule apply?
 *
 * Each returns NULL where the rule matches, or the first key that does not, as it is written in
 * the configuration.
 */
#pragma once

#include "incident.h"
#include "policy/config.h"

const char *mismatch_of_device(const struct rule *rule, const struct device *device);
const char *mismatch_of_owner(const struct rule *rule, const struct owner *owner); /* or NULL */
const char *mismatch_of_process(const struct rule *rule, const struct holder *holder);

/* The same for an incident as a whole: is there any such owner, any such process? */
const char *mismatch_of_owners(const struct rule *rule, const struct incident *in);
const char *mismatch_of_processes(const struct rule *rule, const struct incident *in);

bool asks_for_process(const struct rule *rule);
