/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * incident: one poisoned range, from when it is found until it is gone.
 *
 *   source -> locate -> owners -> holders -> policy -> respond -> repair
 *
 * The one object that travels. Each station fills in its own part and leaves the others alone; the
 * ledger stores it, the feed and the control socket show it, all through incident_to_json(). The
 * incident owns every pointer in it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <json-c/json.h>

#include "cleanup.h"
#include "range.h"
#include "strv.h"

enum incident_state {
	INCIDENT_FOUND,		/* the device is known */
	INCIDENT_RESOLVED,	/* owners and holders are known */
	INCIDENT_REPAIRING,
	INCIDENT_REPAIRED,	/* ended: we made the media and the files whole */
	INCIDENT_LEFT,		/* open: nothing more is done without a change or an order */
	INCIDENT_GONE,		/* ended: the kernel no longer calls it bad, and it was not us */
};

/* Bits: several sources may report one range. */
enum incident_source {
	SOURCE_BADBLOCKS = 1 << 0,	/* a badblocks list of the kernel */
	SOURCE_ARS = 1 << 1,		/* ARS status records, where the badblocks list was cut */
	SOURCE_MCE = 1 << 2,
	SOURCE_MEMORY_FAILURE = 1 << 3,
};

/* Where the range lies. Strings are NULL where there is no such thing. */
struct device {
	char *bus;		/* "ndbus0" */
	char *provider;		/* "ACPI.NFIT" */
	char **dimms;		/* "nmem0", ... */
	char *region;		/* "region0" */
	char *namespace_name;	/* "namespace0.0" */
	char *mode;		/* "fsdax", "raw", "sector", "devdax", "none" (no namespace), "ram" */
	char *blockdev;		/* "pmem0": the whole disk, never a partition */
	char *chardev;		/* "dax0.0" */
	uint64_t sector;	/* of blockdev, in 512-byte sectors; with n_sectors 0 where there is none */
	uint64_t n_sectors;
};

enum owner_kind {
	OWNER_FILE_DATA,
	OWNER_DIRECTORY,
	OWNER_XATTR,
	OWNER_EXTENT_MAP,
	OWNER_SYMLINK,
	OWNER_METADATA,
	OWNER_LOG,
	OWNER_UNWRITTEN,
	OWNER_FREE,
	OWNER_UNKNOWN,
	OWNER_DEVDAX,
	OWNER_RAW,
	OWNER_RAM_FILE,
	OWNER_RAM_ANON,
	OWNER_RAM_KERNEL,
};

/* Another place where the file of an owner is to be seen. */
struct owner_view {
	char *path;		/* as the namespace below sees it */
	char *filesystem;	/* "overlay"; or the owner's, of another mount of it */
	pid_t mount_pid;	/* 0: ours; else reach it through /proc/mount_pid/root */
	char *container;	/* id of the container that this process is in; NULL: none */
};

/* What the filesystem (or nobody) keeps in one piece of the range. */
struct owner {
	enum owner_kind kind;
	char *filesystem;	/* "xfs"; NULL without one */
	char *mountpoint;	/* in our own mount namespace where there is one, else see mount_pid */
	pid_t mount_pid;	/* 0: mountpoint is ours; else reach it through /proc/mount_pid/root */
	dev_t dev;		/* st_dev of the filesystem, 0 without one */
	uint64_t inode;		/* 0 without one */
	uint32_t generation;
	char **paths;		/* all hard links; empty for an unlinked but open file */
	bool unlinked;		/* no link is left; the file lives while somebody has it open */
	char *mount_container;	/* id of the container that mount_pid is in; NULL: none */
	struct owner_view *views;
	size_t n_views;
	bool views_more;	/* than are kept */
	uint64_t phys_start;	/* of this piece */
	uint64_t file_offset_bytes;
	uint64_t length_bytes;	/* clipped to the incident's range; method "btt": what lies behind it */
	bool shared;		/* by reflink, with an owner that is listed beside it or with our quarantine */
	bool unwritten;
	bool realtime;		/* on the realtime device of an XFS, where block numbers mean other bytes */
	/* Of plain memory alone: */
	bool dirty;		/* the page had what no disk has yet */
	bool rereadable;	/* nothing is lost: a read brings it back, from disk or swap */
	uint64_t page_bytes;	/* more than PAGE_BYTES: so much around it is lost with it; or 0 */
	char *hint;		/* "/dir/file" from the filesystem's root, unproven; not stored */
	char *method;		/* how it was found: "fsmap", "device", ... */
};

enum verb {
	VERB_REPORT,
	VERB_SIGNAL,
	VERB_TERMINATE,
	VERB_KILL,
	VERB_STOP_UNIT,
};

struct holder_mapping {
	uint64_t virt_start;	/* of the lost bytes, in that process */
	uint64_t length_bytes;
	bool writable;		/* and shared: a store there would reach the file */
};

/* What tells one owner of an incident from another, to those who judge its holders. */
struct owner_id {
	enum owner_kind kind;
	dev_t dev;		/* as in struct owner: 0 and 0 for a raw or dax device */
	uint64_t inode;
};

/*
 * Several files can share the lost bytes; which of them does this process have? A rule for one
 * file must not hit a process that holds only another.
 */
struct held_owner {
	struct owner_id id;
	bool maps;
	bool opens;
	bool judged;		/* policy: the holder's verdict is for this one; not stored */
};

#define HOLDS_MAX 1024u

/* A process that maps or has open an owner's lost bytes. */
struct holder {
	pid_t pid;
	uint64_t start_ticks;	/* field 22 of /proc/PID/stat: tells a reused pid */
	char *comm;
	char *exe;		/* NULL for one that can't be read */
	uid_t uid;
	char *unit;		/* systemd unit, NULL outside of any */
	char *cgroup;
	char *container;	/* id, NULL outside of any */
	bool maps;
	bool opens;
	bool open_writable;	/* at least one fd could write */
	struct holder_mapping *mappings;
	size_t n_mappings;
	struct held_owner *holds;	/* sorted by inode number first, each once */
	size_t n_holds;		/* at most HOLDS_MAX */
	bool holds_more;	/* than are kept here: which ones, we do not know */
	enum verb action;	/* policy's verdict for this process */
	int signal_number;	/* for VERB_SIGNAL */
	uint64_t grace_usec;	/* for VERB_TERMINATE and VERB_STOP_UNIT */
	bool restart_unit;	/* for VERB_STOP_UNIT: when the repair is finished */
	char *rule;		/* that gave it; NULL: no rule matched */
	char *reason;		/* in words: why this verdict, or why another than the rule's */
	char *outcome;		/* respond: "reported", "signalled", "terminated", "killed", "stopped",
				 * "survived", "exited", "dry-run", "failed"; "restarted" once its
				 * unit is; NULL before */
};

enum repair_wish {		/* of the rule */
	REPAIR_NONE,
	REPAIR_CLEAR,
	REPAIR_ZERO,
};

/* One run of file bytes that a repair turned into zeros, on record for good. */
struct loss {
	uint64_t inode;
	char *mountpoint;
	char **paths;
	uint64_t file_offset_bytes;
	uint64_t length_bytes;
};

struct repair {
	enum repair_wish wish;	/* policy's verdict */
	char *rule;
	bool pause_holders;
	char *method;		/* "remap", "clear", ...; NULL: none was planned */
	char *state;		/* "none", "planned", "running", "waiting", "done", "failed" */
	char *reason;		/* machine word for failed and waiting: "clear-refused", "held", ... */
	char *detail;		/* the same as a sentence, NULL where the word is enough */
	uint64_t zeroed_bytes;	/* of media: a page that three files share counts once */
	uint64_t salvaged_bytes;
	uint64_t restored_bytes;	/* lost, and given back by a hook */
	char *hook;		/* that was run for it; NULL: none was */
	char *hook_outcome;	/* "restored", "nothing", "failed", "timeout", "not-run" */
	char *hook_detail;	/* a sentence where something was wrong with it, or NULL */
	struct loss *losses;
	size_t n_losses;
};

/* SIGBUS that the kernel itself sent because of the lost bytes. */
struct kernel_signal {
	pid_t pid;
	uint64_t start_ticks;
	char *comm;
	int code;		/* BUS_MCEERR_AO or BUS_MCEERR_AR */
	uint64_t virt_start;
};

#define KERNEL_SIGNALS_MAX 64u

/* What the kernel has done about the range, and nobody needs to do again. */
struct kernel_deed {
	char *page_type;	/* as it calls it: "dax", "dirty-lru"; NULL: nothing was heard */
	char *result;		/* "recovered", "failed", "delayed", "ignored", "already-poisoned" */
	struct kernel_signal *signals;
	size_t n_signals;	/* at most KERNEL_SIGNALS_MAX */
};

struct incident {
	uint64_t number;	/* 0 before the ledger gave one */
	enum incident_state state;
	struct range phys;
	uint32_t sources;	/* enum incident_source bits */
	uint64_t found_usec;	/* CLOCK_REALTIME */
	uint64_t updated_usec;
	struct device device;
	struct owner *owners;
	size_t n_owners;
	bool owners_complete;
	char *owners_reason;	/* why not complete, a sentence; NULL otherwise */
	bool owners_searching;	/* not complete, but a search through all inodes may make it so */
	struct holder *holders;
	size_t n_holders;
	struct kernel_deed kernel;
	struct repair repair;
};

struct incident *incident_new(struct range phys, uint32_t sources);	/* NULL: out of memory */
struct incident *incident_free(struct incident *in);			/* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct incident *, incident_free);

void device_done(struct device *device);	/* free what is inside; the struct stays the caller's */
void owner_done(struct owner *owner);
void holder_done(struct holder *holder);
void loss_done(struct loss *loss);
void kernel_deed_done(struct kernel_deed *deed);
int device_copy(const struct device *from, struct device *ret);

/*
 * Append one zeroed element and return it, or NULL: out of memory. Valid until the next append.
 */
struct owner *incident_add_owner(struct incident *in);
struct holder *incident_add_holder(struct incident *in);
struct loss *incident_add_loss(struct incident *in);
struct kernel_signal *kernel_deed_add_signal(struct kernel_deed *deed);
void incident_clear_owners(struct incident *in);
void incident_clear_holders(struct incident *in);

/* The same for a place where the owner's file is to be seen as well. */
struct owner_view *owner_add_view(struct owner *owner);

struct owner_id owner_id_of(const struct owner *owner);

/* The process maps, or has open, this owner; adds to what is known of it already. 0 or -ENOMEM. */
int holder_add_held(struct holder *holder, struct held_owner held);

/* What it does with this owner; NULL: nothing. Valid until the next is added. */
const struct held_owner *holder_find_held(const struct holder *holder, struct owner_id id);

bool incident_is_open(const struct incident *in);	/* neither repaired nor gone */
bool incident_is_ram(const struct incident *in);	/* plain memory: in no list, not to mend */

/* Replace a string field: frees the old one. 0 or -ENOMEM (the old one stays). value may be NULL. */
int string_set(char **field, const char *value);

/*
 * The JSON of DESIGN.md 5 (see conf/schema/incident.schema.json), which is also what the ledger
 * stores and what a worker sends back. Names that are not UTF-8 get U+FFFD in place of each bad byte,
 * and the original bytes in hex beside it ("paths_hex"), so that incident_from_json() gives them
 * back exactly. Returns NULL: out of memory. A new reference, the caller's.
 */
struct json_object *incident_to_json(const struct incident *in);
int incident_from_json(struct json_object *json, struct incident **ret);	/* -EBADMSG, -ENOMEM */

struct json_object *device_to_json(const struct device *device);
struct json_object *owner_to_json(const struct owner *owner);
struct json_object *holder_to_json(const struct holder *holder);

/* incident-kernel.c: what the kernel did, and what it knew of an owner in plain memory. */
struct json_fields;
void kernel_deed_put(struct json_fields *f, const struct kernel_deed *deed);
void kernel_deed_get(struct json_fields *f, struct kernel_deed *deed);
void owner_put_page(struct json_fields *f, const struct owner *owner);
void owner_get_page(struct json_fields *f, struct owner *owner);

const char *incident_state_name(enum incident_state s);
int incident_state_from_name(const char *name);		/* -EINVAL: no such state */
const char *owner_kind_name(enum owner_kind k);
int owner_kind_from_name(const char *name);
const char *verb_name(enum verb v);
int verb_from_name(const char *name);
const char *repair_wish_name(enum repair_wish w);
int repair_wish_from_name(const char *name);
