#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 600
#
# Things come while the daemon runs: the bus, the device, the filesystem. What
# they bring is heard from then on, and an incident that belonged to nobody gets
# its owners when their filesystem is mounted. Things go: nothing is forgotten.

. "$SRCDIR/tests/vm/lib.sh"

start_daemon '[Rule files]' "Path=$MNT/mend" 'Repair=zero'
check "at first there is no bus" wait_event '
	.type == "io.hwpoisond.source.degraded" and .data.what == "nvdimm"'

bed_up
check "the bus is noticed" wait_event '.type == "io.hwpoisond.source.restored" and .data.what == "nvdimm"' 20
check "status names it" grep -q '^Bus ndbus0' <<< "$(ctl status)"
make_file $MNT/mend 64K
make_file $MNT/keep 64K
mend=$(phys_of $MNT/mend) keep=$(phys_of $MNT/keep)

# --- not mounted: nobody's files, and no rule's

umount $MNT
poison "$mend" 512 notify
poison "$keep" 512 notify
check "poison on the new bus is heard" wait_event "
	.type == \"io.hwpoisond.poison.resolved\" and .data.phys_start == \"$mend\"" 20
check "all of it" wait_event "
	.type == \"io.hwpoisond.poison.resolved\" and .data.phys_start == \"$keep\"" 20
ctl list --json > $HWP/list.json
check "without a mount its owner is no file" jq -e '
	[.incidents[].owners[].kind] | length == 2 and all(. == "raw" or . == "unknown")' $HWP/list.json
jq -c '.incidents[] | [.owners, .owners_reason, .repair]' $HWP/list.json
check_equal "nothing was cleared" 2 "$(media_list | wc -l)"

mark_events
mount -o dax=always $PMEM $MNT || die "it can be mounted again"
check "the mount gives one its file, and its rule" wait_event "
	.type == \"io.hwpoisond.poison.resolved\" and .data.phys_start == \"$mend\" and
	.data.owners[0].paths == [\"$MNT/mend\"]" 20
check "by which it is repaired" wait_event "
	.type == \"io.hwpoisond.repair.done\" and .data.phys_start == \"$mend\"" 30
check "the other gets its file, too" wait_event "
	.type == \"io.hwpoisond.poison.resolved\" and .data.phys_start == \"$keep\" and
	.data.owners[0].paths == [\"$MNT/keep\"]" 20
check "nobody is told of new poison" no_event '.type == "io.hwpoisond.poison.found"'
check "the file can be read" reads $MNT/mend 0
check_equal "the other keeps its poison" "$(printf '%#x 512' "$keep")" "$(media_list)"

# --- the device goes and comes

umount $MNT
mark_events
ndctl disable-namespace all >/dev/null 2>&1 || die "the namespace can be disabled"
udevadm settle
sleep 1
check "an incident does not end with its device" no_event '.type == "io.hwpoisond.poison.gone"'
check_equal "status still counts it" 4 "$(ctl status >/dev/null; echo $?)"
ndctl enable-namespace all >/dev/null 2>&1
udevadm settle
sleep 1
check "nor does it begin again with it" no_event '.type == "io.hwpoisond.poison.found"'
mount -o dax=always $PMEM $MNT || die "it can be mounted again"
check "it can be repaired on order" ctl repair 2
check_equal "and nothing is bad" "" "$(media_list)$(badblocks_list)"

# --- asleep again, with all of that open

sleep 3
awk '/ctxt_switches/ { n += $2 } END { print n }' /proc/"$DAEMON_PID"/task/*/status > $HWP/switches
sleep 10
check_equal "afterwards it sleeps" "$(< $HWP/switches)" \
	"$(awk '/ctxt_switches/ { n += $2 } END { print n }' /proc/"$DAEMON_PID"/task/*/status)"
grep -E '^(VmHWM|VmRSS|RssAnon):' /proc/"$DAEMON_PID"/status | sed 's/^/# /'
stop_daemon
done_checks
