// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lookup_range: who owns these bytes of memory, or of a block device?
 *
 *   control, hwpoisonctl -> [lookup_range] -> lookup_cut, owners
 *
 * In:   ranges that need not be poisoned at all.
 * Out:  what the stations would find out about each if it were, one object for each device it
 * meets.
 *
 * An incident is made up for each piece, goes through the stations as a real one would, and only
 * what was asked for is shown. It has no number, and neither ledger nor feed ever see it.
 */
#include <errno.h>
#include <string.h>

#include "control/lookup.h"
#include "control/lookup_cut.h"
#include "locate/dimms.h"
#include "owners/owners.h"

/* The incidents on the map, for owners_find(): all but those that no device covers. */
static int ask_owners(struct pieces *p, const struct scan_how *how)
{
	_cleanup_(freep) struct incident **known = calloc(p->n, sizeof(*known));
	size_t n_known = 0;
	int r;

	if (!known)
		return -ENOMEM;
	for (size_t i = 0; i < p->n; i++)
		if (!p->all[i].in->n_owners)
			known[n_known++] = p->all[i].in;
	r = dimms_narrow(known, n_known);
	return r < 0 || !n_known ? r : owners_find(known, n_known, how);
}

static void move_member(struct json_object *from, const char *name, struct json_object *to)
{
	struct json_object *value;

	if (json_object_object_get_ex(from, name, &value))
		json_object_object_add(to, name, json_object_get(value));
}

/* Offsets on a disk are no physical addresses, and must not look like them. */
static void forget_phys(struct json_object *range)
{
	struct json_object *owners;

	json_object_object_del(range, "phys_start");
	if (!json_object_object_get_ex(range, "owners", &owners))
		return;
	for (size_t i = 0; i < json_object_array_length(owners); i++)
		json_object_object_del(json_object_array_get_idx(owners, i), "phys_start");
}

static struct json_object *range_to_json(const struct incident *in, bool has_phys)
{
	static const char *const members[] = { "phys_start", "length_bytes",	"device",
					       "owners",     "owners_complete", "owners_reason" };
	_cleanup_(json_object_putp) struct json_object *whole = incident_to_json(in);
	struct json_object *range = json_object_new_object();

	if (!whole || !range) {
		json_object_put(range);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		move_member(whole, members[i], range);
	if (!has_phys)
		forget_phys(range);
	return range;
}

/*
 * The first questions, as many as make LOOKUP_TOGETHER pieces, or all. One without an answer has no
 * pieces, and the others have theirs. Returns how many that are, or negative errno.
 */
static ssize_t cut_some(struct lookup_question *questions, size_t n, struct pieces *p)
{
	_cleanup_(machine_done) struct machine machine;
	size_t i;
	int r;

	r = machine_look(&machine);
	if (r < 0)
		return r;
	for (i = 0; i < n && p->n < LOOKUP_TOGETHER; i++) {
		questions[i].r = lookup_cut(&machine, &questions[i].what, p);
		if (questions[i].r == -ENOMEM)
			return -ENOMEM;
	}
	return (ssize_t)i;
}

/* Returns how many questions were dealt with, or negative errno. */
static ssize_t resolve_some(struct lookup_question *questions, size_t n, const struct scan_how *how,
			    lookup_answer f, void *userdata)
{
	_cleanup_(pieces_done) struct pieces pieces = {};
	ssize_t n_done = cut_some(questions, n, &pieces);
	int r;

	if (n_done < 0 || !pieces.n)
		return n_done;
	r = ask_owners(&pieces, how);
	for (size_t i = 0; r >= 0 && i < pieces.n; i++) {
		const struct piece *piece = &pieces.all[i];
		_cleanup_(json_object_putp) struct json_object *range =
			range_to_json(piece->in, piece->has_phys);

		r = range ? f(range, userdata) : -ENOMEM;
	}
	return r < 0 ? r : n_done;
}

int lookup_resolve_all(struct lookup_question *questions, size_t n, const struct scan_how *how,
		       lookup_answer f, void *userdata)
{
	ssize_t n_done;

	for (size_t i = 0; i < n; i += (size_t)n_done) {
		n_done = resolve_some(&questions[i], n - i, how, f, userdata);
		if (n_done < 0)
			return (int)n_done;
	}
	return 0;
}

static int add_range(struct json_object *range, void *userdata)
{
	if (json_object_array_add(userdata, range) < 0)
		return -ENOMEM;
	json_object_get(range);
	return 0;
}

int lookup_resolve(const struct lookup_range *what, const struct scan_how *how,
		   struct json_object **ret)
{
	_cleanup_(json_object_putp) struct json_object *answer = json_object_new_object();
	struct lookup_question question = { .what = *what };
	struct json_object *ranges = json_object_new_array();
	int r;

	if (!answer || !ranges || json_object_object_add(answer, "ranges", ranges) < 0) {
		json_object_put(ranges);
		return -ENOMEM;
	}
	r = lookup_resolve_all(&question, 1, how, add_range, ranges);
	if (r >= 0)
		r = question.r;
	if (r < 0)
		return r;
	*ret = TAKE(answer);
	return 0;
}
