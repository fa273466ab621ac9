#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 240
#
# Claim: lost sectors of a device-dax are cleared by command and become zeros, nothing beside them is
# touched; while a process that may not be stopped has it mapped, the repair waits.

. "$SRCDIR/tests/vm/lib.sh"

bed_bus
ndctl create-namespace -f -e namespace0.0 -m devdax -M mem > "$HWP/ndctl.out" 2>&1 ||
	die "ndctl makes a device-dax" "$(< "$HWP/ndctl.out")"
udevadm settle
dax=/dev/dax0.0
start=$(cat /sys/bus/dax/devices/dax0.0/resource)
at=$(((2 << 20) + 8192))
page=$(printf '0x%x' $((start + at)))

# on_device CODE: Python, with the first bytes of the device in m.
on_device() {
	python3 -c 'import mmap, os, sys
at = int(sys.argv[2])
m = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 4 << 20)
exec(sys.argv[3])' $dax $at "$1"
}
on_device 'm[at - 4096:at + 8192] = bytes([0xa5]) * 12288'

start_daemon '[Rule dax]' 'Owner=devdax' 'Repair=zero' 'PauseHolders=no'
hold mapper store --slots 2048:4096 --map-length 4194304 --offset $at $dax
hold_says mapper ^working 20
poison "$page" 1024 notify
check_json "$(wait_event '.type == "io.hwpoisond.repair.waiting"' 30)" \
	"a process that may not be stopped is waited for" \
	'.data | .reason == "held" and .owners[0].kind == "devdax" and .repair.method == "clear-zero"'
check "the media are as they were" [ -n "$(media_list)" ]
check "so says the plan" jq -e '.pages[0].method == "clear-zero" and .zeroed_bytes == 1024 and (.waits_for | length) == 1' \
	<<< "$(ctl repair 1 --dry-run --json)"

reload_daemon '[Rule dax]' 'Owner=devdax' 'Repair=zero'
done1=$(wait_event '.type == "io.hwpoisond.repair.done"' 40)
check_json "$done1" "one that may is stopped by a rule that is new, and it is repaired" \
	'.data.repair | .method == "clear-zero" and .zeroed_bytes == 1024 and .salvaged_bytes == 3072' \
	"what was lost is on record" ".data.repair.losses == [{\"inode\":0,\"paths\":[\"$dax\"],\"file_offset_bytes\":$at,\"length_bytes\":1024}]"
wait_event '.type == "io.hwpoisond.poison.gone"' 20 >/dev/null
check_equal "the media are clean" "" "$(media_list)$(badblocks_list region)"
kill -TERM "$(held mapper)"
hold_says mapper ^done 20
check "who mapped it lost no store" grep -Eq '^done rounds=[0-9]+ lost=0 sigbus=0' "$HWP/hold.mapper"

let_go mapper
seen=$(on_device 'print(m[at:at + 1024] == bytes(1024), m[at + 1024:at + 2048] == bytes([0xa5]) * 1024,
	m[at - 4096:at] == m[at + 4096:at + 8192] == bytes([0xa5]) * 4096)')
check_equal "two sectors are zeros, what is beside them is not" "True True True" "$seen"
done_checks
