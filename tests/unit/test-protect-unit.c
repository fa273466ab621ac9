// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims about daemon/policy/protect-unit.c, on directories that look like cgroups. */
#include <errno.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "policy/config.h"
#include "policy/protect.h"
#include "scratch.h"
#include "strv.h"
#include "test.h"

struct bed {
	struct scratch dir;
	struct holder holder;
	struct rule rule;
	pid_t client;
	struct policy_context ctx;
};

static void bed_done(struct bed *bed)
{
	scratch_done(&bed->dir);
}

/* A process of that unit, in that cgroup, in which these processes are. */
static struct bed bed_new(const char *cgroup, const char *unit, const char *pids)
{
	struct bed bed = { .dir = scratch_new() };
	char path[512];
	FILE *f;

	bed.holder = (struct holder){ .pid = 4711, .cgroup = (char *)cgroup, .unit = (char *)unit };
	bed.client = 77;
	bed.ctx = (struct policy_context){ .proc_fd = -1, .self = 4242, .n_control_clients = 1 };
	snprintf(path, sizeof(path), "mkdir -p '%s%s'", bed.dir.path, cgroup ?: "");
	if (system(path) != 0)
		abort();
	snprintf(path, sizeof(path), "%s%s/cgroup.procs", bed.dir.path, cgroup ?: "");
	f = fopen(path, "w");
	if (!f || fputs(pids, f) < 0 || fclose(f) != 0)
		abort();
	return bed;
}

static const char *why(struct bed *bed)
{
	bed->ctx.control_clients = &bed->client;
	bed->ctx.cgroup_root = bed->dir.path;
	return protect_unit(&bed->ctx, &bed->rule, &bed->holder);
}

#define BED(cgroup, unit, pids) _cleanup_(bed_done) struct bed bed = bed_new(cgroup, unit, pids)

TEST(a_service_with_nobody_to_spare_is_stopped)
{
	BED("/system.slice/pg.service", "pg.service", "4711\n4712\n");

	CHECK(!why(&bed));
}

TEST(so_is_one_in_whose_own_cgroup_below_it_is)
{
	BED("/system.slice/system-pg.slice/_pg.service/sub/x.service", "pg.service", "4711\n");

	CHECK(!why(&bed));
}

TEST(who_belongs_to_no_unit_has_none_to_stop)
{
	BED("/user.slice", NULL, "4711\n");

	REQUIRE(why(&bed));
	CHECK(strstr(why(&bed), "no unit"));
	bed.holder.unit = (char *)"elsewhere.service"; /* which its cgroup does not name */
	REQUIRE(why(&bed));
	CHECK(strstr(why(&bed), "no unit"));
}

TEST(a_unit_of_a_users_manager_is_not_the_systems)
{
	BED("/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", "x.service",
	    "4711\n");

	REQUIRE(why(&bed));
	CHECK(strstr(why(&bed), "user's own service manager"));
}

TEST(a_session_must_be_named)
{
	BED("/user.slice/user-0.slice/session-3.scope", "session-3.scope", "4711\n");

	REQUIRE(why(&bed));
	CHECK(strstr(why(&bed), "session"));
	bed.rule.unit = (char *)"session-*.scope";
	CHECK(why(&bed));
	bed.rule.unit = (char *)"session-3.scope";
	CHECK(!why(&bed));
}

TEST(another_kind_of_unit_is_not_stopped)
{
	BED("/system.slice/mnt-x.mount", "mnt-x.mount", "4711\n");

	REQUIRE(why(&bed));
	CHECK(strstr(why(&bed), "only services and scopes"));
}

TEST(one_whom_nobody_may_touch_protects_all_of_its_unit)
{
	static const char *const others[] = { "1\n4711\n", "4711\n4242\n", "4711\n77\n" };

	for (size_t i = 0; i < 3; i++) {
		BED("/system.slice/x.service", "x.service", others[i]);

		REQUIRE(why(&bed));
		CHECK(strstr(why(&bed), "another process in its unit"));
	}
}

TEST(also_from_far_below)
{
	BED("/system.slice/x.service/a/b", "x.service", "77\n");

	bed.holder.cgroup = (char *)"/system.slice/x.service";
	REQUIRE(why(&bed));
	CHECK(strstr(why(&bed), "another process in its unit"));
}

TEST(the_attribute_of_a_cgroup_in_it_protects_it)
{
	BED("/system.slice/x.service/calm", "x.service", "4712\n");
	char path[256];

	bed.holder.cgroup = (char *)"/system.slice/x.service";
	CHECK(!why(&bed));
	snprintf(path, sizeof(path), "%s/system.slice/x.service/calm", bed.dir.path);
	if (setxattr(path, "user.hwpoisond.avoid", "1", 1, 0) < 0)
		SKIP("no extended attributes here");
	REQUIRE(why(&bed));
	CHECK(strstr(why(&bed), "attribute"));
}

TEST(what_is_not_known_protects)
{
	BED("/a.slice/x.service/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/"
	    "26/27/28/29/30/31/32/33/34",
	    "x.service", "4711\n");

	bed.holder.cgroup = (char *)"/a.slice/x.service";
	REQUIRE(why(&bed));
	CHECK(strstr(why(&bed), "not known"));
}

TEST_MAIN()
