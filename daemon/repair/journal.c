// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * journal: see journal.h. Both ends of the wire, so that they can be read against each other.
 *
 *   worker                                   daemon
 *   {"journal":"intent","step","detail"} ->  ledger_intent()   -> {"result":0,"intent":12}
 *   {"journal":"salvaged","phys_start"}  ->  ledger_get_salvage()
 *   {"journal":"history","phys_start",..} -> ledger_steps_of_pages()
 *   {"journal":"flush"}
 *
 * and with each of them, in "notes", what is to be on record before:
 *
 *   {"journal":"outcome","intent",...}   ->  ledger_outcome()
 *   {"journal":"salvage","page":{...}}   ->  ledger_put_salvage()
 *   {"journal":"unsaved","phys_start",..} -> ledger_put_unsaved()
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "repair/journal.h"

static struct json_object *question(const char *kind)
{
	struct json_object *q = json_object_new_object();

	if (q)
		json_object_object_add(q, "journal", json_object_new_string(kind));
	return q;
}

static int64_t member_int(struct json_object *o, const char *name, int64_t otherwise)
{
	struct json_object *value;

	return json_object_object_get_ex(o, name, &value) ? json_object_get_int64(value)
							  : otherwise;
}

/*
 * The daemon's answer; the notes go along. -EREMOTEIO: the ledger did not take it, which must not
 * be mistaken for an error of the filesystem under repair. *ret (may be NULL) is set only for 0.
 */
static int ask(struct repair_journal *j, struct json_object *q, struct json_object **ret)
{
	_cleanup_(json_object_putp) struct json_object *answer = NULL;
	int r;

	if (!q)
		return -ENOMEM;
	if (j->notes && json_object_object_add(q, "notes", j->notes) < 0)
		return -ENOMEM;
	j->notes = NULL;
	r = worker_ask(j->link, q, &answer);
	if (r < 0)
		return r;
	r = member_int(answer, "result", -EPROTO);
	if (r < 0)
		return r == -ENOENT ? r : -EREMOTEIO;
	if (ret)
		*ret = TAKE(answer);
	return 0;
}

static void add_range(struct json_object *q, struct range pages)
{
	json_object_object_add(q, "phys_start", json_object_new_uint64(pages.start_bytes));
	json_object_object_add(q, "length_bytes", json_object_new_uint64(pages.length_bytes));
}

static struct range member_range(struct json_object *q)
{
	return (struct range){ (uint64_t)member_int(q, "phys_start", 0),
			       (uint64_t)member_int(q, "length_bytes", PAGE_BYTES) };
}

/* Takes the note. */
static int note(struct repair_journal *j, struct json_object *q)
{
	if (q && !j->notes)
		j->notes = json_object_new_array();
	if (q && j->notes && json_object_array_add(j->notes, q) == 0)
		return 0;
	json_object_put(q);
	return -ENOMEM;
}

int journal_flush(struct repair_journal *j)
{
	_cleanup_(json_object_putp) struct json_object *q = NULL;

	if (!j->notes)
		return 0;
	q = question("flush");
	return ask(j, q, NULL);
}

int journal_intent(struct repair_journal *j, const char *step, struct json_object *detail,
		   int64_t *ret_intent)
{
	_cleanup_(json_object_putp) struct json_object *q = question("intent"), *answer = NULL;
	int r;

	if (!q)
		return -ENOMEM;
	json_object_object_add(q, "step", json_object_new_string(step));
	if (detail)
		json_object_object_add(q, "detail", json_object_get(detail));
	r = ask(j, q, &answer);
	if (r < 0)
		return r;
	*ret_intent = member_int(answer, "intent", 0);
	return 0;
}

int journal_outcome(struct repair_journal *j, int64_t intent, int result,
		    struct json_object *detail)
{
	struct json_object *q = question("outcome");
	int r;

	if (!q)
		return -ENOMEM;
	json_object_object_add(q, "intent", json_object_new_int64(intent));
	json_object_object_add(q, "outcome", json_object_new_int(result));
	if (detail)
		json_object_object_add(q, "detail", json_object_get(detail));
	r = note(j, q);
	return r >= 0 && result < 0 ? journal_flush(j) : r;
}

static void hex_encode(const uint8_t *bytes, size_t n_bytes, char *ret_text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n_bytes; i++) {
		*ret_text++ = digits[bytes[i] >> 4];
		*ret_text++ = digits[bytes[i] & 15];
	}
	*ret_text = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex_decode(const char *text, uint8_t *ret_bytes, size_t n_bytes)
{
	if (strlen(text) != 2 * n_bytes)
		return -EBADMSG;
	for (size_t i = 0; i < n_bytes; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EBADMSG;
		ret_bytes[i] = high << 4 | low;
	}
	return 0;
}

static struct json_object *page_to_json(const struct salvaged_page *page)
{
	struct json_object *o = json_object_new_object();
	char text[2 * PAGE_BYTES + 1];

	if (!o)
		return NULL;
	json_object_object_add(o, "phys_start", json_object_new_uint64(page->phys_start));
	json_object_object_add(o, "bad_sectors", json_object_new_int64(page->bad_sectors));
	json_object_object_add(o, "restored_sectors",
			       json_object_new_int64(page->restored_sectors));
	hex_encode(page->data, PAGE_BYTES, text);
	json_object_object_add(o, "data", json_object_new_string(text));
	return o;
}

static int page_from_json(struct json_object *o, struct salvaged_page *ret)
{
	struct json_object *phys, *data;

	if (!json_object_object_get_ex(o, "phys_start", &phys) ||
	    !json_object_object_get_ex(o, "data", &data))
		return -EBADMSG;
	*ret = (struct salvaged_page){
		.phys_start = json_object_get_uint64(phys),
		.length_bytes = PAGE_BYTES,
		.bad_sectors = (uint32_t)member_int(o, "bad_sectors", 0xff),
		.restored_sectors = (uint32_t)member_int(o, "restored_sectors", 0),
	};
	return hex_decode(json_object_get_string(data), ret->data, PAGE_BYTES);
}

static int note_page(struct repair_journal *j, const struct salvaged_page *page)
{
	struct json_object *q = question("salvage"), *o = page_to_json(page);

	if (!q || !o || json_object_object_add(q, "page", o) < 0) {
		json_object_put(q);
		json_object_put(o);
		return -ENOMEM;
	}
	return note(j, q);
}

static int note_unsaved(struct repair_journal *j, struct range pages)
{
	struct json_object *q = question("unsaved");

	if (!q)
		return -ENOMEM;
	add_range(q, pages);
	return note(j, q);
}

static bool is_lost(const struct salvaged_page *page)
{
	return page->bad_sectors == SALVAGE_ALL_BAD && !page->restored_sectors;
}

/* Of pages that are lost whole there is little to tell. */
int journal_put_salvage(struct repair_journal *j, const struct salvaged_page *pages, size_t n)
{
	int r = 0;

	for (size_t i = 0, n_lost; r >= 0 && i < n; i += n_lost ?: 1) {
		for (n_lost = 0; i + n_lost < n && is_lost(&pages[i + n_lost]);)
			n_lost++;
		r = n_lost ? note_unsaved(
				     j, (struct range){ pages[i].phys_start, n_lost * PAGE_BYTES })
			   : note_page(j, &pages[i]);
	}
	return r;
}

int journal_get_salvage(struct repair_journal *j, uint64_t phys_start, struct salvaged_page *ret)
{
	_cleanup_(json_object_putp) struct json_object *q = question("salvaged"), *answer = NULL;
	struct json_object *page;
	int r;

	if (!q)
		return -ENOMEM;
	json_object_object_add(q, "phys_start", json_object_new_uint64(phys_start));
	r = ask(j, q, &answer);
	if (r < 0)
		return r;
	if (!json_object_object_get_ex(answer, "page", &page))
		return -EBADMSG;
	return page_from_json(page, ret);
}

int journal_history(struct repair_journal *j, struct range pages, struct json_object **ret)
{
	_cleanup_(json_object_putp) struct json_object *q = question("history"), *answer = NULL;
	struct json_object *steps;
	int r;

	if (!q)
		return -ENOMEM;
	add_range(q, pages);
	r = ask(j, q, &answer);
	if (r < 0)
		return r;
	if (!json_object_object_get_ex(answer, "steps", &steps))
		return -EBADMSG;
	*ret = json_object_get(steps);
	return 0;
}

static int serve_intent(struct ledger *ledger, uint64_t incident, struct json_object *q,
			struct json_object *answer)
{
	struct json_object *step, *detail = NULL;
	int64_t intent;
	int r;

	if (!json_object_object_get_ex(q, "step", &step))
		return -EBADMSG;
	json_object_object_get_ex(q, "detail", &detail);
	r = ledger_intent(ledger, incident, json_object_get_string(step), detail, &intent);
	if (r >= 0)
		json_object_object_add(answer, "intent", json_object_new_int64(intent));
	return r;
}

static int serve_outcome(struct ledger *ledger, struct json_object *q)
{
	struct json_object *detail = NULL;

	json_object_object_get_ex(q, "detail", &detail);
	return ledger_outcome(ledger, member_int(q, "intent", 0), member_int(q, "outcome", -EPROTO),
			      detail);
}

static int serve_salvage(struct ledger *ledger, uint64_t incident, struct json_object *q)
{
	struct salvaged_page page;
	struct json_object *o;
	int r;

	if (!json_object_object_get_ex(q, "page", &o))
		return -EBADMSG;
	r = page_from_json(o, &page);
	if (r < 0)
		return r;
	return ledger_put_salvage(ledger, incident, &page);
}

static int serve_salvaged(struct ledger *ledger, uint64_t incident, struct json_object *q,
			  struct json_object *answer)
{
	struct salvaged_page page;
	int r;

	r = ledger_get_salvage(ledger, incident, member_int(q, "phys_start", 0), &page);
	if (r < 0)
		return r;
	json_object_object_add(answer, "page", page_to_json(&page));
	return 0;
}

static int serve_history(struct ledger *ledger, uint64_t incident, struct json_object *q,
			 struct json_object *answer)
{
	struct range pages = member_range(q);
	struct json_object *steps;
	int r;

	r = ledger_steps_of_pages(ledger, incident, pages, &steps);
	if (r >= 0)
		json_object_object_add(answer, "steps", steps);
	return r;
}

static int serve_note(struct ledger *ledger, uint64_t incident, struct json_object *q)
{
	struct json_object *kind;
	const char *name;

	if (!json_object_object_get_ex(q, "journal", &kind))
		return -EBADMSG;
	name = json_object_get_string(kind);
	if (!strcmp(name, "outcome"))
		return serve_outcome(ledger, q);
	if (!strcmp(name, "salvage"))
		return serve_salvage(ledger, incident, q);
	if (!strcmp(name, "unsaved"))
		return ledger_put_unsaved(ledger, incident, member_range(q));
	return -EBADMSG;
}

/* The notes, and the intent that they came with: all of it is on record, or nothing is. */
static int serve_records(struct ledger *ledger, uint64_t incident, struct json_object *q,
			 bool is_intent, struct json_object *answer)
{
	struct json_object *notes = NULL;
	int r;

	json_object_object_get_ex(q, "notes", &notes);
	if (!notes && !is_intent)
		return 0;
	r = ledger_begin_group(ledger);
	if (r < 0)
		return r;
	for (size_t i = 0; r >= 0 && notes && i < json_object_array_length(notes); i++)
		r = serve_note(ledger, incident, json_object_array_get_idx(notes, i));
	if (r == -ENOENT)
		r = -EBADMSG; /* to a question that means: there is none */
	if (r >= 0 && is_intent)
		r = serve_intent(ledger, incident, q, answer);
	return ledger_end_group(ledger, r);
}

static int serve_question(struct ledger *ledger, uint64_t incident, const char *name,
			  struct json_object *q, struct json_object *answer)
{
	bool is_intent = !strcmp(name, "intent");
	int r;

	r = serve_records(ledger, incident, q, is_intent, answer);
	if (r < 0 || is_intent || !strcmp(name, "flush"))
		return r;
	if (!strcmp(name, "salvaged"))
		return serve_salvaged(ledger, incident, q, answer);
	if (!strcmp(name, "history"))
		return serve_history(ledger, incident, q, answer);
	return -ENOMSG;
}

int journal_serve(struct ledger *ledger, struct worker *w, uint64_t incident, struct json_object *q)
{
	_cleanup_(json_object_putp) struct json_object *answer = json_object_new_object();
	struct json_object *kind;
	int r = -EROFS; /* nothing irreversible without a ledger */

	if (!json_object_object_get_ex(q, "journal", &kind))
		return -ENOMSG;
	if (ledger)
		r = serve_question(ledger, incident, json_object_get_string(kind), q, answer);
	json_object_object_add(answer, "result", json_object_new_int(r));
	return worker_reply(w, answer);
}
