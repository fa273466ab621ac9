// SPDX-License-Identifier: GPL-2.0-or-later
/* The interface description and the methods that are served are the same, in both directions. */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "control/control_private.h"
#include "test.h"

/* The text between "method NAME(" and the ")" that closes it; NULL: no such method. Caller frees.
 */
static char *parameters_in_idl(const char *method)
{
	char start[80];
	const char *found;

	snprintf(start, sizeof(start), "\nmethod %s(", method);
	found = strstr(control_interface.description, start);
	if (!found)
		return NULL;
	found += strlen(start);
	return strndup(found, strcspn(found, ")"));
}

static const char *type_in_idl(const struct varlink_parameter *p)
{
	static const char *const names[][2] = {
		[VARLINK_BOOL] = { "?bool", "bool" },
		[VARLINK_INT] = { "?int", "int" },
		[VARLINK_STRING] = { "?string", "string" },
		[VARLINK_STRINGS] = { "?[]string", "[]string" },
	};

	return names[p->type][p->required];
}

TEST(every_method_that_is_served_is_described_with_its_parameters)
{
	for (const struct varlink_method *m = control_interface.methods; m->name; m++) {
		_cleanup_(freep) char *idl = parameters_in_idl(m->name);
		size_t n_described = 0, n_served = 0;

		REQUIRE(idl);
		for (const char *c = idl; *c; c++)
			n_described += *c == ':';
		for (const struct varlink_parameter *p = m->parameters; p->name; p++) {
			char wanted[80];
			char *found;

			n_served++;
			snprintf(wanted, sizeof(wanted), "%s: %s", p->name, type_in_idl(p));
			found = strstr(idl, wanted);
			REQUIRE(found);
			CHECK(strchr(", \n", found[strlen(wanted)]));
		}
		CHECK(n_described == n_served);
	}
}

TEST(every_method_that_is_described_is_served)
{
	const char *at = control_interface.description;
	size_t n = 0;

	while ((at = strstr(at, "\nmethod "))) {
		size_t n_name;
		bool served = false;

		at += strlen("\nmethod ");
		n_name = strcspn(at, "(");
		for (const struct varlink_method *m = control_interface.methods; m->name; m++)
			served = served ||
				 (strlen(m->name) == n_name && !strncmp(m->name, at, n_name));
		CHECK(served);
		n++;
	}
	CHECK(n == 14);
}

TEST(only_scrub_repair_and_reload_change_anything)
{
	for (const struct varlink_method *m = control_interface.methods; m->name; m++) {
		bool changes = !strcmp(m->name, "Scrub") || !strcmp(m->name, "Repair") ||
			       !strcmp(m->name, "Reload");

		CHECK(!!(m->flags & VARLINK_CHANGES) == changes);
	}
}

/* The Varlink grammar, for the subset that we use: comments, and members over several lines. */
#define TYPE   "[?]?(\\[(string)?\\])*(bool|int|float|string|object|[A-Z][A-Za-z0-9]*|" ENUM ")"
#define ENUM   "\\([a-z_]+(, [a-z_]+)*\\)"
#define FIELD  "[A-Za-z](_?[A-Za-z0-9])*: " TYPE
#define FIELDS "\\(( *" FIELD "(, *" FIELD ")*)? *\\)"
#define MEMBER                                                                                     \
	"(type [A-Z][A-Za-z0-9]* " FIELDS "|error [A-Z][A-Za-z0-9]* " FIELDS                       \
	"|method [A-Z][A-Za-z0-9]*" FIELDS " -> " FIELDS ")"

/* Comments and line breaks away, members one to a line. Caller frees. */
static char *flattened(void)
{
	_cleanup_(freep) char *copy = strdup(control_interface.description);
	char *flat = calloc(1, 2 * strlen(copy) + 1), *save = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (*line == '#')
			continue;
		if (*line != ' ' && *line != ')' && *flat)
			strcat(flat, "\n");
		strcat(flat, line);
	}
	return flat;
}

TEST(the_description_obeys_the_grammar)
{
	_cleanup_(freep) char *flat = flattened();
	regex_t member;
	char *save = NULL, *line;

	REQUIRE(regcomp(&member, "^" MEMBER "$", REG_EXTENDED | REG_NOSUB) == 0);
	line = strtok_r(flat, "\n", &save);
	CHECK_STREQ(line, "interface io.hwpoisond");
	while ((line = strtok_r(NULL, "\n", &save))) {
		if (regexec(&member, line, 0, NULL, 0) != 0)
			printf("# %s\n", line);
		CHECK(regexec(&member, line, 0, NULL, 0) == 0);
	}
	regfree(&member);
}

TEST_MAIN()
