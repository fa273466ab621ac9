/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lookup: questions that an administrator asks about this machine, answered from its present state.
 *
 *   control, hwpoisonctl -> [lookup] -> locate, owners, holders, policy
 *
 * Needs no daemon and no incident, but root: run by hwpoisonctl itself, or by the daemon in a
 * worker, since each may take long. Reads only. Answers are JSON objects as in
 * io.hwpoisond.varlink, new references.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "control/file_history.h"
#include "locate/address_map.h"
#include "owners/scan_how.h"
#include "policy/policy.h"

#define LOOKUP_MAX_BYTES (1ull << 30)

/* Where a search leaves its hints for the next one, and so does the daemon. */
#define LOOKUP_HINTS_DIRECTORY LOCALSTATEDIR "/lib/hwpoisond"

/* address_map_build(), once more where devices came or went during the walk. */
int lookup_build_map(struct address_map **ret);

struct lookup_range {
	const char *device;		/* "pmem0", "/dev/vda1"; NULL: a physical range */
	uint64_t sector;		/* of device */
	uint64_t n_sectors;
	uint64_t phys_start;
	uint64_t length_bytes;
};

/*
 * {"ranges":[...]}: one for each piece. `how` to search where there is no reverse map. 0; -EINVAL:
 * no valid range, or over LOOKUP_MAX_BYTES; -ENODEV: no such block device; -ERANGE: past its end;
 * -E2BIG: over STACK_MAX_BELOW pieces; or another negative errno.
 */
int lookup_resolve(const struct lookup_range *what, const struct scan_how *how,
		   struct json_object **ret);

/* One of many ranges that are asked about together. */
struct lookup_question {
	struct lookup_range what;
	int r; /* 0, or why there is no answer, as above */
};

/* What a batch needs of memory grows with the number of its pieces. */
#define LOOKUP_TOGETHER 8192u

typedef int (*lookup_answer)(struct json_object *range, void *userdata);

/*
 * The same for n questions, LOOKUP_TOGETHER pieces at a time: for those, filesystems are searched
 * and directories read once. Each range, which is borrowed, goes to f, in the order of the
 * questions; its negative errno ends it all. 0 or negative errno.
 */
int lookup_resolve_all(struct lookup_question *questions, size_t n, const struct scan_how *how,
		       lookup_answer f, void *userdata);

/* {"holders":[...]}. length_bytes 0: to the end. 0; negative: the file can't be examined. */
int lookup_holders(const char *file, uint64_t offset_bytes, uint64_t length_bytes,
		   struct json_object **ret);

/*
 * {"files":[...]}: which bytes of each file are bad now, and what the ledger remembers of it, whose
 * pages come from `pages` (see file_history.h; NULL: there is no ledger). Absolute paths without
 * symlinks; NULL ends them. A file that can't be examined says so in its own object. 0 or negative
 * errno.
 */
int lookup_files(char *const *files, history_pages pages, void *userdata,
		 struct json_object **ret);

/* The same with the ledger in state_dir, if there is one. */
int lookup_files_at(char *const *files, const char *state_dir, struct json_object **ret);

/*
 * {"file","n_rules","problems":[...]}; a file that is not there has neither. 0; negative: it can't
 * be read.
 */
int lookup_config(const char *file, struct json_object **ret);

/*
 * {"explanation":{...}}; ctx->proc_fd is opened here. pid: of this process alone, also if it does
 * not hold the file; 0: of all that do. 0; -EINVAL: neither file nor directory; -ESRCH: no such
 * process.
 */
int lookup_explain(const struct policy_context *ctx, const char *file, pid_t pid,
		   struct json_object **ret);

/* The same for a process and each file that it maps or has open. 0; -ESRCH; ... */
int lookup_explain_process(const struct policy_context *ctx, pid_t pid, struct json_object **ret);
