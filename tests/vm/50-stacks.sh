# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --no-bus --mem 3G --timeout 600
#
# Volumes over disks, partitions and volumes, on a kernel that has device-mapper: the test on loop
# devices, of which a machine without it can run only a part.

. "$SRCDIR/tests/vm/lib.sh"

modprobe -qa loop xfs dm_mod
trap - EXIT
export STACKS_NEED_DM=yes STACKS_N=${STACKS_N:-50}
exec bash "$SRCDIR/tests/loop/05-stacks.sh"
