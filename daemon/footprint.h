/* SPDX-License-Identifier: GPL-2.0-or-later */
/* footprint: what only the start needed goes back, and what the next event needs is at hand. */
#pragma once

/* Free heap to the system, and code that is not running out of our memory map. */
void footprint_shrink(void);

/*
 * When a forked child has ended: a page of the heap that was shared with it costs a fault at the
 * next store, and who waits for the next event would wait for a dozen of them.
 */
void footprint_own_heap(void);
