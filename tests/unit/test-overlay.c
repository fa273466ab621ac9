// SPDX-License-Identifier: GPL-2.0-or-later
/* overlay: options as kernels print them, and directories that play layers. */
#include <errno.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "owners/overlay.h"
#include "scratch.h"
#include "test.h"

static void check_layers(const char *options, const char *expected)
{
	_cleanup_(overlay_layers_done) struct overlay_layers layers = {};
	char found[512] = "";

	CHECK(overlay_parse(options, &layers) == 0);
	for (size_t i = 0; i < layers.n; i++) {
		strcat(found, layers.paths[i]);
		strcat(found, "|");
	}
	CHECK_STREQ(found, expected);
}

TEST(layers_are_listed_from_the_top)
{
	check_layers("rw,lowerdir=/l,upperdir=/u,workdir=/w,uuid=on", "/u|/l|");
	check_layers("ro,lowerdir=/a:/b:/c", "/a|/b|/c|");
	check_layers("rw,upperdir=/u,lowerdir=/a:/b", "/u|/a|/b|");
	check_layers("rw,lowerdir=/a::/data", "/a|/data|");
}

TEST(newer_kernels_have_one_option_for_each)
{
	check_layers("rw,lowerdir+=/a,lowerdir+=/b:c,datadir+=/d,upperdir=/u", "/u|/a|/b:c|/d|");
}

TEST(names_have_any_bytes)
{
	check_layers("rw,lowerdir=/with\\040blank:/comma\\054here,upperdir=/u\\012l",
		     "/u\nl|/with blank|/comma,here|");
	check_layers("rw,lowerdir=/colon\\134:here:/back\\134\\134slash",
		     "/colon:here|/back\\slash|");
}

TEST(what_names_no_layer_is_refused)
{
	struct overlay_layers layers = {};

	CHECK(overlay_parse("", &layers) == -EBADMSG);
	CHECK(overlay_parse("rw,relatime", &layers) == -EBADMSG);
	CHECK(overlay_parse("rw,lowerdir=", &layers) == -EBADMSG);
	CHECK(!layers.n);
}

TEST(layers_are_bounded)
{
	_cleanup_(overlay_layers_done) struct overlay_layers layers = {};
	static char options[16384] = "lowerdir=/0";

	for (unsigned i = 1; i < 2000; i++)
		sprintf(options + strlen(options), ":/%u", i);
	CHECK(overlay_parse(options, &layers) == 0);
	CHECK(layers.n == OVERLAY_MAX_LAYERS);
}

static void make_directory(const struct scratch *dir, const char *name)
{
	if (mkdir(scratch_file(dir, name), 0700) < 0)
		exit(99);
}

static void make_file(const struct scratch *dir, const char *name)
{
	FILE *f = fopen(scratch_file(dir, name), "w");

	if (!f)
		exit(99);
	fclose(f);
}

TEST(a_name_in_a_layer_above_hides_it)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(overlay_layers_done) struct overlay_layers layers = {};
	_cleanup_(closep) int root_fd = open(dir.path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	make_directory(&dir, "u");
	make_directory(&dir, "l");
	make_directory(&dir, "u/d");
	make_directory(&dir, "l/d");
	make_directory(&dir, "l/e");
	make_file(&dir, "l/d/copied");
	make_file(&dir, "u/d/copied");
	make_file(&dir, "l/d/seen");
	make_file(&dir, "l/e/seen");
	make_file(&dir, "u/f");
	REQUIRE(overlay_parse("lowerdir=/l,upperdir=/u", &layers) == 0);

	CHECK(overlay_shows(root_fd, &layers, 1, "d/seen", false));
	CHECK(overlay_shows(root_fd, &layers, 1, "e/seen", false));
	CHECK(!overlay_shows(root_fd, &layers, 1, "d/copied", false));
	CHECK(overlay_shows(root_fd, &layers, 0, "d/copied", false));
	CHECK(overlay_shows(root_fd, &layers, 1, "d", true));
	CHECK(!overlay_shows(root_fd, &layers, 1, "d", false));
	CHECK(!overlay_shows(root_fd, &layers, 1, "f/below-a-file", false));
}

TEST(a_layer_that_cannot_be_opened_may_hide_anything)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(overlay_layers_done) struct overlay_layers layers = {};
	_cleanup_(closep) int root_fd = open(dir.path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	make_directory(&dir, "l");
	make_file(&dir, "l/f");
	REQUIRE(overlay_parse("lowerdir=/l,upperdir=relative/u", &layers) == 0);
	CHECK(!overlay_shows(root_fd, &layers, 1, "f", false));
	CHECK(overlay_open_layer(root_fd, "relative") == -ENOENT);
}

TEST(a_symlink_does_not_lead_out_of_its_namespace)
{
	_cleanup_(scratch_done) struct scratch dir = scratch_new();
	_cleanup_(closep) int root_fd = open(dir.path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (symlink("/etc", scratch_file(&dir, "out")) < 0)
		exit(99);
	CHECK(overlay_open_layer(root_fd, "/out") == -ENOENT);
}

TEST_MAIN()
