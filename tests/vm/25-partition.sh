# SPDX-License-Identifier: GPL-2.0-or-later
#
# A filesystem on a partition of a pmem disk, mounted without DAX: badblocks
# count from the start of the disk, the filesystem's blocks from the start of
# the partition; and what the page cache still has is not lost.

. "$SRCDIR/tests/vm/lib.sh"

bed_bus
printf 'label: gpt\nstart=4096, size=204800\nstart=208896, size=819200\n' |
	sfdisk -q $PMEM >"$HWP/sfdisk.out" 2>&1 || die "sfdisk makes partitions" "$(< "$HWP/sfdisk.out")"
udevadm settle
wait_until 10 test -b ${PMEM}p2 || die "there is ${PMEM}p2"

# Linux 6.1 has no DAX with reflink on a partition.
modprobe -q xfs
mkfs.xfs -q -f -m reflink=1,rmapbt=1 ${PMEM}p2 || die "mkfs.xfs works"
mkdir -p $MNT
mount -o dax=never ${PMEM}p2 $MNT || die "$MNT is mounted"

make_file $MNT/data 64K
cp --reflink=always $MNT/data $MNT/clone
keep $MNT/data data
phys=$(phys_of $MNT/data 8192)
on_disk=$(sector_of "$phys")
start_daemon '[Rule all]' 'Repair=zero'

resolved=$(ctl resolve --phys $((phys + 512)) --json)
check_json "$resolved" "an address is resolved through the partition" \
	".ranges[0] | .device.blockdev == \"pmem0\" and .device.sector == $((on_disk + 1)) and
		([.owners[].paths[]] | sort) == [\"$MNT/clone\", \"$MNT/data\"]"
check_equal "a sector of the disk is the same" "$resolved" \
	"$(ctl resolve --device pmem0 --sector $((on_disk + 1)) --json)"
check_equal "a sector of the partition too" "$resolved" \
	"$(ctl resolve --device pmem0p2 --sector $((on_disk + 1 - 208896)) --json)"
check_equal "past its end there is nothing" 1 \
	"$(status_code ctl resolve --device pmem0p1 --sector 204800)"

# --- nobody has it in memory

echo 3 > /proc/sys/vm/drop_caches
poison $((phys + 512)) 512 notify
wait_event '.type == "io.hwpoisond.poison.gone"' 30 >/dev/null
check_equal "it is repaired" "poison.found poison.resolved repair.planned repair.done poison.gone" "$(story 1)"
check_json "$(ctl show 1 --json)" "with 512 bytes lost" \
	".device.sector == $((on_disk + 1)) and .repair.zeroed_bytes == 512 and .repair.salvaged_bytes == 3584"
check "the file has all others" lost $MNT/data data 8704 512
check "its clone too" lost $MNT/clone data 8704 512
echo 3 > /proc/sys/vm/drop_caches
check "on the media as well" lost $MNT/data data 8704 512
check_equal "no list has anything" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"

# --- the page cache has it

make_file $MNT/cached 64K
keep $MNT/cached cached
phys=$(phys_of $MNT/cached 4096)
poison "$phys" 4096 notify
wait_event '.incident == 2 and .type == "io.hwpoisond.poison.gone"' 30 >/dev/null
check_json "$(ctl show 2 --json)" "what the page cache has is not lost" \
	'.state == "repaired" and .repair.zeroed_bytes == 0 and .repair.losses == []'
check "the file is whole" intact $MNT/cached cached
echo 3 > /proc/sys/vm/drop_caches
check "on the media as well" intact $MNT/cached cached
check_equal "no list has anything" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
check "nothing is left in quarantine" test ! -e $MNT/.hwpoisond

done_checks
