/* SPDX-License-Identifier: GPL-2.0-or-later */
/* views-json: where else an owner's file is to be seen, as members of that owner. */
#pragma once

#include "incident.h"
#include "json-fields.h"

/* "mount_container", "views" and "views_more", as far as there are such. */
void views_put(struct json_fields *f, const struct owner *owner);
void views_get(struct json_fields *f, struct owner *owner);
