/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * print: what the commands show to people, and the JSON they show to programs.
 *
 * Names (files, processes, units) come from whoever made them and may hold anything: control
 * characters and bytes that are no UTF-8 are printed as \xNN, so that no name can move the cursor
 * or fake a line.
 */
#pragma once

#include <inttypes.h>
#include <stdio.h>

#include <json-c/json.h>

#include "incident.h"

void print_name(FILE *out, const char *name);		/* NULL: "-" */
void print_name_padded(FILE *out, const char *name, int n_columns);

/* "hwpoisonctl: " and the sentence, escaped, on stderr. */
void print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

void print_json(struct json_object *document);		/* indented */
void print_json_line(struct json_object *object);
void print_json_part(struct json_object *object);	/* without a newline */

/* A string of an object; "-", or for the second nothing at all, where there is none. */
void print_member(struct json_object *object, const char *name);
void print_member_after(const char *before, struct json_object *object, const char *name);
const char *member_string(struct json_object *object, const char *name);	/* as it is; borrowed */

/*
 * What has some members of an incident (a range, a list of holders), as an incident that lacks
 * nothing else. 0, -EBADMSG, -ENOMEM.
 */
int incident_from_parts(struct json_object *parts, struct incident **ret);

void print_range(const struct incident *in);		/* "0x8021a000 + 4096" */
void print_device_line(const struct device *device);	/* in full, without a newline */
void print_owners(const struct incident *in);		/* indented lines */
void print_holders(const struct incident *in);		/* a table */

void print_buses(struct json_object *reply);		/* {"buses":[...]}, a line each */

void print_incident_header(void);
void print_incident_row(const struct incident *in);
void print_incident(const struct incident *in);
