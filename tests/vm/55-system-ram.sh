# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 600
#
# A namespace that was given to the kernel as ordinary memory (daxctl reconfigure-device): bad ranges
# of it are of the mode "ram", with the namespace that they come from.

. "$SRCDIR/tests/vm/lib.sh"

type -P daxctl >/dev/null || skip "no daxctl here"
bed_bus
modprobe -qa device_dax dax_pmem
ndctl create-namespace -f -e namespace0.0 -m devdax -M mem >"$HWP/ndctl.out" 2>&1 ||
	die "ndctl makes a devdax namespace" "$(< "$HWP/ndctl.out")"
udevadm settle
start=$(($(< /sys/bus/dax/devices/dax0.0/resource)))
check_json "$("$HWPOISONCTL" resolve --json --phys $((start + 0x8000000)) 4096)" "before, it is a dax device" '
	.ranges[0] | .device.mode == "devdax" and .device.chardev == "dax0.0" and .owners[0].kind == "devdax"'

modprobe -q kmem || skip "this kernel has no kmem"
echo offline > /sys/devices/system/memory/auto_online_blocks	# which 6.12 has on
daxctl reconfigure-device --mode=system-ram --no-online dax0.0 >"$HWP/daxctl.out" 2>&1 ||
	die "daxctl makes it memory" "$(< "$HWP/daxctl.out")"
memory=$((start + 0x8000000))
check_json "$("$HWPOISONCTL" resolve --json --phys $memory 4096)" "then it is memory, of the same namespace" '
	.ranges[0] | .device.mode == "ram" and .device.chardev == "dax0.0" and .device.namespace == "namespace0.0" and
		.device.region == "region0" and (.device.dimms == ["nmem0"]) and .owners_complete == false'
start_daemon '[Rule all]' 'Repair=zero'
poison $memory 512 notify
check_json "$(wait_event '.type == "io.hwpoisond.poison.resolved"' 20)" "an incident there is the kernel's" '
	.data | .device.mode == "ram" and .device.namespace == "namespace0.0"'
sleep 1
check_equal "the media is not touched" "$(printf '%#x 512' $memory)" "$(media_list)"
check_equal "back as a dax device" 0 "$(status_code daxctl reconfigure-device --mode=devdax --force dax0.0)"
check "the incident is the device's" wait_event '
	.type == "io.hwpoisond.poison.resolved" and .incident == 1 and .data.device.mode == "devdax"' 20
done_checks
