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
	"usage: owners-of [--mode MODE] [--holders] [--again COMMAND]\n"
	"                 DISK SECTOR N_SECTORS [SECTOR N_SECTORS]...\n"
	"       owners-of --ask DIR SECTOR N_SECTORS...   of DIR's filesystem, without paths\n";

struct options {
	const char *mode;
	const char *ask_dir;
	const char *again; /* ask, run this, and ask again: the second answer is told */
	bool holders;
};

static struct incident *make_incident(const struct options *o, const char *disk, const char *sector,
				      const char *n_sectors)
{
	struct range phys = {
		PHYS_OF_DISK + strtoull(sector, NULL, 0) * SECTOR_BYTES,
		strtoull(n_sectors, NULL, 0) * SECTOR_BYTES,
	};
	struct incident *in = incident_new(phys, SOURCE_BADBLOCKS);

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
	r = owners_find(incidents, n);
	if (r >= 0 && o->again)
		r = system(o->again) ? -ECHILD : owners_find(incidents, n);
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
		bool takes_value = strcmp((*argv)[1], "--holders") != 0;

		if (takes_value && *argc < 3)
			return -EINVAL;
		if (!strcmp((*argv)[1], "--mode"))
			o->mode = (*argv)[2];
		else if (!strcmp((*argv)[1], "--ask"))
			o->ask_dir = (*argv)[2];
		else if (!strcmp((*argv)[1], "--again"))
			o->again = (*argv)[2];
		else if (!takes_value)
			o->holders = true;
		else
			return -EINVAL;
		*argc -= 1 + takes_value;
		*argv += 1 + takes_value;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .mode = "fsdax" };
	struct incident *incidents[64];
	const char *disk = NULL;
	size_t n = 0;
	int r;

	if (parse_options(&argc, &argv, &o) < 0) {
		fputs(usage, stderr);
		return 2;
	}
	if (!o.ask_dir && argc > 1) {
		disk = argv[1];
		argc--;
		argv++;
	}
	if (argc < 3 || argc % 2 != 1 || argc / 2 > 64) {
		fputs(usage, stderr);
		return 2;
	}
	for (int i = 1; i < argc; i += 2)
		incidents[n++] = make_incident(&o, disk, argv[i], argv[i + 1]);

	r = ask(&o, incidents, n);
	if (r < 0) {
		fprintf(stderr, "owners-of: %s\n", strerror(-r));
		return 1;
	}
	print(incidents, n);
	return 0;
}
