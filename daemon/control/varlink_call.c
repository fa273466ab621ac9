// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * varlink_call: what does this message ask for, and what is the answer?
 *
 *   varlink (a message) -> [varlink_call] -> a method of the interface -> varlink (a reply)
 *
 * In:   the bytes of one message, as hostile as they come.
 * Out:  a call whose method exists, whose peer is allowed, and whose parameters have the right
 * names and types; or one of the standard errors. What is no call at all closes the connection, as
 *       the protocol has no other answer to it.
 *
 * A call outlives its client: the method that owns it answers when it is done, and then nobody
 * listens. That is why the link is cut on our side only (connection = NULL).
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "control/varlink_private.h"
#include "log.h"

#define MAX_DEPTH	 16
#define MAX_STREAM_QUEUE (256u * 1024u)

DEFINE_CLEANUP(struct json_tokener *, json_tokener_free);

static bool parameter_absent(struct json_object *parameters, const char *name,
			     struct json_object **ret)
{
	*ret = NULL;
	return !json_object_object_get_ex(parameters, name, ret) || !*ret;
}

bool varlink_bool(struct json_object *parameters, const char *name, bool fallback)
{
	struct json_object *value;

	return parameter_absent(parameters, name, &value) ? fallback
							  : json_object_get_boolean(value);
}

int64_t varlink_int(struct json_object *parameters, const char *name, int64_t fallback)
{
	struct json_object *value;

	return parameter_absent(parameters, name, &value) ? fallback : json_object_get_int64(value);
}

const char *varlink_string(struct json_object *parameters, const char *name)
{
	struct json_object *value;

	return parameter_absent(parameters, name, &value) ? NULL : json_object_get_string(value);
}

bool varlink_call_wants_more(const struct varlink_call *call)
{
	return call->more;
}

void varlink_call_notify(struct varlink_call *call, varlink_notify on_gone, varlink_notify on_room,
			 void *userdata)
{
	call->on_gone = on_gone;
	call->on_room = on_room;
	call->notify_userdata = userdata;
}

void varlink_call_orphan(struct varlink_call *call)
{
	call->connection = NULL;
	if (call->on_gone)
		call->on_gone(call, call->notify_userdata);
}

void varlink_drop(struct varlink_call *call)
{
	if (call->connection)
		connection_set_call(call->connection, NULL);
	json_object_put(call->message);
	free(call);
}

/* {"error":...,"parameters":...,"continues":true} as text. NULL: out of memory. */
static struct json_object *reply_new(const char *error, struct json_object *parameters,
				     bool continues)
{
	_cleanup_(json_object_putp) struct json_object *reply = json_object_new_object();
	struct json_object *given = parameters ? json_object_get(parameters)
					       : json_object_new_object();

	if (!reply || json_object_object_add(reply, "parameters", given) < 0) {
		json_object_put(given);
		return NULL;
	}
	if (error && json_object_object_add(reply, "error", json_object_new_string(error)) < 0)
		return NULL;
	if (continues && json_object_object_add(reply, "continues", json_object_new_boolean(1)) < 0)
		return NULL;
	return TAKE(reply);
}

static void call_send(struct varlink_call *call, const char *error, struct json_object *parameters,
		      bool continues)
{
	_cleanup_(json_object_putp) struct json_object *reply = NULL;
	const char *text = NULL;
	size_t n_bytes = 0;

	if (!call->connection || call->oneway)
		return;

	reply = reply_new(error, parameters, continues);
	if (reply)
		text = json_object_to_json_string_length(
			reply, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n_bytes);
	if (!text)
		connection_fail(call->connection, -ENOMEM, "could not be answered");
	else if (n_bytes > VARLINK_MAX_REPLY)
		connection_fail(call->connection, -EMSGSIZE, "asked for too much at once");
	else
		connection_send(call->connection, text, n_bytes);
}

int varlink_continue(struct varlink_call *call, struct json_object *parameters)
{
	assert(call->more);

	if (!call->connection || connection_is_broken(call->connection))
		return -EPIPE;
	if (connection_n_queued(call->connection) > MAX_STREAM_QUEUE)
		return -ENOBUFS;
	call_send(call, NULL, parameters, true);
	return 0;
}

void varlink_reply(struct varlink_call *call, struct json_object *parameters)
{
	call_send(call, NULL, parameters, false);
	varlink_drop(call);
}

void varlink_error(struct varlink_call *call, const char *error, struct json_object *parameters)
{
	call_send(call, error, parameters, false);
	varlink_drop(call);
}

void varlink_error_with(struct varlink_call *call, const char *error, const char *key,
			const char *value, size_t n_bytes)
{
	_cleanup_(json_object_putp) struct json_object *parameters = json_object_new_object();

	if (parameters)
		json_object_object_add(parameters, key,
				       json_object_new_string_len(value, (int)n_bytes));
	varlink_error(call, error, parameters);
}

void varlink_error_parameter(struct varlink_call *call, const char *parameter)
{
	varlink_error_with(call, VARLINK_SERVICE ".InvalidParameter", "parameter", parameter,
			   strlen(parameter));
}

/* C strings end at the first NUL, JSON strings need not: what we would not see is not accepted. */
static bool is_string(struct json_object *value)
{
	return json_object_is_type(value, json_type_string) &&
	       strlen(json_object_get_string(value)) == (size_t)json_object_get_string_len(value);
}

static bool is_of_type(struct json_object *value, enum varlink_type type)
{
	switch (type) {
	case VARLINK_BOOL:
		return json_object_is_type(value, json_type_boolean);
	case VARLINK_INT:
		/* json-c keeps what exceeds int64 as uint64, and what exceeds that as its maximum.
		 */
		return json_object_is_type(value, json_type_int) &&
		       (json_object_get_int64(value) != INT64_MAX ||
			json_object_get_uint64(value) == INT64_MAX);
	case VARLINK_STRING:
		return is_string(value);
	case VARLINK_STRINGS:
		if (!json_object_is_type(value, json_type_array))
			return false;
		for (size_t i = 0; i < json_object_array_length(value); i++)
			if (!is_string(json_object_array_get_idx(value, i)))
				return false;
		return true;
	}
	return false;
}

static const struct varlink_parameter *parameter_find(const struct varlink_method *method,
						      const char *name)
{
	for (const struct varlink_parameter *p = method->parameters; p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

/* The name of the first parameter that is unknown, missing or of the wrong type; NULL: all is well.
 */
static const char *parameters_wrong(const struct varlink_method *method,
				    struct json_object *parameters)
{
	json_object_object_foreach (parameters, name, value) {
		const struct varlink_parameter *known = parameter_find(method, name);

		if (!known || (value && !is_of_type(value, known->type)))
			return name;
	}

	for (const struct varlink_parameter *p = method->parameters; p->name; p++) {
		struct json_object *found;

		if (p->required && parameter_absent(parameters, p->name, &found))
			return p->name;
	}
	return NULL;
}

static const struct varlink_method *method_find(const struct varlink_method *methods,
						const char *name)
{
	for (; methods->name; methods++)
		if (!strcmp(methods->name, name))
			return methods;
	return NULL;
}

/* "io.hwpoisond.Show" -> its method. NULL: the call was answered with an error. */
static const struct varlink_method *method_of(struct varlink_call *call, const char *full_name)
{
	const struct varlink_interface *interface = connection_server(call->connection)->interface;
	const struct varlink_method *methods = NULL, *method = NULL;
	const char *dot = strrchr(full_name, '.');
	size_t n_interface = dot ? (size_t)(dot - full_name) : strlen(full_name);

	if (n_interface == strlen(VARLINK_SERVICE) &&
	    !strncmp(full_name, VARLINK_SERVICE, n_interface))
		methods = varlink_service_methods;
	else if (n_interface == strlen(interface->name) &&
		 !strncmp(full_name, interface->name, n_interface))
		methods = interface->methods;

	if (!methods)
		varlink_error_with(call, VARLINK_SERVICE ".InterfaceNotFound", "interface",
				   full_name, n_interface);
	else if (!dot || !(method = method_find(methods, dot + 1)))
		varlink_error_with(call, VARLINK_SERVICE ".MethodNotFound", "method", full_name,
				   strlen(full_name));
	return method;
}

static bool is_service_method(const struct varlink_method *method)
{
	return method_find(varlink_service_methods, method->name) == method;
}

/* Who may not call is told so first: whether the parameters were right is none of its business. */
static void call_run(struct varlink_call *call, const char *full_name)
{
	struct varlink_server *server = connection_server(call->connection);
	const struct varlink_method *method;
	const char *wrong;

	method = method_of(call, full_name);
	if (!method)
		return;
	if (!is_service_method(method) &&
	    !server->may(connection_peer(call->connection), method->flags & VARLINK_CHANGES,
			 server->userdata)) {
		varlink_error(call, VARLINK_SERVICE ".PermissionDenied", NULL);
		return;
	}

	wrong = parameters_wrong(method, call->parameters);
	if (wrong) {
		varlink_error_parameter(call, wrong);
		return;
	}
	if (method->flags & VARLINK_NEEDS_MORE && !call->more) {
		varlink_error(call, VARLINK_SERVICE ".ExpectedMore", NULL);
		return;
	}
	method->run(call, call->parameters, server->userdata);
}

static struct json_object *message_parse(const char *text, size_t n_bytes)
{
	_cleanup_(json_tokener_freep) struct json_tokener *tokener = json_tokener_new_ex(MAX_DEPTH);
	_cleanup_(json_object_putp) struct json_object *message = NULL;

	if (!tokener || n_bytes > INT_MAX)
		return NULL;

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	message = json_tokener_parse_ex(tokener, text, (int)n_bytes);
	if (json_tokener_get_error(tokener) != json_tokener_success ||
	    json_tokener_get_parse_end(tokener) != n_bytes)
		return NULL;
	return json_object_is_type(message, json_type_object) ? TAKE(message) : NULL;
}

/*
 * Fill the call from its message. A key that we don't know could change the meaning of the call, so
 * it is refused as well. NULL: fine; otherwise what is wrong.
 */
static const char *message_read(struct json_object *message, struct varlink_call *call,
				const char **ret_method)
{
	json_object_object_foreach (message, key, value) {
		bool is_bool = json_object_is_type(value, json_type_boolean);

		if (!strcmp(key, "method") && is_string(value))
			*ret_method = json_object_get_string(value);
		else if (!strcmp(key, "parameters") &&
			 (!value || json_object_is_type(value, json_type_object)))
			call->parameters = value;
		else if (!strcmp(key, "more") && is_bool)
			call->more = json_object_get_boolean(value);
		else if (!strcmp(key, "oneway") && is_bool)
			call->oneway = json_object_get_boolean(value);
		else if (!strcmp(key, "upgrade") && is_bool && !json_object_get_boolean(value))
			continue;
		else
			return "sent something that is no Varlink call";
	}

	if (!*ret_method)
		return "sent a call without a method";
	if (call->more && call->oneway)
		return "sent a call that is both oneway and more";
	return NULL;
}

void varlink_dispatch(struct connection *c, const char *text, size_t n_bytes)
{
	_cleanup_(json_object_putp) struct json_object *message = message_parse(text, n_bytes);
	_cleanup_(freep) struct varlink_call *call = NULL;
	struct varlink_call *owned;
	const char *method = NULL, *wrong;

	if (!message) {
		connection_fail(c, 0, "sent something that is no JSON object");
		return;
	}
	call = calloc(1, sizeof(*call));
	if (!call) {
		connection_fail(c, -ENOMEM, "could not be served");
		return;
	}
	wrong = message_read(message, call, &method);
	if (!wrong && !call->parameters) {
		struct json_object *none = json_object_new_object();

		/* Absent, null and {} are the same. */
		if (!none || json_object_object_add(message, "parameters", none) < 0) {
			json_object_put(none);
			wrong = "could not be served";
		}
		call->parameters = none;
	}
	if (wrong) {
		connection_fail(c, 0, wrong);
		return;
	}

	owned = TAKE(call);
	owned->message = TAKE(message);
	owned->connection = c;
	connection_set_call(c, owned);
	call_run(owned, method);
}
