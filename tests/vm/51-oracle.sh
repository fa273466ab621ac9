# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --no-bus --mem 3G --timeout 500
#
# The oracle, and searches without a reverse map, on the kernel of the guest: how GETFSMAP, FIEMAP
# and bulkstat answer differs from one to another.

. "$SRCDIR/tests/vm/lib.sh"

modprobe -qa loop xfs ext4
trap - EXIT
export ORACLE_SECTORS=${ORACLE_SECTORS:-200} ORACLE_STEPS=${ORACLE_STEPS:-100}
bash "$SRCDIR/tests/loop/11-search.sh" && exec bash "$SRCDIR/tests/loop/10-oracle.sh"
