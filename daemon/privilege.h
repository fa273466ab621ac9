/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * privilege: of root's power what we need and have, and the rest given up.
 *
 * What is needed only until everything is loaded and open (BPF, the kernel's log, the sockets'
 * group) goes when the start is over; so does all that root has besides when it runs us by hand.
 */
#pragma once

/* One sentence: what we can't do, for want of which capability. NULL: nothing. Free it. */
char *privilege_missing(void);

/*
 * Keep what running needs: in the effective and permitted sets, and with CAP_SETPCAP in the
 * bounding set; the others are emptied. For good. 0 or negative errno.
 */
int privilege_drop(void);
