/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl: what the commands of hwpoisonctl share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

enum exit_code {
	EXIT_FINE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NO_DAEMON = 3,
	EXIT_POISON = 4,	/* status: unrepaired poison is present; files: lost bytes are */
};

enum ctl_option {	/* bits: which were given, and which a command takes */
	OPTION_ALL = 1 << 0,
	OPTION_WAIT = 1 << 1,
	OPTION_DRY_RUN = 1 << 2,
	OPTION_PHYS = 1 << 3,
	OPTION_DEVICE = 1 << 4,
	OPTION_SECTOR = 1 << 5,
	OPTION_COUNT = 1 << 6,
	OPTION_OFFSET = 1 << 7,
	OPTION_LENGTH = 1 << 8,
	OPTION_CONFIG = 1 << 9,
	OPTION_STATE_DIR = 1 << 10,
	OPTION_PID = 1 << 11,
	OPTION_LIST = 1 << 12,
};

struct ctl {
	bool json;
	const char *socket;
	const char *config;	/* the default where --config was not given */
	const char *state_dir;	/* likewise */
	const char *device;
	const char *list;
	uint64_t phys_start;
	uint64_t sector;
	uint64_t count;
	uint64_t offset_bytes;
	uint64_t length_bytes;
	uint64_t pid;
	unsigned given;		/* enum ctl_option */
	char **arguments;	/* after the command; NULL ends them */
	int n_arguments;
};

/* A command; an enum exit_code. What went wrong it says on stderr, in one sentence. */
typedef int (*ctl_command)(const struct ctl *ctl);

int command_status(const struct ctl *ctl);
int command_list(const struct ctl *ctl);
int command_show(const struct ctl *ctl);
int command_watch(const struct ctl *ctl);
int command_repair(const struct ctl *ctl);
int command_scrub_start(const struct ctl *ctl);
int command_scrub_status(const struct ctl *ctl);
int command_resolve(const struct ctl *ctl);
int command_holders(const struct ctl *ctl);
int command_files(const struct ctl *ctl);
int command_policy_check(const struct ctl *ctl);
int command_policy_explain(const struct ctl *ctl);
int command_reload(const struct ctl *ctl);
int command_export(const struct ctl *ctl);

/* Decimal, or hexadecimal with 0x; nothing before or behind. False: no such number. */
bool parse_number(const char *text, uint64_t *ret);
