#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Claim: lost sectors of an idle raw namespace are cleared and become zeros,
# nothing beside them is touched; one that somebody holds waits, and one that
# carries a filesystem which is not mounted is left alone.

. "$SRCDIR/tests/vm/lib.sh"

bed_bus
ndctl create-namespace -f -e namespace0.0 -m raw >"$HWP/ndctl.out" 2>&1 ||
	die "ndctl makes a raw namespace" "$(< "$HWP/ndctl.out")"
udevadm settle
head -c 64K /dev/urandom > "$HWP/want"
dd if="$HWP/want" of=$PMEM bs=64K oflag=direct status=none
udevadm settle

# lose SECTOR: one sector of the namespace, and what it shall hold then.
start=$(cat $REGION/resource)
lose() {
	poison $((start + $1 * 512)) 256 notify
	dd if=/dev/zero of="$HWP/want" bs=512 seek="$1" count=1 conv=notrunc status=none
}

# A namespace of this kind is read without the page cache, which may be older.
holds_what_it_shall() {
	dd if=$PMEM of="$HWP/found" bs=64K count=1 iflag=direct status=none && cmp "$HWP/want" "$HWP/found"
}

start_daemon '[Rule raw]' 'Device=pmem0' 'Repair=clear'
lose 18
wait_event '.type == "io.hwpoisond.repair.done"' 30 > "$HWP/done"
check "it is repaired by clearing" jq -e '.data.repair.method == "clear" and .data.repair.zeroed_bytes == 512
	and .data.owners[0].kind == "raw" and .data.device.mode == "raw"' "$HWP/done"
wait_event '.type == "io.hwpoisond.poison.gone"' 10 > "$HWP/gone"
check_equal "the media is clean" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
check "every other byte is the original" holds_what_it_shall

mark_events
exec 9<$PMEM
lose 24
wait_event '.type == "io.hwpoisond.repair.waiting"' 30 > "$HWP/waiting"
check_equal "a namespace that somebody holds waits" held "$(jq -r .data.reason "$HWP/waiting")"
check "its media is not touched" [ -n "$(media_list)" ]
exec 9<&-
check "when it is idle, an order repairs it" ctl repair "$(jq .incident "$HWP/waiting")"
check "every other byte is the original then, too" holds_what_it_shall

mark_events
modprobe xfs
mkfs.xfs -q -f $PMEM
udevadm trigger --settle "/sys/block/${PMEM#/dev/}"
poison $((start + 1048576)) 256 notify
wait_event '.type == "io.hwpoisond.repair.waiting"' 30 > "$HWP/waiting"
check_equal "a filesystem that is not mounted is left alone" not-mounted \
	"$(jq -r .data.reason "$HWP/waiting")"
check "and its media is not touched" [ -n "$(media_list)" ]
done_checks
