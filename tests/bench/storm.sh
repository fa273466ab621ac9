# SPDX-License-Identifier: GPL-2.0-or-later
#
# The storm of tests/vm/49-storm.sh, with a million corrected errors twice over
# and a hundred thousand lost pages. For the guest.
#
# guest: --timeout 1800

N_CORRECTED=1000000
N_FAILURES=100000
BENCH=yes
LINGER_SEC=15
. "$SRCDIR/tests/vm/49-storm.sh"
