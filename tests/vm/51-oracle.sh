# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --no-bus --mem 3G --timeout 2400
#
# The oracle, and searches without a reverse map, on the kernel of the guest: how GETFSMAP, FIEMAP
# and bulkstat answer differs from one to another. It has a device-mapper, so the oracle looks at
# volumes, too, and realtime devices of XFS.

. "$SRCDIR/tests/vm/lib.sh"

modprobe -qa loop xfs ext4 dm_mod
trap - EXIT
export STACKS_NEED_DM=yes BESIDE_NEED_REALTIME=yes ORACLE_SECTORS=${ORACLE_SECTORS:-80} ORACLE_STEPS=${ORACLE_STEPS:-40}
bash "$SRCDIR/tests/loop/11-search.sh" && bash "$SRCDIR/tests/loop/12-beside.sh" &&
	exec bash "$SRCDIR/tests/loop/10-oracle.sh"
