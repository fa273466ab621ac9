# SPDX-License-Identifier: GPL-2.0-or-later
#
# From the kernel's event to whoever reads of it, see latency.c. For the guest,
# where corrected errors can be made to happen, and rasdaemon hears them.
#
# guest: --timeout 1200

insmod "$VM_CACHE/edacbed.ko" || exit 1
exec "$BUILDDIR/tests/bench/latency"
