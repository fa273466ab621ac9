// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
#include <sys/sysmacros.h>

#include "incident.h"
#include "json-fields.h"
#include "test.h"

static const char *text_of(struct json_object *json)
{
	return json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN |
							    JSON_C_TO_STRING_NOSLASHESCAPE);
}

static void fill_view(struct owner_view *view, const char *path, const char *filesystem, pid_t pid,
		      const char *container)
{
	string_set(&view->path, path);
	string_set(&view->filesystem, filesystem);
	view->mount_pid = pid;
	string_set(&view->container, container);
}

static void fill_owner(struct owner *owner)
{
	owner->kind = OWNER_FILE_DATA;
	string_set(&owner->filesystem, "xfs");
	string_set(&owner->mountpoint, "/mnt/\xff");
	owner->mount_pid = 4712;
	owner->dev = makedev(259, 1048575);
	owner->inode = UINT64_MAX;
	owner->generation = UINT32_MAX;
	strv_push(&owner->paths, "/mnt/good");
	strv_push(&owner->paths, "/mnt/line\nbreak \"quoted\"");
	strv_push(&owner->paths, "/mnt/latin1-\xe9t\xe9-\xc3\xa9");
	owner->unlinked = true;
	owner->phys_start = 0x8021a200;
	owner->file_offset_bytes = (uint64_t)INT64_MAX + 1;
	owner->length_bytes = 512;
	owner->shared = true;
	string_set(&owner->method, "fsmap");
	string_set(&owner->mount_container, "0123abcd");
	fill_view(owner_add_view(owner), "/var/lib/x/merged/\xff\n", "overlay", 0, NULL);
	fill_view(owner_add_view(owner), "/data", "xfs", 4711, "0123abcd");
	owner->views_more = true;
	owner->realtime = true;
}

static void fill_holder(struct holder *holder)
{
	holder->pid = 4711;
	holder->start_ticks = UINT64_MAX - 1;
	string_set(&holder->comm, "evil\x80\x1b[2J");
	string_set(&holder->exe, "/usr/bin/\xf5");
	holder->uid = UINT32_MAX - 1;
	string_set(&holder->unit, "postgresql@15.service");
	string_set(&holder->cgroup, "/system.slice/\xc0\xaf");
	string_set(&holder->container, "0123abcd");
	holder->maps = holder->opens = holder->open_writable = true;
	holder->mappings = calloc(2, sizeof(*holder->mappings));
	holder->n_mappings = 2;
	holder->mappings[0] = (struct holder_mapping){ 0x7f0000001000, 4096, true };
	holder->mappings[1] = (struct holder_mapping){ UINT64_MAX - 4095, 1, false };
	holder_add_held(holder,
			(struct held_owner){ { OWNER_FILE_DATA, makedev(259, 1048575), UINT64_MAX },
					     false,
					     true });
	holder_add_held(holder, (struct held_owner){
					{ OWNER_FILE_DATA, makedev(259, 1), 131 }, true, true });
	holder_add_held(holder, (struct held_owner){ { OWNER_RAW, 0, 0 }, false, true });
	holder_add_held(holder, (struct held_owner){
					{ OWNER_FILE_DATA, makedev(259, 0), 131 }, true, false });
	holder->action = VERB_TERMINATE;
	holder->signal_number = SIGUSR1;
	holder->grace_usec = 5000000;
	string_set(&holder->rule, "postgres");
	string_set(&holder->reason, "it maps lost bytes");
	string_set(&holder->outcome, "terminated");
}

static void fill_repair(struct incident *in)
{
	struct loss *loss = incident_add_loss(in);

	in->repair.wish = REPAIR_ZERO;
	string_set(&in->repair.rule, "postgres");
	in->repair.pause_holders = true;
	string_set(&in->repair.method, "remap");
	string_set(&in->repair.state, "failed");
	string_set(&in->repair.reason, "clear-refused");
	string_set(&in->repair.detail, "the platform refused to clear 0x8021a000");
	in->repair.zeroed_bytes = 512;
	in->repair.salvaged_bytes = 3584;
	loss->inode = 131;
	string_set(&loss->mountpoint, "/mnt/x");
	strv_push(&loss->paths, "/mnt/x/\xed\xa0\x80");
	loss->file_offset_bytes = 8192;
	loss->length_bytes = 512;
}

static void fill_kernel(struct incident *in)
{
	struct kernel_signal *signal = kernel_deed_add_signal(&in->kernel);
	struct owner *cached = incident_add_owner(in);

	string_set(&in->kernel.page_type, "dirty-lru");
	string_set(&in->kernel.result, "recovered");
	signal->pid = 4711;
	signal->start_ticks = UINT64_MAX;
	string_set(&signal->comm, "evil\x80");
	signal->code = BUS_MCEERR_AR;
	signal->virt_start = UINT64_MAX - 4095;
	cached->kind = OWNER_RAM_FILE;
	cached->dirty = cached->rereadable = true;
	cached->page_bytes = 2 << 20;
	string_set(&cached->hint, "/not/stored");
}

static struct incident *full_incident(void)
{
	struct incident *in = incident_new((struct range){ 0x8021a000, 4096 },
					   SOURCE_BADBLOCKS | SOURCE_MEMORY_FAILURE);

	in->number = 7;
	in->state = INCIDENT_REPAIRING;
	in->found_usec = 1795330800123456;
	in->updated_usec = 1795330800123457;
	string_set(&in->device.bus, "ndbus0");
	string_set(&in->device.provider, "ndbed");
	strv_push(&in->device.dimms, "nmem0");
	strv_push(&in->device.dimms, "nmem1");
	string_set(&in->device.region, "region0");
	string_set(&in->device.namespace_name, "namespace0.0");
	string_set(&in->device.mode, "fsdax");
	string_set(&in->device.blockdev, "pmem0");
	in->device.sector = 208;
	in->device.n_sectors = 8;
	fill_owner(incident_add_owner(in));
	incident_add_owner(in)->kind = OWNER_RAM_KERNEL;
	fill_kernel(in);
	in->owners_complete = false;
	string_set(&in->owners_reason, "the scan was cut");
	fill_holder(incident_add_holder(in));
	fill_repair(in);
	return in;
}

TEST(an_incident_comes_back_from_json_as_it_was)
{
	_cleanup_(incident_freep) struct incident *in = full_incident(), *back = NULL;
	_cleanup_(json_object_putp) struct json_object *json = incident_to_json(in), *again = NULL,
						       *parsed = NULL;

	REQUIRE(json);
	parsed = json_tokener_parse(text_of(json));
	REQUIRE(incident_from_json(parsed, &back) == 0);
	again = incident_to_json(back);
	CHECK_STREQ(text_of(again), text_of(json));

	CHECK(back->number == 7 && back->sources == in->sources);
	CHECK(back->owners[0].inode == UINT64_MAX && back->owners[0].generation == UINT32_MAX);
	CHECK(back->owners[0].file_offset_bytes == (uint64_t)INT64_MAX + 1);
	CHECK(back->owners[0].dev == makedev(259, 1048575) && back->owners[0].mount_pid == 4712);
	CHECK(back->owners[1].kind == OWNER_RAM_KERNEL);
	CHECK(back->owners[2].dirty && back->owners[2].rereadable && !back->owners[2].hint);
	CHECK(back->owners[2].page_bytes == 2 << 20);
	CHECK_STREQ(back->kernel.page_type, "dirty-lru");
	CHECK_STREQ(back->kernel.result, "recovered");
	REQUIRE(back->kernel.n_signals == 1);
	CHECK_STREQ(back->kernel.signals[0].comm, "evil\x80");
	CHECK(back->kernel.signals[0].start_ticks == UINT64_MAX);
	CHECK(back->kernel.signals[0].code == BUS_MCEERR_AR);
	CHECK(back->kernel.signals[0].virt_start == UINT64_MAX - 4095);
	CHECK(back->holders[0].start_ticks == UINT64_MAX - 1);
	CHECK(back->holders[0].mappings[1].virt_start == UINT64_MAX - 4095);
	CHECK(back->holders[0].uid == UINT32_MAX - 1);
	CHECK(back->holders[0].open_writable && back->repair.pause_holders);
	REQUIRE(back->holders[0].n_holds == 4 && !back->holders[0].holds_more);
	CHECK(back->holders[0].holds[3].id.inode == UINT64_MAX);
	CHECK(back->holders[0].holds[3].opens && !back->holders[0].holds[3].maps);
	CHECK(holder_find_held(&back->holders[0], owner_id_of(&in->owners[0])));
	CHECK(back->repair.n_losses == 1 && back->repair.wish == REPAIR_ZERO);
}

static const char *first_inodes(struct json_object *incident)
{
	struct json_object *holders = json_object_object_get(incident, "holders");

	return text_of(json_object_object_get(json_object_array_get_idx(holders, 0), "inodes"));
}

TEST(the_files_of_a_holder_are_listed_by_number_once)
{
	_cleanup_(incident_freep) struct incident *in = full_incident();
	_cleanup_(json_object_putp) struct json_object *json = incident_to_json(in);

	CHECK_STREQ(first_inodes(json), "[131,18446744073709551615]");
}

static struct held_owner mapped_file(uint64_t inode)
{
	return (struct held_owner){ { OWNER_FILE_DATA, makedev(259, 0), inode }, true, false };
}

TEST(what_is_held_is_kept_in_order_once_and_not_without_end)
{
	_cleanup_(holder_done) struct holder h = { 0 };
	struct held_owner opened = mapped_file(5);

	opened.maps = false;
	opened.opens = true;
	CHECK(holder_add_held(&h, mapped_file(9)) == 0 && holder_add_held(&h, opened) == 0);
	CHECK(holder_add_held(&h, mapped_file(7)) == 0 && h.n_holds == 3);
	CHECK(h.holds[0].id.inode == 5 && h.holds[1].id.inode == 7 && h.holds[2].id.inode == 9);
	CHECK(holder_add_held(&h, mapped_file(5)) == 0 && h.n_holds == 3);
	CHECK(h.holds[0].maps && h.holds[0].opens);
	CHECK(!holder_find_held(&h, mapped_file(6).id));
	CHECK(!holder_find_held(&h, (struct owner_id){ OWNER_XATTR, makedev(259, 0), 5 }));
	CHECK(!holder_find_held(&h, (struct owner_id){ OWNER_FILE_DATA, makedev(259, 1), 5 }));

	for (uint64_t inode = HOLDS_MAX + 100; inode > 0 && !h.holds_more; inode--)
		CHECK(holder_add_held(&h, mapped_file(inode)) == 0);
	CHECK(h.holds_more && h.n_holds == HOLDS_MAX);
	for (size_t i = 1; i < h.n_holds; i++)
		CHECK(h.holds[i - 1].id.inode < h.holds[i].id.inode);
	/* More of what is known is still noted. */
	CHECK(holder_add_held(&h, mapped_file(7)) == 0 && h.n_holds == HOLDS_MAX);
}

TEST(names_that_are_not_utf8_come_back_byte_for_byte)
{
	_cleanup_(incident_freep) struct incident *in = full_incident(), *back = NULL;
	_cleanup_(json_object_putp) struct json_object *json = incident_to_json(in);

	REQUIRE(incident_from_json(json, &back) == 0);
	CHECK_STREQ(back->owners[0].mountpoint, "/mnt/\xff");
	CHECK_STREQ(back->owners[0].paths[1], "/mnt/line\nbreak \"quoted\"");
	CHECK_STREQ(back->owners[0].paths[2], "/mnt/latin1-\xe9t\xe9-\xc3\xa9");
	CHECK_STREQ(back->holders[0].comm, "evil\x80\x1b[2J");
	CHECK_STREQ(back->holders[0].exe, "/usr/bin/\xf5");
	CHECK_STREQ(back->holders[0].cgroup, "/system.slice/\xc0\xaf");
	CHECK_STREQ(back->repair.losses[0].paths[0], "/mnt/x/\xed\xa0\x80");
}

TEST(each_bad_byte_is_shown_as_one_replacement_character)
{
	_cleanup_(incident_freep) struct incident *in = full_incident();
	_cleanup_(json_object_putp) struct json_object *json = incident_to_json(in);
	const char *text = text_of(json);

	CHECK(strstr(text, "\"/mnt/latin1-\xef\xbf\xbdt\xef\xbf\xbd-\xc3\xa9\""));
	CHECK(strstr(text, "\"paths_hex\":[\"2f6d6e742f676f6f64\","));
	/* A surrogate and an overlong slash are bad bytes, each of them. */
	CHECK(strstr(text, "/mnt/x/\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""));
	CHECK(strstr(text, "/system.slice/\xef\xbf\xbd\xef\xbf\xbd\""));
	CHECK(strstr(text, "\"comm\":\"evil\xef\xbf\xbd\\u001b[2J\""));
	for (const char *s = text; *s; s += utf8_character_bytes(s))
		REQUIRE(utf8_character_bytes(s));
}

TEST(utf8_ends_where_unicode_does)
{
	CHECK(utf8_character_bytes("\xf4\x8f\xbf\xbf") == 4); /* U+10FFFF */
	CHECK(utf8_character_bytes("\xf4\x90\x80\x80") == 0);
	CHECK(utf8_character_bytes("\xf0\x8f\xbf\xbf") == 0); /* overlong */
	CHECK(utf8_character_bytes("\xf0\x90\x80\x80") == 4);
	CHECK(utf8_character_bytes("\xe0\x9f\xbf") == 0);
	CHECK(utf8_character_bytes("\xe0\xa0\x80") == 3);
	CHECK(utf8_character_bytes("\xed\x9f\xbf") == 3);
	CHECK(utf8_character_bytes("\xc2") == 0); /* cut by the end */
	CHECK(utf8_character_bytes("\xe2\x82") == 0);
	CHECK(utf8_character_bytes("\x7f") == 1);
	CHECK(utf8_character_bytes("") == 0);
}

TEST(the_json_is_what_monitoring_relies_on)
{
	_cleanup_(incident_freep) struct incident *in =
		incident_new((struct range){ 0x8021a000, 4096 }, SOURCE_BADBLOCKS | SOURCE_MCE);
	_cleanup_(json_object_putp) struct json_object *json = NULL;

	string_set(&in->device.mode, "ram");
	json = incident_to_json(in);
	CHECK_STREQ(text_of(json),
		    "{\"incident\":0,\"state\":\"found\",\"phys_start\":\"0x8021a000\","
		    "\"length_bytes\":4096,\"sources\":[\"badblocks\",\"mce\"],"
		    "\"found_usec\":0,\"updated_usec\":0,"
		    "\"device\":{\"dimms\":[],\"mode\":\"ram\"},"
		    "\"owners\":[],\"owners_complete\":false,\"holders\":[],"
		    "\"repair\":{\"wish\":\"none\",\"pause_holders\":false,\"state\":\"none\","
		    "\"zeroed_bytes\":0,\"salvaged_bytes\":0,\"losses\":[]}}");
}

static int parse(const char *text)
{
	_cleanup_(json_object_putp) struct json_object *json = json_tokener_parse(text);
	_cleanup_(incident_freep) struct incident *in = NULL;

	return incident_from_json(json, &in);
}

TEST(json_that_is_no_incident_is_refused)
{
	CHECK(parse("{\"state\":\"found\",\"phys_start\":\"0x0\",\"length_bytes\":1}") == 0);

	CHECK(parse("null") == -EBADMSG);
	CHECK(parse("[]") == -EBADMSG);
	CHECK(parse("{}") == -EBADMSG);
	CHECK(parse("{\"phys_start\":\"0x0\",\"length_bytes\":1}") == -EBADMSG);
	CHECK(parse("{\"state\":\"lost\",\"phys_start\":\"0x0\",\"length_bytes\":1}") == -EBADMSG);
	CHECK(parse("{\"state\":\"found\",\"phys_start\":0,\"length_bytes\":1}") == -EBADMSG);
	CHECK(parse("{\"state\":\"found\",\"phys_start\":\"0x\",\"length_bytes\":1}") == -EBADMSG);
	CHECK(parse("{\"state\":\"found\",\"phys_start\":\"0x0\",\"length_bytes\":0}") == -EBADMSG);
	CHECK(parse("{\"state\":\"found\",\"phys_start\":\"0x0\",\"length_bytes\":-1}") ==
	      -EBADMSG);
	CHECK(parse("{\"state\":\"found\",\"phys_start\":\"0x0\",\"length_bytes\":1.5}") ==
	      -EBADMSG);
	CHECK(parse("{\"state\":\"found\",\"phys_start\":\"0xffffffffffffffff\","
		    "\"length_bytes\":2}") == -EBADMSG);
	CHECK(parse("{\"state\":\"found\",\"phys_start\":\"0x1ffffffffffffffff\","
		    "\"length_bytes\":2}") == -EBADMSG);
}

/* One member beside those that an incident must have. */
static int parse_with(const char *member)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "{\"state\":\"found\",\"phys_start\":\"0x0\",\"length_bytes\":1,%s}", member);
	return parse(text);
}

#define HOLDS(one) "\"holders\":[{\"pid\":1,\"holds\":[" one "]}]"

TEST(a_part_of_the_wrong_shape_is_refused)
{
	CHECK(parse_with("\"sources\":[\"badblocks\"]") == 0);
	CHECK(parse_with("\"sources\":[\"rumour\"]") == -EBADMSG);
	CHECK(parse_with("\"sources\":[1]") == -EBADMSG);
	CHECK(parse_with("\"device\":[]") == -EBADMSG);
	CHECK(parse_with("\"device\":{\"bus\":7}") == -EBADMSG);
	CHECK(parse_with("\"device\":{\"bus\":\"a\\u0000b\"}") == -EBADMSG);
	CHECK(parse_with("\"owners\":[null]") == -EBADMSG);
	CHECK(parse_with("\"owners\":[{}]") == -EBADMSG);
	CHECK(parse_with("\"owners\":[{\"kind\":\"free\"},{\"kind\":\"frei\"}]") == -EBADMSG);
	CHECK(parse_with("\"owners\":[{\"kind\":\"free\",\"generation\":4294967296}]") == -EBADMSG);
	CHECK(parse_with("\"owners\":[{\"kind\":\"free\",\"dev\":\"8:1x\"}]") == -EBADMSG);
	CHECK(parse_with("\"owners\":[{\"kind\":\"free\",\"paths\":[\"a\"],"
			 "\"paths_hex\":[]}]") == -EBADMSG);
	CHECK(parse_with("\"owners\":[{\"kind\":\"free\",\"paths\":[\"a\"],"
			 "\"paths_hex\":[\"6\"]}]") == -EBADMSG);
	CHECK(parse_with("\"owners\":[{\"kind\":\"free\",\"paths\":[\"a\"],"
			 "\"paths_hex\":[\"00\"]}]") == -EBADMSG);
	CHECK(parse_with("\"holders\":[{\"pid\":1,\"how\":[\"guessed\"]}]") == -EBADMSG);
	CHECK(parse_with("\"holders\":[{\"pid\":2147483648}]") == -EBADMSG);
	CHECK(parse_with("\"holders\":[{\"pid\":1,\"mappings\":[{}]}]") == -EBADMSG);
	CHECK(parse_with("\"holders\":[{\"pid\":1,\"action\":\"shout\"}]") == -EBADMSG);
	CHECK(parse_with(HOLDS("{\"kind\":\"raw\",\"how\":[\"open\"]}")) == 0);
	CHECK(parse_with(HOLDS("{\"kind\":\"raw\",\"how\":[]}")) == -EBADMSG);
	CHECK(parse_with(HOLDS("{\"kind\":\"raw\"}")) == -EBADMSG);
	CHECK(parse_with(HOLDS("{\"how\":[\"open\"]}")) == -EBADMSG);
	CHECK(parse_with(HOLDS("{\"kind\":\"raw\",\"how\":[\"open\"],\"inode\":-1}")) == -EBADMSG);
	CHECK(parse_with(HOLDS("131")) == -EBADMSG);
	CHECK(parse_with("\"repair\":{\"losses\":[{}]}") == -EBADMSG);
	CHECK(parse_with("\"repair\":{\"wish\":\"burn\"}") == -EBADMSG);
}

TEST(every_name_is_read_as_what_it_was_written_for)
{
	for (unsigned i = INCIDENT_FOUND; i <= INCIDENT_GONE; i++)
		CHECK(incident_state_from_name(incident_state_name(i)) == (int)i);
	for (unsigned i = OWNER_FILE_DATA; i <= OWNER_RAM_KERNEL; i++)
		CHECK(owner_kind_from_name(owner_kind_name(i)) == (int)i);
	for (unsigned i = VERB_REPORT; i <= VERB_STOP_UNIT; i++)
		CHECK(verb_from_name(verb_name(i)) == (int)i);
	for (unsigned i = REPAIR_NONE; i <= REPAIR_ZERO; i++)
		CHECK(repair_wish_from_name(repair_wish_name(i)) == (int)i);
	CHECK(verb_from_name("") == -EINVAL && verb_from_name(NULL) == -EINVAL);
}

TEST(elements_are_zeroed_and_keep_their_place_while_the_list_grows)
{
	_cleanup_(incident_freep) struct incident *in = incident_new((struct range){ 0, 4096 }, 0);

	for (unsigned i = 0; i < 1000; i++) {
		struct owner *owner = incident_add_owner(in);

		REQUIRE(owner && !owner->paths && !owner->inode && !owner->filesystem);
		owner->inode = i;
		string_set(&owner->filesystem, "xfs");
	}
	CHECK(in->n_owners == 1000 && in->owners[999].inode == 999 && in->owners[0].inode == 0);
	incident_clear_owners(in);
	CHECK(in->n_owners == 0 && !in->owners);
	CHECK(incident_add_owner(in) == in->owners);
}

TEST(a_copied_device_is_its_own)
{
	_cleanup_(incident_freep) struct incident *in = full_incident();
	_cleanup_(device_done) struct device copy = { 0 };

	REQUIRE(device_copy(&in->device, &copy) == 0);
	CHECK_STREQ(copy.blockdev, "pmem0");
	CHECK(copy.blockdev != in->device.blockdev && strv_length(copy.dimms) == 2);
	CHECK(copy.sector == 208 && copy.n_sectors == 8 && !copy.chardev);
}

TEST(an_incident_is_open_until_it_is_repaired_or_gone)
{
	_cleanup_(incident_freep) struct incident *in = full_incident();

	CHECK(incident_is_open(in));
	in->state = INCIDENT_LEFT;
	CHECK(incident_is_open(in));
	in->state = INCIDENT_REPAIRED;
	CHECK(!incident_is_open(in));
	in->state = INCIDENT_GONE;
	CHECK(!incident_is_open(in));
}

TEST_MAIN()
