// SPDX-License-Identifier: GPL-2.0-or-later
/* reconcile: see reconcile.h. One walk over both lists. */
#include <errno.h>

#include "reconcile.h"

int reconcile_subtract(const struct badblocks *bad, const struct badblocks *known,
		       struct badblocks **ret)
{
	_cleanup_(badblocks_freep) struct badblocks *left = calloc(1, sizeof(*left));
	size_t k = 0;
	int r;

	if (!left)
		return -ENOMEM;
	for (size_t i = 0; i < bad->n_ranges; i++) {
		uint64_t start = bad->ranges[i].start_bytes, end = range_end(bad->ranges[i]);

		while (k < known->n_ranges && range_end(known->ranges[k]) <= start)
			k++;
		/* Several known ranges may cut one bad one, and one known range several bad ones.
		 */
		for (size_t n = k; start < end; n++) {
			uint64_t stop = end;

			if (n < known->n_ranges && known->ranges[n].start_bytes < end)
				stop = known->ranges[n].start_bytes;
			if (stop > start) {
				r = badblocks_add(left, (struct range){ start, stop - start });
				if (r < 0)
					return r;
			}
			if (stop == end)
				break;
			start = range_end(known->ranges[n]);
		}
	}
	*ret = TAKE(left);
	return 0;
}
