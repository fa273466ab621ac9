/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config: hwpoisond.conf and its drop-ins, read by libinih.
 *
 * An unknown section or key, or a bad value, is a problem with file and line: it is reported
 * through `on_problem`, the default (or earlier) value stays, and reading goes on. Settings of a
 * later file win; rules keep file order, drop-ins after the main file in order of their names.
 *
 * A rule that was not understood in what it matches (an unknown key counts: it may be a match key
 * with a typo) is `broken`. It must not act on more than was meant, and must not uncover to a
 * later, harsher rule what it was meant to shield. So whatever its remaining keys match is only
 * reported, and not repaired.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cleanup.h"
#include "incident.h"

#define UID_ANY	  ((uid_t)-1)
#define OWNER_ANY (-1)

struct rule {
	char *name;		/* printable ASCII */
	/* match; NULL: not asked */
	char *path;		/* glob, ** crosses directories */
	char *unit;		/* glob */
	uid_t uid;		/* of User=, looked up when it was read; UID_ANY: not asked */
	char *device;		/* "pmem0", "region0", "namespace0.0", glob */
	char *exe;		/* glob */
	char *cgroup;		/* glob, ** crosses */
	char *mountpoint;	/* glob */
	int owner_kind;		/* enum owner_kind; OWNER_ANY: not asked */
	/* verdict */
	enum verb holders;
	enum verb openers;
	int signal_number;	/* SIGUSR1 unless said */
	uint64_t grace_usec;	/* 5 s unless said */
	bool restart_unit;	/* what stop-unit stopped, when the repair is finished */
	enum repair_wish repair;
	bool pause_holders;	/* yes unless said */
	char *hook;		/* asked for lost bytes before they become zeros; NULL: none */
	char *hook_user;	/* that it runs as, by name; NULL: root */
	uint64_t hook_timeout_usec;
	bool record_damage;	/* with the file, as an extended attribute */
	bool broken;
	char *file;		/* where it was read, with line, for explain */
	unsigned line;
};

struct config {
	bool dry_run;
	uint32_t skip_programs;		/* bits of programs.h; read at start only */
	bool feed_journal;
	bool feed_socket;
	char *feed_file;		/* NULL: off */
	char *metrics_textfile;		/* NULL: off */
	unsigned ledger_max_age_days;	/* of ended incidents; 0: for ever */
	uint64_t ledger_max_size_bytes; /* 0: no limit */
	struct rule *rules;
	size_t n_rules;
	unsigned n_problems;
	uint64_t fingerprint;		/* of the rules and DryRun=: another one, other verdicts */
};

/* One sentence with "FILE:LINE: " in front, printable ASCII. */
typedef void (*config_problem)(const char *sentence, void *userdata);

/*
 * path must exist if `required`. Drop-ins: PATH.d/ *.conf. 0 (also with problems: see n_problems),
 * or a negative errno: the file can't be read at all (-EFBIG: over 1 MiB); *ret is set only when
 * 0. on_problem may be NULL. Asks the user database for User=.
 */
int config_read(const char *path, bool required, config_problem on_problem, void *userdata,
		struct config **ret);
struct config *config_new(void);	/* the defaults; NULL: out of memory */
struct config *config_free(struct config *c);
DEFINE_CLEANUP(struct config *, config_free);
