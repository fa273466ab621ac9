// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * journal: see journal.h. Both ends of the wire, so that they can be read against each other.
 *
 *   worker                                   daemon
 *   {"journal":"intent","step","detail"} ->  ledger_intent()   -> {"result":0,"intent":12}
 *   {"journal":"outcome","intent",...}   ->  ledger_outcome()  -> {"result":0}
 *   {"journal":"salvage","page":{...}}   ->  ledger_put_salvage()
 *   {"journal":"salvaged","phys_start"}  ->  ledger_get_salvage()
 *   {"journal":"history","phys_start"}   ->  ledger_steps_of_page()
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
 * The daemon's answer. -EREMOTEIO: the ledger did not take it, which must not be mistaken for an
 * error of the filesystem under repair. *ret (may be NULL) is set only for 0.
 */
static int ask(const struct repair_journal *j, struct json_object *q, struct json_object **ret)
{
	_cleanup_(json_object_putp) struct json_object *answer = NULL;
	int r;

	if (!q)
		return -ENOMEM;
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

int journal_intent(const struct repair_journal *j, const char *step, struct json_object *detail,
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

int journal_outcome(const struct repair_journal *j, int64_t intent, int result,
		    struct json_object *detail)
{
	_cleanup_(json_object_putp) struct json_object *q = question("outcome");

	if (!q)
		return -ENOMEM;
	json_object_object_add(q, "intent", json_object_new_int64(intent));
	json_object_object_add(q, "outcome", json_object_new_int(result));
	if (detail)
		json_object_object_add(q, "detail", json_object_get(detail));
	return ask(j, q, NULL);
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
	hex_encode(page->data, PAGE_BYTES, text);
	json_object_object_add(o, "phys_start", json_object_new_uint64(page->phys_start));
	json_object_object_add(o, "bad_sectors", json_object_new_int64(page->bad_sectors));
	json_object_object_add(o, "restored_sectors",
			       json_object_new_int64(page->restored_sectors));
	json_object_object_add(o, "data", json_object_new_string(text));
	return o;
}

static int page_from_json(struct json_object *o, struct salvaged_page *ret)
{
	struct json_object *phys, *data;

	if (!json_object_object_get_ex(o, "phys_start", &phys) ||
	    !json_object_object_get_ex(o, "data", &data))
		return -EBADMSG;
	ret->phys_start = json_object_get_uint64(phys);
	ret->length_bytes = PAGE_BYTES;
	ret->bad_sectors = member_int(o, "bad_sectors", 0xff);
	ret->restored_sectors = member_int(o, "restored_sectors", 0);
	return hex_decode(json_object_get_string(data), ret->data, PAGE_BYTES);
}

int journal_put_salvage(const struct repair_journal *j, const struct salvaged_page *page)
{
	_cleanup_(json_object_putp) struct json_object *q = question("salvage");
	struct json_object *o = page_to_json(page);

	if (!q || !o) {
		json_object_put(o);
		return -ENOMEM;
	}
	json_object_object_add(q, "page", o);
	return ask(j, q, NULL);
}

int journal_get_salvage(const struct repair_journal *j, uint64_t phys_start,
			struct salvaged_page *ret)
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

int journal_history(const struct repair_journal *j, uint64_t phys_start, struct json_object **ret)
{
	_cleanup_(json_object_putp) struct json_object *q = question("history"), *answer = NULL;
	struct json_object *steps;
	int r;

	if (!q)
		return -ENOMEM;
	json_object_object_add(q, "phys_start", json_object_new_uint64(phys_start));
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
	struct json_object *steps;
	int r;

	r = ledger_steps_of_page(ledger, incident, member_int(q, "phys_start", 0), &steps);
	if (r >= 0)
		json_object_object_add(answer, "steps", steps);
	return r;
}

int journal_serve(struct ledger *ledger, struct worker *w, uint64_t incident, struct json_object *q)
{
	_cleanup_(json_object_putp) struct json_object *answer = json_object_new_object();
	struct json_object *kind;
	const char *name;
	int r;

	if (!json_object_object_get_ex(q, "journal", &kind))
		return -ENOMSG;
	name = json_object_get_string(kind);

	if (!ledger)
		r = -EROFS; /* nothing irreversible without a ledger */
	else if (!strcmp(name, "intent"))
		r = serve_intent(ledger, incident, q, answer);
	else if (!strcmp(name, "outcome"))
		r = serve_outcome(ledger, q);
	else if (!strcmp(name, "salvage"))
		r = serve_salvage(ledger, incident, q);
	else if (!strcmp(name, "salvaged"))
		r = serve_salvaged(ledger, incident, q, answer);
	else if (!strcmp(name, "history"))
		r = serve_history(ledger, incident, q, answer);
	else
		r = -ENOMSG;

	json_object_object_add(answer, "result", json_object_new_int(r));
	return worker_reply(w, answer);
}
