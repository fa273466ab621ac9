// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * event: the envelope.
 *
 *   flow -> feed -> [event] -> line -> journal, file, socket
 *
 * In:   type, severity, incident number, data.
 * Out:  the object of conf/schema/event.schema.json.
 *
 * The id is unique over machines and restarts: machine id and sequence number. What data holds is
 * the sender's; what an incident looks like is incident-json.c.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-id128.h>

#include "feed/event.h"
#include "json-fields.h"

const char *severity_name(enum severity severity)
{
	return severity == SEVERITY_CRITICAL  ? "critical"
	       : severity == SEVERITY_WARNING ? "warning"
					      : "info";
}

static void put_id(struct json_fields *f, uint64_t seq)
{
	char machine_text[SD_ID128_STRING_MAX], text[64];
	sd_id128_t machine;

	/* An image without a machine id still has ids that differ from boot to boot. */
	if (sd_id128_get_machine(&machine) < 0 && sd_id128_get_boot(&machine) < 0)
		machine = SD_ID128_NULL;
	snprintf(text, sizeof(text), "%s-%llu", sd_id128_to_string(machine, machine_text),
		 (unsigned long long)seq);
	field_put_string(f, "id", text);
}

/* `source` is a URI reference, and a host can be called anything. */
static void put_source(struct json_fields *f)
{
	char host[256] = "", text[sizeof("/hwpoisond/") + 3 * sizeof(host)];
	char *end = stpcpy(text, "/hwpoisond/");

	gethostname(host, sizeof(host) - 1);
	for (const char *c = host; *c; c++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~",
			   *c))
			*end++ = *c;
		else
			end += sprintf(end, "%%%02X", (unsigned char)*c);
	*end = '\0';
	field_put_string(f, "source", text);
}

static void put_time(struct json_fields *f)
{
	char seconds[32], text[64];
	struct timespec now;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, sizeof(text), "%s.%06dZ", seconds, (int)(now.tv_nsec / 1000));
	field_put_string(f, "time", text);
}

struct json_object *event_new(const struct event_head *head, struct json_object *data)
{
	struct json_fields f = json_fields_new();
	char type[64];

	snprintf(type, sizeof(type), "io.hwpoisond.%s", head->type);

	field_put_string(&f, "specversion", "1.0");
	put_id(&f, head->seq);
	put_source(&f);
	field_put_string(&f, "type", type);
	put_time(&f);
	field_put_uint(&f, "seq", head->seq);
	field_put_string(&f, "severity", severity_name(head->severity));
	if (head->incident)
		field_put_uint(&f, "incident", head->incident);
	field_put_object(&f, "data", data ? json_object_get(data) : json_object_new_object());
	field_require(&f, "data");
	return json_fields_done(&f);
}
