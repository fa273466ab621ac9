# SPDX-License-Identifier: GPL-2.0-or-later
#
# From the kernel's event to whoever reads of it, see latency.c. For the guest.
#
# guest: --timeout 900

insmod "$VM_CACHE/edacbed.ko" || exit 1
exec "$BUILDDIR/tests/bench/latency" "$BUILDDIR/hwpoisond"
