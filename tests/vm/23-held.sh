#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Claim: a repair that may not pause a holder waits, says for whom, changes
# nothing meanwhile, and goes on by itself when that process ends.

. "$SRCDIR/tests/vm/lib.sh"

bed_up
make_file $MNT/data 64K
cp $MNT/data "$HWP/want"
phys=$(phys_of $MNT/data 8192)
dd if=/dev/zero of="$HWP/want" bs=512 seek=18 count=1 conv=notrunc status=none

start_daemon '[Rule gentle]' "Path=$MNT/**" 'Repair=zero' 'PauseHolders=no'
hold mapper sleep --map shared --offset 8192 --length 4096 $MNT/data
poison $((phys + 1024)) 256 notify

waiting=$(wait_event '.type == "io.hwpoisond.repair.waiting"' 30)
check_equal "the repair waits for a holder" held "$(jq -r .data.reason <<< "$waiting")"
check "it says for whom" grep -q "process $(held mapper) " <<< "$(jq -r .data.repair.detail <<< "$waiting")"
check_equal "the incident is left open" left "$(jq -r .data.state <<< "$waiting")"
check "the mapper lives" holds mapper
check_equal "the media is as it was" "$(printf '0x%x 256' $((phys + 1024)))" "$(media_list)"
check "the plan names who must let go" \
	jq -e --argjson pid "$(held mapper)" '.waits_for[0].pid == $pid' <<< "$(ctl repair 1 --dry-run --json)"
check "an order does not go over PauseHolders=no" ! ctl repair 1
check "nor has it touched the media" [ -n "$(media_list)" ]

let_go mapper
wait_event '.type == "io.hwpoisond.repair.done"' 30 > "$HWP/done"
check_equal "it goes on when the holder ends" done "$(jq -r .data.repair.state "$HWP/done")"
wait_event '.type == "io.hwpoisond.poison.gone"' 10 > "$HWP/gone"
check "every byte is the original or a lost one" cmp "$HWP/want" $MNT/data
check_equal "the media is clean" "" "$(media_list)$(badblocks_list)"
check_equal "it was announced once" 1 "$(events '.type == "io.hwpoisond.poison.found"' | wc -l)"
done_checks
