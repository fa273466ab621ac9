# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 600 --append "memmap=384M!0xa4000000"
#
# A device goes with an open incident, another comes and takes its names, and then the first is back
# with new ones. The incident is about an address: nobody is asked in the meantime, least of all who
# has the old name, and afterwards it knows its device and file again.

. "$SRCDIR/tests/vm/lib.sh"

bed_up
make_file $MNT/data 64K
phys=$(phys_of $MNT/data 8192)
sector=$(sector_of "$phys")
keep $MNT/data data
start_daemon '[Rule all]' 'Repair=none'
poison "$phys" 512 notify
check "the incident begins on pmem0" wait_event "
	.type == \"io.hwpoisond.poison.resolved\" and .data.device.blockdev == \"pmem0\" and
	.data.device.bus == \"ndbus0\" and .data.owners[0].paths == [\"$MNT/data\"]" 20

# --- the device goes, and another is pmem0

umount $MNT
ndctl disable-region -b ndbed all >/dev/null 2>&1
rmmod ndbed || die "the bus can go"
modprobe nd_e820
udevadm settle
wait_until 30 test -b /dev/pmem0 || die "another device is pmem0"
check_equal "it has another address" "$(printf '0x%x' 0xa4000000)" "$(pmem_start)"
mkfs.xfs -q -f -m reflink=1,rmapbt=1 $PMEM || die "mkfs.xfs works"
mark_events
mount -o dax=always $PMEM $MNT || die "it is mounted where the first was"
make_file $MNT/innocent 32M
check_equal "the same sector of it is another file's" "$MNT/innocent" \
	"$(ctl resolve --device pmem0 --sector "$sector" --json | jq -r '.ranges[].owners[].paths[]')"
check "the incident is neither over nor resolved anew" no_event '.incident == 1'
check_json "$(ctl show 1 --json)" "it still names the file that was lost, and no other" \
	".owners | length == 1 and .[0].paths == [\"$MNT/data\"]"
check_equal "an order does not touch the other device" 1 "$(status_code ctl repair 1)"
check_json "$(ctl show 1 --json)" "it waits" '.repair.state == "waiting" and .repair.reason == "no-device"'
check_equal "status still counts it" 4 "$(status_code ctl status)"
check_equal "for its address there is no device" '[]' \
	"$(ctl resolve --phys "$phys" --json | jq -c '[.ranges[].device.blockdev | values]')"

# --- it is back, as pmem1

insmod "$VM_CACHE/ndbed.ko" start=0x80000000 size=0x20000000 scrub_ms=200 bad="$((phys)),512" ||
	die "the bus is back"
udevadm settle
wait_until 30 test -b /dev/pmem1 || die "it is pmem1 now"
check "the device has its incident again, and no file that could be asked about" wait_event "
	.type == \"io.hwpoisond.poison.resolved\" and .incident == 1 and .data.device.blockdev == \"pmem1\" and
	.data.device.bus == \"ndbus1\" and .data.owners[0].kind == \"raw\"" 20
mkdir -p /mnt/y
mount -o dax=always /dev/pmem1 /mnt/y || die "its filesystem is mounted elsewhere"
check "the incident has its file again, under its new names" wait_event "
	.type == \"io.hwpoisond.poison.resolved\" and .incident == 1 and .data.device.blockdev == \"pmem1\" and
	.data.device.bus == \"ndbus1\" and .data.owners[0].paths == [\"/mnt/y/data\"]" 20
check "nobody is told of new poison" no_event '.type == "io.hwpoisond.poison.found"' 1
check "an order repairs it" ctl repair 1
check "one sector is zeros, all others as they were" lost /mnt/y/data data 8192 512
check_equal "and nothing is bad" "" "$(media_list)$(cat /sys/block/pmem[01]/badblocks)"

# --- the same across a restart: what waits for its device is not asked of another

poison "$(printf '0x%x' $((phys + 4096)))" 512 notify
check "another incident begins" wait_event '.type == "io.hwpoisond.poison.resolved" and .incident == 2' 20
kill_daemon
umount /mnt/y
ndctl disable-region -b ndbed all >/dev/null 2>&1
rmmod ndbed || die "the bus can go again"
mark_events
start_daemon
check "after a restart it waits as well" no_event '.incident == 2' 1
check_json "$(ctl show 2 --json)" "and has kept its owner" '.owners[0].paths == ["/mnt/y/data"]'
done_checks
