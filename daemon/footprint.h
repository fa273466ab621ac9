/* SPDX-License-Identifier: GPL-2.0-or-later */
/* footprint: what only the start needed goes back. */
#pragma once

/* Free heap to the system, and code that is not running out of our memory map. */
void footprint_shrink(void);
