// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * event: the envelope.
 *
 *   flow -> feed -> [event] -> line -> journal, file, socket
 *
 * In:   type, severity, incident number, data.
 * Out:  the line of conf/schema/event.schema.json.
 *
 * The id is unique over machines and restarts: machine id and sequence number. What data holds is
 * the sender's; what an incident looks like is incident-json.c.
 *
 * Written as text, without an object for each member and without printf: somebody waits for this
 * line, and nothing in the envelope needs escaping.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-id128.h>

#include "feed/event.h"
#include "json-text.h"

/* The longest has a host's name of which every character is percent-encoded. */
#define ENVELOPE_MAX_BYTES (3 * 256 + 512)

const char *severity_name(enum severity severity)
{
	return severity == SEVERITY_CRITICAL  ? "critical"
	       : severity == SEVERITY_WARNING ? "warning"
					      : "info";
}

/* It stays the same as long as we run. */
static const char *machine_text(void)
{
	static char text[SD_ID128_STRING_MAX];
	sd_id128_t machine;

	if (*text)
		return text;
	/* An image without a machine id still has ids that differ from boot to boot. */
	if (sd_id128_get_machine(&machine) < 0 && sd_id128_get_boot(&machine) < 0)
		machine = SD_ID128_NULL;
	return sd_id128_to_string(machine, text);
}

/* `source` is a URI reference, and a host can be called anything. */
static char *write_host(char *end)
{
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	for (const char *c = host; *c; c++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~",
			   *c))
			*end++ = *c;
		else
			end += sprintf(end, "%%%02X", (unsigned char)*c);
	return end;
}

static char *write_time(char *end)
{
	struct timespec now;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	end = text_number(end, (uint64_t)utc.tm_year + 1900, 4);
	*end++ = '-';
	end = text_number(end, (uint64_t)utc.tm_mon + 1, 2);
	*end++ = '-';
	end = text_number(end, (uint64_t)utc.tm_mday, 2);
	*end++ = 'T';
	end = text_number(end, (uint64_t)utc.tm_hour, 2);
	*end++ = ':';
	end = text_number(end, (uint64_t)utc.tm_min, 2);
	*end++ = ':';
	end = text_number(end, (uint64_t)utc.tm_sec, 2);
	*end++ = '.';
	end = text_number(end, (uint64_t)now.tv_nsec / 1000, 6);
	*end++ = 'Z';
	return end;
}

static size_t write_envelope(char *text, const struct event_head *head)
{
	char *end = text;

	end = stpcpy(end, "{\"specversion\":\"1.0\",\"id\":\"");
	end = stpcpy(end, machine_text());
	*end++ = '-';
	end = text_number(end, head->seq, 1);
	end = stpcpy(end, "\",\"source\":\"/hwpoisond/");
	end = write_host(end);
	end = stpcpy(end, "\",\"type\":\"io.hwpoisond.");
	end = stpcpy(end, head->type);
	end = stpcpy(end, "\",\"time\":\"");
	end = write_time(end);
	end = stpcpy(end, "\",\"seq\":");
	end = text_number(end, head->seq, 1);
	end = stpcpy(end, ",\"severity\":\"");
	end = stpcpy(end, severity_name(head->severity));
	*end++ = '"';
	if (head->incident) {
		end = stpcpy(end, ",\"incident\":");
		end = text_number(end, head->incident, 1);
	}
	end = stpcpy(end, ",\"data\":");
	return (size_t)(end - text);
}

char *event_text(const struct event_head *head, const char *data_text, size_t *ret_bytes)
{
	char envelope[ENVELOPE_MAX_BYTES], *text;
	size_t envelope_bytes = write_envelope(envelope, head), data_bytes = strlen(data_text);

	text = malloc(envelope_bytes + data_bytes + sizeof("}\n"));
	if (!text)
		return NULL;
	strcpy(mempcpy(mempcpy(text, envelope, envelope_bytes), data_text, data_bytes), "}\n");
	*ret_bytes = envelope_bytes + data_bytes + strlen("}\n");
	return text;
}
