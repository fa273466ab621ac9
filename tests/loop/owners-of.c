// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * owners-of: asks the owners and holders stations about bytes of a block device.
 *
 *   *.sh ──► [owners-of] ──► an incident as JSON, for the script to check
 *
 * It makes an incident by hand for each range, as if the device began at PHYS_OF_DISK in memory,
 * and lets the stations fill it in. Several ranges are asked at once, as the daemon does after a
 * burst; or one after another, as it does when files or badblocks have changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holders/holders.h"
#include "incident.h"
#include "owners/owners.h"

#define PHYS_OF_DISK UINT64_C(0x100000000)

static const char usage[] =
	"usage: owners-of [OPTION]... DISK [DISK:]SECTOR N_SECTORS [[DISK:]SECTOR N_SECTORS]...\n"
	"  --stdin: ranges from there; --at-once; --hints DIR; --bad: the ranges are poisoned;\n"
	"  --holders; --mode MODE; --again COMMAND: run it, and ask again\n"
	"       owners-of --ask DIR SECTOR N_SECTORS...   of DIR's filesystem, without paths\n";

struct options {
	const char *mode;
	const char *ask_dir;
	const char *again; /* ask, run this, and ask again: the second answer is told */
	bool holders;
	bool from_stdin;
	bool bad; /* what is asked about is not to be read */
	struct scan_how how;
};

static struct incident *make_incident(const struct options *o, const char *disk, const char *sector,
				      const char *n_sectors)
{
	const char *colon = strchr(sector, ':');
	_cleanup_(freep) char *other = colon ? strndup(sector, (size_t)(colon - sector)) : NULL;
	struct range phys;
	struct incident *in;

	disk = other ?: disk;
	sector = colon ? colon + 1 : sector;
	phys = (struct range){
		PHYS_OF_DISK + strtoull(sector, NULL, 0) * SECTOR_BYTES,
		strtoull(n_sectors, NULL, 0) * SECTOR_BYTES,
	};
	in = incident_new(phys, o->bad ? SOURCE_BADBLOCKS : 0);
	if (!in || string_set(&in->device.mode, o->mode) < 0 ||
	    string_set(&in->device.blockdev, disk) < 0)
		return incident_free(in);
	in->device.sector = strtoull(sector, NULL, 0);
	in->device.n_sectors = strtoull(n_sectors, NULL, 0);
	return in;
}

static int ask(const struct options *o, struct incident **incidents, size_t n)
{
	int r = 0;

	if (o->ask_dir) {
		_cleanup_(closep) int fd = open(o->ask_dir, O_RDONLY | O_CLOEXEC);

		for (size_t i = 0; i < n && r >= 0; i++)
			r = owners_ask_fsmap(fd, PHYS_OF_DISK, incidents[i]->phys, incidents[i]);
		return r;
	}
	r = owners_find(incidents, n, &o->how);
	if (r >= 0 && o->again)
		r = system(o->again) ? -ECHILD : owners_find(incidents, n, &o->how);
	if (r >= 0 && o->holders) {
		_cleanup_(closep) int proc_fd = open("/proc", O_RDONLY | O_CLOEXEC);

		r = holders_find(proc_fd, incidents, n);
	}
	return r;
}

static void print(struct incident **incidents, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_(json_object_putp) struct json_object *json =
			incident_to_json(incidents[i]);

		puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_NOSLASHESCAPE));
		incident_free(incidents[i]);
	}
}

static int parse_options(int *argc, char ***argv, struct options *o)
{
	while (*argc > 1 && !strncmp((*argv)[1], "--", 2)) {
		const char *option = (*argv)[1], *value = *argc > 2 ? (*argv)[2] : NULL;
		int n_used = 1;

		if (!strcmp(option, "--holders"))
			o->holders = true;
		else if (!strcmp(option, "--at-once"))
			o->how.at_once = true;
		else if (!strcmp(option, "--bad"))
			o->bad = true;
		else if (!strcmp(option, "--stdin"))
			o->from_stdin = true;
		else if (value)
			n_used = 2;
		if (!strcmp(option, "--mode"))
			o->mode = value;
		else if (!strcmp(option, "--ask"))
			o->ask_dir = value;
		else if (!strcmp(option, "--again"))
			o->again = value;
		else if (!strcmp(option, "--hints"))
			o->how.hints_directory = value;
		else if (n_used == 2)
			return -EINVAL;
		*argc -= n_used;
		*argv += n_used;
	}
	return 0;
}

static int add_incident(const struct options *o, const char *disk, const char *sector,
			const char *n_sectors, struct incident ***all, size_t *n)
{
	struct incident **grown = reallocarray(*all, *n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	*all = grown;
	grown[*n] = make_incident(o, disk, sector, n_sectors);
	return grown[(*n)++] ? 0 : -ENOMEM;
}

static int read_incidents(const struct options *o, const char *disk, struct incident ***all,
			  size_t *n)
{
	char sector[32], n_sectors[32];
	int r = 0;

	while (r >= 0 && scanf("%31s %31s", sector, n_sectors) == 2)
		r = add_incident(o, disk, sector, n_sectors, all, n);
	return r;
}

int main(int argc, char **argv)
{
	struct options o = { .mode = "fsdax" };
	_cleanup_(freep) struct incident **incidents = NULL;
	const char *disk = NULL;
	size_t n = 0;
	int r = 0;

	if (parse_options(&argc, &argv, &o) < 0) {
		fputs(usage, stderr);
		return 2;
	}
	if (!o.ask_dir && argc > 1) {
		disk = argv[1];
		argc--;
		argv++;
	}
	if (argc % 2 != 1 || (argc < 3 && !o.from_stdin)) {
		fputs(usage, stderr);
		return 2;
	}
	for (int i = 1; i < argc && r >= 0; i += 2)
		r = add_incident(&o, disk, argv[i], argv[i + 1], &incidents, &n);
	if (r >= 0 && o.from_stdin)
		r = read_incidents(&o, disk, &incidents, &n);
	if (r >= 0)
		r = ask(&o, incidents, n);
	if (r < 0) {
		fprintf(stderr, "owners-of: %s\n", strerror(-r));
		return 1;
	}
	print(incidents, n);
	return 0;
}
