/* SPDX-License-Identifier: GPL-2.0-or-later */
/* repair-private: what repair.c and preview.c share. */
#pragma once

#include "repair/plan.h"
#include "repair/repair.h"

/* in->device, in->owners and in->holders as they are now. 0; -ENODEV: the device is away; ... */
int repair_ask_anew(const struct repair_job *job, struct incident *in);

/* For plan_make(): asks each filesystem once. */
struct sharing {
	int proc_fd;
	dev_t dev;
	bool can;
};
bool repair_can_share(dev_t dev, const char *filesystem, void *userdata);
