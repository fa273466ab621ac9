# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 600 --append "memmap=384M!0xa4000000"
#
# LVM over two pmem devices, each on a bus of its own, with DAX: a linear volume that goes from one to
# the other, and a striped one. An address leads up to the file and back, and a page is repaired where
# it lies, whichever device that is.

. "$SRCDIR/tests/vm/lib.sh"

type -P lvcreate >/dev/null || skip "no LVM here"
bed_bus
modprobe -a nd_e820 dm_mod xfs
udevadm settle
wait_until 10 test -b /dev/pmem1 || die "there is /dev/pmem1"

export LVM_SUPPRESS_FD_WARNINGS=1
lvm=(--config 'devices { filter=["a|^/dev/pmem[01]$|","r|.*|"] use_devicesfile=0 } backup { backup=0 archive=0 }' -qq)
pvcreate "${lvm[@]}" -y /dev/pmem0 /dev/pmem1 && vgcreate "${lvm[@]}" vg /dev/pmem0 /dev/pmem1 &&
	lvcreate "${lvm[@]}" -y -L 240M -n linear vg /dev/pmem1 && lvextend "${lvm[@]}" -y -L +128M vg/linear /dev/pmem0 &&
	lvcreate "${lvm[@]}" -y -i 2 -I 16 -L 256M -n striped vg || die "LVM makes volumes"
udevadm settle
export TEST_DIR=/tmp TEST_DEV=/dev/null QA_CHECK_FS=yes		# 256 MB are enough
mkdir -p /mnt/linear /mnt/striped
for lv in linear striped; do
	mkfs.xfs -q -f -d noalign -m reflink=1,rmapbt=1 /dev/vg/$lv || die "mkfs.xfs works"
	mount -o dax=always /dev/vg/$lv /mnt/$lv || die "/mnt/$lv is mounted with DAX"
done

# below LV SECTOR: "DISK SECTOR", by the volume's table
below() {
	python3 "$SRCDIR/tests/loop/stack-oracle.py" below /dev/vg/"$1" "$2"
}
sector_in() {
	local where
	where=$("$HOLDFILE" where --offset "$2" "$1") || return
	echo $((${where#* } / 512))
}
phys_on() {
	echo $(($(< "/sys/block/$1/device/resource") + $2 * 512))
}
# lose DISK SECTOR: one sector, on either kind of bus
lose() {
	if [ "$1" = pmem0 ]; then
		poison "$(phys_on pmem0 "$2")" 512 notify
	else
		echo "$2 1" > /sys/block/pmem1/badblocks
		scrub			# the kernel wakes nobody for what was written there
	fi
}

# Directories go to all allocation groups, and so to both devices.
for i in {1..5}; do
	mkdir /mnt/linear/d$i
	make_file /mnt/linear/d$i/file 64K
done
make_file /mnt/striped/file 256K
cp --reflink=always /mnt/striped/file /mnt/striped/clone
keep /mnt/striped/file striped
for i in {1..5}; do
	read -r disk sector <<< "$(below linear "$(sector_in /mnt/linear/d$i/file 4096)")"
	declare "file_$disk=/mnt/linear/d$i/file" "sector_$disk=$sector"
done
# shellcheck disable=SC2154
check "the linear volume has files on both devices" test -n "${file_pmem0-}" -a -n "${file_pmem1-}"

# --- resolved without a daemon

for disk in pmem0 pmem1; do
	file=file_$disk sector=sector_$disk
	file=${!file} sector=${!sector}
	check_json "$("$HWPOISONCTL" resolve --json --phys "$(phys_on $disk "$sector")" 512)" \
		"$disk: an address is resolved through the volume" ".ranges | length == 1 and (.[0] |
			.device.blockdev == \"$disk\" and .device.sector == $sector and .owners_complete and
			(.owners | length == 1 and (.[0] | .paths == [\"$file\"] and .file_offset_bytes == 4096)))"
	check_json "$("$HWPOISONCTL" resolve --json --device /dev/vg/linear --sector "$(sector_in "$file" 4096)")" \
		"$disk: and a sector of the volume is the same address" ".ranges[0] |
			.phys_start == \"$(printf '0x%x' "$(phys_on $disk "$sector")")\" and .owners[0].paths == [\"$file\"]"
done
whole=$("$HWPOISONCTL" resolve --json --device /dev/vg/striped --sector "$(sector_in /mnt/striped/file 0)" --count 512)
check_json "$whole" "a striped file lies on both devices by turns" '
	([.ranges[].device.blockdev] | unique) == ["pmem0", "pmem1"] and (.ranges | length) >= 16 and
	([.ranges[].length_bytes] | add) == 262144 and all(.ranges[]; .owners_complete)'
check_equal "each of its bytes has both owners" "$((262144 * 2))" \
	"$(jq '[.ranges[].owners[].length_bytes] | add' <<< "$whole")"

# --- lost on either device: the files know

lost_at=()
for offset in 8192 28672; do
	read -r disk sector <<< "$(below striped "$(sector_in /mnt/striped/file $offset)")"
	lose "$disk" "$sector"
	lost_at+=($offset "\"$(printf '0x%x' "$(phys_on "$disk" "$sector")")\"")
done
files() {
	"$HWPOISONCTL" --socket /none files --state-dir /none --json "$@"
}
check_json "$(files /mnt/striped/file /mnt/striped/clone /mnt/linear/d1/file)" \
	"files on volumes know what they lost on each device, and where, and others that they did not" "
		(.files | map(.lost_bytes) == [1024, 1024, 0] and all(.[]; .complete and .device_has_list)) and
		all(.files[:2][]; [.bad[] | .file_offset_bytes, .phys_start] == [$(IFS=,; echo "${lost_at[*]}")])"

# --- found and repaired

start_daemon '[Rule all]' 'Repair=zero'
for disk in pmem0 pmem1; do
	check "striped: what is lost on $disk is found and repaired" wait_event "
		.type == \"io.hwpoisond.repair.done\" and .data.device.blockdev == \"$disk\" and
		([.data.owners[].paths[]] | sort) == [\"/mnt/striped/clone\", \"/mnt/striped/file\"]" 30
done
check "striped: both sectors are zeros, nothing else" lost /mnt/striped/file striped 8192 512 28672 512
check "striped: in the clone as well" lost /mnt/striped/clone striped 8192 512 28672 512
for disk in pmem0 pmem1; do
	file=file_$disk sector=sector_$disk
	file=${!file} sector=${!sector}
	keep "$file" $disk
	mark_events
	lose $disk "$sector"
	check "$disk: what is lost is found and repaired" wait_event "
		.type == \"io.hwpoisond.repair.done\" and .data.device.blockdev == \"$disk\" and
		.data.owners[0].paths == [\"$file\"] and .data.repair.zeroed_bytes == 512" 30
	check "$disk: one sector of the file is zeros, no other" lost "$file" $disk 4096 512
	check_equal "$disk: the media is clean" "" "$(cat /sys/block/$disk/badblocks)"
done
check_equal "nothing is bad any more" "" "$(cat /sys/block/pmem[01]/badblocks)$(media_list)"

# --- what no volume has

mark_events
lose pmem0 8
check "LVM's own records are nobody's file, and not cleared" wait_event '
	.type == "io.hwpoisond.poison.resolved" and .data.device.sector == 8 and
	.data.owners[0].kind == "raw" and .data.owners_complete == false' 20
wait_state 5 left
check "they stay on the list" test -n "$(badblocks_list)"
done_checks
