// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * client: the other end of daemon/control/varlink, for one call at a time.
 *
 *   a command -> [client] -> hwpoisond
 *
 * Blocks: there is nothing else to do. The daemon is trusted with what it says, though not with
 * how: what is no Varlink ends the conversation with one sentence. Names from the daemon come from
 * file systems and are printed by print.c only.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client.h"
#include "print.h"

#define MAX_MESSAGE (64u * 1024u * 1024u)
#define READ_BYTES  65536u
#define MAX_DEPTH   64

#define INTERFACE "io.hwpoisond"
#define SERVICE	  "org.varlink.service"

DEFINE_CLEANUP(struct json_tokener *, json_tokener_free);

struct client {
	int fd;
	char *in;
	size_t n_in;
	size_t n_capacity;
};

struct client *client_free(struct client *c)
{
	if (c) {
		closep(&c->fd);
		free(c->in);
		free(c);
	}
	return NULL;
}

void client_reply_done(struct client_reply *reply)
{
	json_object_put(reply->parameters);
	free(reply->error);
	*reply = (struct client_reply){};
}

int client_connect(const char *path, struct client **ret)
{
	_cleanup_(client_freep) struct client *c = calloc(1, sizeof(*c));
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (!c)
		return -ENOMEM;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*ret = TAKE(c);
	return 0;
}

static int send_all(int fd, const char *bytes, size_t n_bytes)
{
	while (n_bytes) {
		ssize_t n = send(fd, bytes, n_bytes, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EPIPE ? -ECONNRESET : -errno;
		bytes += n;
		n_bytes -= (size_t)n;
	}
	return 0;
}

int client_call(struct client *c, const char *method, struct json_object *parameters, bool more)
{
	_cleanup_(json_object_putp) struct json_object *call = json_object_new_object();
	char full_name[64];
	const char *text;
	size_t n_bytes;

	if (!call)
		return -ENOMEM;
	snprintf(full_name, sizeof(full_name), INTERFACE ".%s", method);
	json_object_object_add(call, "method", json_object_new_string(full_name));
	if (parameters)
		json_object_object_add(call, "parameters", json_object_get(parameters));
	if (more)
		json_object_object_add(call, "more", json_object_new_boolean(1));
	text = json_object_to_json_string_length(call, JSON_C_TO_STRING_PLAIN, &n_bytes);
	return text ? send_all(c->fd, text, n_bytes + 1) : -ENOMEM;
}

static int read_more(struct client *c)
{
	ssize_t n;

	if (c->n_in > MAX_MESSAGE)
		return -EBADMSG;
	if (c->n_capacity - c->n_in < READ_BYTES) {
		size_t n_wanted = 2 * c->n_capacity + READ_BYTES;
		char *grown = realloc(c->in, n_wanted);

		if (!grown)
			return -ENOMEM;
		c->in = grown;
		c->n_capacity = n_wanted;
	}
	do
		n = recv(c->fd, c->in + c->n_in, READ_BYTES, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ECONNRESET;
	c->n_in += (size_t)n;
	return 0;
}

/* Parse the first message and drop it from the buffer. */
static int take_message(struct client *c, size_t n_bytes, struct json_object **ret)
{
	_cleanup_(json_tokener_freep) struct json_tokener *tokener = json_tokener_new_ex(MAX_DEPTH);
	_cleanup_(json_object_putp) struct json_object *message = NULL;

	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	message = json_tokener_parse_ex(tokener, c->in, (int)n_bytes);
	if (json_tokener_get_error(tokener) != json_tokener_success ||
	    json_tokener_get_parse_end(tokener) != n_bytes ||
	    !json_object_is_type(message, json_type_object))
		return -EBADMSG;

	c->n_in -= n_bytes + 1;
	memmove(c->in, c->in + n_bytes + 1, c->n_in);
	*ret = TAKE(message);
	return 0;
}

static int reply_read(struct json_object *message, struct client_reply *ret)
{
	struct json_object *value;

	*ret = (struct client_reply){};
	if (json_object_object_get_ex(message, "continues", &value)) {
		if (!json_object_is_type(value, json_type_boolean))
			return -EBADMSG;
		ret->continues = json_object_get_boolean(value);
	}
	if (json_object_object_get_ex(message, "error", &value)) {
		if (!json_object_is_type(value, json_type_string))
			return -EBADMSG;
		ret->error = strdup(json_object_get_string(value));
		if (!ret->error)
			return -ENOMEM;
	}
	if (json_object_object_get_ex(message, "parameters", &value) && value) {
		if (!json_object_is_type(value, json_type_object))
			return -EBADMSG;
		ret->parameters = json_object_get(value);
	} else {
		ret->parameters = json_object_new_object();
	}
	return ret->parameters ? 0 : -ENOMEM;
}

int client_next(struct client *c, struct client_reply *ret)
{
	_cleanup_(json_object_putp) struct json_object *message = NULL;
	size_t n_searched = 0;
	char *end;
	int r;

	while (!(end = c->n_in > n_searched ? memchr(c->in + n_searched, '\0', c->n_in - n_searched)
					    : NULL)) {
		n_searched = c->n_in;
		r = read_more(c);
		if (r < 0)
			return r;
	}
	r = take_message(c, (size_t)(end - c->in), &message);
	if (r < 0)
		return r;
	r = reply_read(message, ret);
	if (r < 0)
		client_reply_done(ret);
	return r;
}

static int complain_about_error(const struct client_reply *reply)
{
	struct json_object *p = reply->parameters;
	const char *error = reply->error, *detail = member_string(p, "detail");
	struct json_object *number = json_object_object_get(p, "incident");

	if (!strcmp(error, SERVICE ".PermissionDenied"))
		print_error("Permission denied: this needs root.");
	else if (!strcmp(error, SERVICE ".InvalidParameter"))
		print_error("The daemon does not accept this %s.", member_string(p, "parameter"));
	else if (!strcmp(error, INTERFACE ".NoSuchIncident"))
		print_error("There is no incident %" PRIi64 ".", json_object_get_int64(number));
	else if (!strcmp(error, INTERFACE ".NoSuchBus"))
		print_error("There is no bus %s.", member_string(p, "bus"));
	else if (!strcmp(error, INTERFACE ".NoSuchDevice"))
		print_error("There is no block device %s.", member_string(p, "device"));
	else if (!strcmp(error, INTERFACE ".NotSupported"))
		print_error("Not supported here: %s.", member_string(p, "what"));
	else if (!strcmp(error, INTERFACE ".Busy"))
		print_error("Busy: %s is under way already.", member_string(p, "what"));
	else if (!strcmp(error, INTERFACE ".RepairFailed"))
		print_error("Incident %" PRIi64 " was not repaired: %s (%s).",
			    json_object_get_int64(number), member_string(p, "reason"), detail);
	else if (!strcmp(error, INTERFACE ".ConfigurationRefused"))
		print_error("%s has mistakes, the configuration in force stays.",
			    member_string(p, "file"));
	else if (!strcmp(error, INTERFACE ".Failed"))
		print_error("The daemon could not do it: %s.", member_string(p, "message"));
	else
		print_error("The daemon answered %s.", error);
	return EXIT_FAILED;
}

int client_complain(const struct ctl *ctl, int r, const struct client_reply *reply)
{
	if (reply && reply->error)
		return complain_about_error(reply);

	switch (r) {
	case -ENOENT:
	case -ECONNREFUSED:
		print_error("hwpoisond is not running: nobody answers at %s.", ctl->socket);
		return EXIT_NO_DAEMON;
	case -EACCES:
	case -EPERM:
		print_error("Permission denied: talking to hwpoisond needs root, or membership of "
			    "group hwpoisond.");
		return EXIT_FAILED;
	case -EBADMSG:
		print_error("What answers at %s does not speak Varlink.", ctl->socket);
		return EXIT_FAILED;
	case -ECONNRESET:
		print_error("The daemon closed the connection before it had answered.");
		return EXIT_FAILED;
	default:
		print_error("Cannot talk to hwpoisond at %s: %s.", ctl->socket, strerror(-r));
		return EXIT_FAILED;
	}
}

int client_ask(const struct ctl *ctl, const char *method, struct json_object *parameters,
	       struct json_object **ret)
{
	_cleanup_(client_freep) struct client *c = NULL;
	_cleanup_(client_reply_done) struct client_reply reply = {};
	int r;

	r = client_connect(ctl->socket, &c);
	if (r >= 0)
		r = client_call(c, method, parameters, false);
	if (r >= 0)
		r = client_next(c, &reply);
	if (r < 0 || reply.error)
		return client_complain(ctl, r, &reply);
	*ret = TAKE(reply.parameters);
	return EXIT_FINE;
}

bool client_reachable(const struct ctl *ctl)
{
	_cleanup_(client_freep) struct client *c = NULL;

	return client_connect(ctl->socket, &c) >= 0;
}

int client_need_root(const char *command)
{
	print_error("%s needs root, or a running hwpoisond and membership of group hwpoisond.",
		    command);
	return EXIT_FAILED;
}
