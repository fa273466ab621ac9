// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * damage: see damage.h.
 *
 *   remap-swap -> [damage]
 *
 * The file's owner can change the attribute, and a filesystem may have none: the ledger is what
 * counts. Nothing here fails a repair.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>

#include "repair/damage.h"

/* What was there, if it is text of ours; the caller frees it. */
static char *read_old(int fd)
{
	char *text = calloc(1, DAMAGE_MAX_BYTES + 1);
	ssize_t n = text ? fgetxattr(fd, DAMAGE_ATTRIBUTE, text, DAMAGE_MAX_BYTES) : -1;

	if (text)
		text[n > 0 ? n : 0] = '\0';
	return text;
}

/* Whole lines from the end, as many as fit. */
static const char *newest(const char *text)
{
	size_t n = strlen(text);
	const char *start = n > DAMAGE_MAX_BYTES ? text + n - DAMAGE_MAX_BYTES : text;

	if (start > text && start[-1] != '\n') {
		start = strchr(start, '\n');
		start = start ? start + 1 : "";
	}
	return start;
}

int damage_record(const struct target *t, const struct salvaged_page *page)
{
	_cleanup_(incident_freep) struct incident *in =
		incident_new((struct range){ page->phys_start, PAGE_BYTES }, 0);
	_cleanup_(freep) char *text = read_old(t->fd);
	int r = in && text ? target_add_losses(t, page, in) : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < in->repair.n_losses; i++) {
		const struct loss *loss = &in->repair.losses[i];
		char *longer;

		if (asprintf(&longer, "%s%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", text,
			     loss->file_offset_bytes, loss->length_bytes, (uint64_t)time(NULL)) < 0)
			return -ENOMEM;
		free(text);
		text = longer;
	}
	if (r < 0 || !in->repair.n_losses)
		return r;
	return fsetxattr(t->fd, DAMAGE_ATTRIBUTE, newest(text), strlen(newest(text)), 0) < 0
		       ? -errno
		       : 0;
}
