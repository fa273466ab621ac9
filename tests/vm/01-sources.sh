# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the sources hear and the map shows, by probe instead of a daemon: a bus
# that comes and goes, every mode of a namespace, scrubs, lists that are cut,
# machine checks.

. "$SRCDIR/tests/vm/lib.sh"

PROBE=$BUILDDIR/tests/vm/probe
[ -x "$PROBE" ] || skip "probe is not built"

# heard JQ_FILTER [SECONDS]: whether the watcher says such a line after mark.
mark() {
	HEARD_FROM=$(($(wc -l < $HWP/watch) + 1))
}
has_heard() {
	tail -n "+$HEARD_FROM" $HWP/watch | jq -es "any(.[]; $1)"
}
heard() {
	wait_until "${2:-60}" has_heard "$1"
}

# map JQ_EXPRESSION: of the list of places
map() {
	"$PROBE" map | jq -rs "$1"
}
scan() {
	"$PROBE" scan | jq -c "${1:-[.ranges[] | [.phys_start, .length_bytes]]}"
}
bad() {
	"$PROBE" bad "$1" "$2" | jq -c '[.ranges[] | [.phys_start, .length_bytes]]'
}

# --- no bus, then one

"$PROBE" watch > $HWP/watch 2>$HWP/watch.err &
watcher=$!
HEARD_FROM=1
check "a machine without any bus can be watched" heard '.heard == "topology" and .buses == 0'
check "its map is empty" test -z "$("$PROBE" map)"
check_equal "and nothing is bad" "[]" "$(scan)"

mark
bed_bus
check "a bus that comes is noticed" heard '.heard == "topology" and .buses == 1 and .places == 2'
mark
bed_fs

start=$(($(pmem_start)))
check_equal "data begin where the pfn device says" "$(printf '0x%x pmem0 fsdax namespace0.0' $start)" \
	"$(map '.[1] | "\(.data_start) \(.device.blockdev) \(.device.mode) \(.device.namespace)"')"
check_equal "before them is the namespace's metadata" "0x80000000 0x0 fsdax namespace0.0" \
	"$(map '.[0] | "\(.phys_start) \(.data_start) \(.device.mode) \(.device.namespace)"')"
check_equal "all of the region has a place" $((0x20000000)) "$(map 'map(.length_bytes) | add')"
check_equal "with bus, provider and DIMM" "ndbus0 ndbed nmem0 region0" \
	"$(map '.[0].device | "\(.bus) \(.provider) \(.dimms[0]) \(.region)"')"
check_equal "and back from the block device" "$(printf '0x%x' $((start + 4096)))" \
	"$("$PROBE" phys $PMEM 4096 512)"

# --- latent poison, found by a scrub

make_file $MNT/data 1M
phys=$(phys_of $MNT/data 8192)
poison $((phys + 1024)) 256
check_equal "latent poison is unknown" "[]" "$(scan)"
knob scrub_ms 4000
mark
check "a scrub starts" "$PROBE" scrub ndbed
check "a second one does not" sh -c "'$PROBE' scrub ndbus0 | grep -q EBUSY"
check_equal "it runs" "ndbus0 true true 0" \
	"$("$PROBE" scrubs | jq -r '"\(.bus) \(.supported) \(.active) \(.count)"')"
check "its end is heard" heard '.heard == "scrub-finished" and .bus == "ndbus0" and .count == 1'
check "and that lists changed" heard '.heard == "badblocks"'
knob scrub_ms 200
sector_phys=$(printf '0x%x' $((phys + 1024)))
check_equal "one sector is bad" "[[\"$sector_phys\",512]]" "$(scan)"
check_equal "as the platform says too" "[[\"$sector_phys\",512]]" \
	"$("$PROBE" ars ndbus0 0x80000000 0x20000000 | jq -c '[.ranges[] | [.phys_start, .length_bytes]]')"
check_equal "within its page" "[[\"$sector_phys\",512]]" "$(bad "$phys" 4096)"
check_equal "not in the next" "[]" "$(bad $((phys + 4096)) 4096)"
check "outside of any region is an error" sh -c "'$PROBE' bad 0x1000 4096 | grep -q ENODEV"

mark
check "a whole-page write" write_page $MNT/data 8192
check "is heard" heard '.heard == "scan" and .ranges == []'
check_equal "and nothing is bad" "[]" "$(scan)"

# --- a page that memory_failure() hit

mark
check_equal "no machine check hit the page" never "$("$PROBE" history "$phys" | jq -r .machine_check)"
poison "$phys" 4096 mce
check "the kernel's verdict is heard, by name" \
	heard ".heard == \"memory-failure\" and .phys_start == \"$phys\" and .page_type == \"dax\""
check_equal "now one has" hit "$("$PROBE" history "$phys" | jq -r .machine_check)"
check_equal "and none hit its neighbour" never \
	"$("$PROBE" history $((phys + 4096)) | jq -r .machine_check)"
check "the page is written whole" write_page $MNT/data 8192

# --- the block device's list goes on after a clear by command

sector=$(sector_of "$phys")
echo "$sector 8" > /sys/block/pmem0/badblocks
check_equal "what only pmem0 lists is bad" "[[\"$phys\",4096]]" "$(scan)"
check_equal "for a decision as well" "[[\"$phys\",4096]]" "$(bad "$phys" 4096)"
check "it is written whole" write_page $MNT/data 8192

# --- more than a page can list

umount $MNT
for i in $(seq 0 599); do
	echo "$((start + 0x10000000 + i * 8192)) 512 notify"
done > $HWP/many
while read -r line; do poison $line; done < $HWP/many
check_equal "a cut list is known to be" true "$(scan .cut)"
n=$(scan '.ranges | length')
check "what it shows is taken ($n)" test "$n" -gt 300
check_equal "the end of what was shown is known" "[]" \
	"$(bad $((start + 0x1000)) 4096)"
check_equal "behind it all is doubtful" EOVERFLOW \
	"$("$PROBE" bad $((start + 0x18000000)) 512 | jq -r .error)"
scrub
check_equal "records that overflow do not make it whole" true "$(scan .cut)"
mark
for i in $(seq 0 599); do
	echo "$((start + 0x10000000 + i * 8192)) 512 heal"
done > $HWP/many
while read -r line; do poison $line; done < $HWP/many

# --- every mode

mark
ndctl disable-namespace namespace0.0 >/dev/null
check "a namespace that goes is noticed" heard '.heard == "topology"'
check_equal "it is still on the map, without a disk" "namespace0.0 null null" \
	"$(map '.[0].device | "\(.namespace) \(.mode) \(.blockdev)"')"
check_equal "the region's list is read on" true "$(scan '.ranges | length > 300')"
ndctl destroy-namespace -f namespace0.0 >/dev/null 2>&1
check_equal "an idle one is one place" "1 null" "$(map '"\(length) \(.[0].device.mode)"')"

mode() {
	ndctl create-namespace -f -e namespace0.0 -m "$@" >$HWP/ndctl.out 2>&1 ||
		cat $HWP/ndctl.out
	udevadm settle
}

rmmod ndbed 2>/dev/null || { ndctl disable-region -b ndbed all >/dev/null 2>&1; rmmod ndbed; }
mark
insmod "$VM_CACHE/ndbed.ko" start=0x80000000 size=0x20000000 scrub_ms=200
check "the bus is back" heard '.heard == "topology" and .buses == 1'

mode raw
check_equal "raw: the disk is the namespace" "0x80000000 0x80000000 pmem0 raw 1" \
	"$(map '"\(.[0].phys_start) \(.[0].data_start) \(.[0].device.blockdev) \(.[0].device.mode) \(length)"')"
# a partition table in 66 bytes: one of 131072 sectors from 2048 on
{
	printf '\0\0\0\0\203\0\0\0\0\10\0\0\0\0\2\0'
	head -c 48 /dev/zero
	printf '\125\252'
} | dd of=/dev/pmem0 bs=1 seek=446 conv=notrunc status=none
blockdev --rereadpt /dev/pmem0
udevadm settle
check_equal "a partition's bytes lie behind its start" 0x80102000 \
	"$("$PROBE" phys /dev/pmem0p1 8192 512)"
check "and end with it" sh -c "'$PROBE' phys pmem0p1 $((64 << 20)) 512 | grep -q ERANGE"
dd if=/dev/zero of=/dev/pmem0 bs=4096 count=1 conv=notrunc status=none

modprobe -qa nd_btt
mode sector
check_equal "sector: a disk without sectors" "0x0 pmem0s sector" \
	"$(map '.[0] | "\(.data_start) \(.device.blockdev) \(.device.mode)"')"
modprobe -qa device_dax dax_pmem
mode devdax -M mem
check_equal "devdax: metadata, then the character device" "devdax null devdax dax0.0 null" \
	"$(map 'map(.device) | "\(.[0].mode) \(.[0].chardev) \(.[1].mode) \(.[1].chardev) \(.[1].blockdev)"')"
check_equal "which begins where it says" "$(printf '0x%x' "$(< /sys/bus/dax/devices/dax0.0/resource)")" \
	"$(map '.[1].phys_start')"

# --- idle, then gone

sleep 1
before=$(grep ctxt_switches /proc/$watcher/status)
sleep 3
check_equal "nothing wakes an idle watcher" "$before" "$(grep ctxt_switches /proc/$watcher/status)"
echo "# $(grep VmRSS /proc/$watcher/status)"
mark
ndctl disable-region -b ndbed all >/dev/null 2>&1
rmmod ndbed
check "a bus that goes is noticed" heard '.heard == "topology" and .buses == 0 and .places == 0'
kill -TERM $watcher
wait $watcher
check_equal "the watcher ends well" 0 $?
check "nothing was degraded" ! grep -q degraded $HWP/watch
check_equal "it had nothing to say on stderr" "" "$(< $HWP/watch.err)"
done_checks
