// SPDX-License-Identifier: GPL-2.0-or-later
/* wanted: many inodes, and more names than anyone should have given them. */
#include "owners/wanted.h"
#include "cleanup.h"
#include "test.h"

static struct wanted_inode *add(struct wanted *w, uint64_t inode, uint64_t n_names)
{
	struct wanted_inode *added = wanted_add(w, inode);

	if (!added)
		exit(99);
	added->n_names = n_names;
	return added;
}

TEST(of_many_inodes_each_is_found_and_no_other)
{
	_cleanup_(wanted_done) struct wanted w = {};
	unsigned n_wrong = 0;

	CHECK(!wanted_find(&w, 1));
	for (uint64_t i = 0; i < 10000; i++)
		add(&w, i * 64 + 3, i);
	for (uint64_t i = 0; i < 10000; i++) {
		const struct wanted_inode *found = wanted_find(&w, i * 64 + 3);

		n_wrong += !found || found->n_names != i;
		n_wrong += wanted_find(&w, i * 64 + 4) != NULL;
	}
	CHECK(n_wrong == 0);
	CHECK(w.n == 10000);
}

TEST(an_inode_is_wanted_once)
{
	_cleanup_(wanted_done) struct wanted w = {};

	add(&w, 5, 2);
	CHECK(wanted_add(&w, 5)->n_names == 2);
	CHECK(w.n == 1);
}

TEST(names_are_missing_until_there_are_as_many_as_links)
{
	_cleanup_(wanted_done) struct wanted w = {};
	struct wanted_inode *i = add(&w, 5, 2);

	CHECK(wanted_n_missing(&w) == 1);
	CHECK(wanted_note(&w, i, "/a") == 1);
	CHECK(wanted_note(&w, i, "/a") == 0);
	CHECK(wanted_n_missing(&w) == 1);
	CHECK(wanted_note(&w, i, "/b") == 1);
	CHECK(wanted_n_missing(&w) == 0);
	CHECK(wanted_note(&w, i, "/c") == 0);
	CHECK(i->n_paths == 2);
}

TEST(an_inode_with_too_many_names_keeps_the_first_and_is_known_to_have_more)
{
	_cleanup_(wanted_done) struct wanted w = {};
	struct wanted_inode *i = add(&w, 5, 100000);
	char name[32];

	for (unsigned n = 0; n < WANTED_MAX_NAMES + 10; n++) {
		snprintf(name, sizeof(name), "/%u", n);
		CHECK(wanted_note(&w, i, name) == (n < WANTED_MAX_NAMES));
	}
	CHECK(i->n_paths == WANTED_MAX_NAMES);
	CHECK(i->n_paths < i->n_names);
	CHECK(wanted_n_missing(&w) == 0);
}

TEST(all_names_together_are_bounded)
{
	_cleanup_(wanted_done) struct wanted w = {};
	static char name[WANTED_MAX_PATH_BYTES];
	unsigned n_kept = 0;

	memset(name, 'x', sizeof(name) - 1);
	for (unsigned n = 0; n < 2 * WANTED_MAX_BYTES / sizeof(name); n++) {
		struct wanted_inode *i = add(&w, n, 1);

		n_kept += (unsigned)wanted_note(&w, i, name);
	}
	CHECK(n_kept == WANTED_MAX_BYTES / sizeof(name));
	CHECK(w.full);
	CHECK(w.n_bytes <= WANTED_MAX_BYTES);
	CHECK(wanted_n_missing(&w) == 0);
}

TEST(a_path_that_is_too_long_is_no_name)
{
	_cleanup_(wanted_done) struct wanted w = {};
	static char name[WANTED_MAX_PATH_BYTES + 1];

	memset(name, 'x', sizeof(name) - 1);
	CHECK(wanted_note(&w, add(&w, 5, 1), name) == 0);
	CHECK(wanted_n_missing(&w) == 1);
}

TEST_MAIN()
