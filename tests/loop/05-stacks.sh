# SPDX-License-Identifier: GPL-2.0-or-later
#
# Filesystems on volumes: device-mapper over disks, partitions and each other, in both directions,
# against an oracle of its own; and what cannot be followed is said to be so. A machine without
# device-mapper shows partitions only: the guest scenario 50-stacks.sh runs all of this, and sets
# STACKS_NEED_DM.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs xfs_io jq python3 dmsetup setpriv

CTL=$BUILDDIR/hwpoisonctl
N=${STACKS_N:-300}
seed=${STACKS_SEED:-$RANDOM}
mnt=$work/mnt
mkdir "$mnt" "$work/mnt2"
echo "# seed $seed"

# Volumes made here, the uppermost first, before lib.sh takes the disks away.
volumes=()
remove_volumes() {
	local i
	umount "$mnt" "$work/mnt2" 2>/dev/null
	for ((i = ${#volumes[@]} - 1; i >= 0; i--)); do
		dmsetup remove --retry "${volumes[i]}" 2>/dev/null
	done
	volumes=()
}
trap 'remove_volumes; command -v vgchange >/dev/null && vgchange -qq -an hwpstacks 2>/dev/null; clean_up' EXIT

# volume NAME TABLE: /dev/mapper/NAME
volume() {
	dmsetup create "$1" --table "$2" || exit 99
	volumes+=("$1")
	dmsetup mknodes "$1" 2>/dev/null
	wait_for_node "$(kernel_name "/dev/mapper/$1")"
}
wait_for_node() {
	local _
	for _ in {1..50}; do
		[ -b "/dev/$1" ] && return
		sleep 0.1
	done
	exit 99
}
kernel_name() {
	basename "$(realpath "$1")"
}
oracle() {
	python3 "$SRCDIR/tests/loop/stack-oracle.py" "$@"
}

fill() {
	oracle fill "$1" "$seed" || exit 99
}

# resolved DEVICE SECTOR [COUNT]: what hwpoisonctl says, without a daemon
resolved() {
	"$CTL" resolve --json --device "$1" --sector "$2" --count "${3:-1}"
}

# both_ways CLAIM DEVICE: of the filesystem at $mnt
both_ways() {
	check "$1: sectors of files lead back to them, and are where the oracle says" \
		oracle compare "$OWNERS_OF" "$CTL" "$mnt" "$2" "$N" "$seed"
	tail -n 1 "$work/check.out" | sed 's/^/# /'
}

# lost DISK SECTOR COUNT FILE...: hwpoisonctl files while this is on the disk's list of bad blocks. A
# copy of its sysfs directory covers it, in a mount namespace of this command alone.
lost() {
	local disk=$1 list="$2 $3" part from
	shift 3
	rm -rf "$work/sys"
	for from in /sys/class/block/"$disk"{,p*}; do
		part=$work/sys
		[ "$from" = "/sys/class/block/$disk" ] || part+=/${from##*/}
		[ -e "$from" ] || continue
		mkdir -p "$part/holders"
		cp "$from"/{dev,size,start,partition} "$part/" 2>/dev/null
	done
	echo "$list" > "$work/sys/badblocks"
	# shellcheck disable=SC2016
	unshare -m sh -c 'mount --bind "$1" "$(realpath "$2")" && shift 2 && exec "$@"' sh \
		"$work/sys" "/sys/class/block/$disk" "$CTL" --socket "$work/none" files --state-dir "$work/none" --json "$@"
}

# lost_through CLAIM DEVICE: of the filesystem at $mnt
lost_through() {
	local sector disk found
	make_file "$mnt/d2/lost" 64
	sector=$(sector_of "$mnt/d2/lost" 4096)
	read -r disk sector <<<"$(oracle below "$2" "$sector")"
	found=$(lost "$disk" $((sector + 1)) 2 "$mnt/d2/lost" "$mnt/d3/file1")
	check_equal "$1: a file knows what it has lost, and another that it has not" "4 file-data 4608 1024 true 0 true" \
		"$? $(jq -r '(.files[0] | (.bad[] | .kind, .file_offset_bytes, .length_bytes), .complete),
			(.files[1] | .lost_bytes, .complete)' <<<"$found" | xargs)"
}

# --- partitions

disk_a=$(new_disk 900M --partscan)
disk_b=$(new_disk 900M --partscan)
addpart "$disk_a" 1 4096 1100000 && addpart "$disk_a" 2 1104096 730000 && addpart "$disk_b" 1 2048 1800000 ||
	skip "cannot add partitions to a loop device"
a=$(kernel_name "$disk_a") b=$(kernel_name "$disk_b")
wait_for_node "${a}p1"
wait_for_node "${a}p2"
wait_for_node "${b}p1"

# The guest leaves to the machine what that can do itself: it is slow.
if [ -z "${STACKS_NEED_DM-}" ]; then
	make_xfs "${disk_a}p1"
	mount "${disk_a}p1" "$mnt" || skip "cannot mount XFS"
	fill "$mnt"
	both_ways partition "${disk_a}p1"
	lost_through partition "${disk_a}p1"
	umount "$mnt"
fi
if ! dmsetup targets >/dev/null 2>&1; then
	[ -z "${STACKS_NEED_DM-}" ] || { echo "not ok - there is a device-mapper"; exit 1; }
	echo "# left out: this kernel or machine has no device-mapper; tests/vm/50-stacks.sh has"
	done_checks
fi

# --- linear: two pieces, the second in front of the first on its disk

volume hwp-linear "0 600000 linear ${disk_a}p1 500000
600000 300000 linear $disk_b 40960
900000 400000 linear ${disk_a}p1 1024"
make_xfs /dev/mapper/hwp-linear
mount /dev/mapper/hwp-linear "$mnt" || exit 99
check_equal "by its other name it is the same" \
	"$(resolved /dev/mapper/hwp-linear 700000 | jq -c '[.ranges[].device]')" \
	"$(resolved "$(kernel_name /dev/mapper/hwp-linear)" 700000 | jq -c '[.ranges[].device]')"
found=$(resolved /dev/mapper/hwp-linear 599996 8)
check_equal "a range over two pieces lies on two disks" \
	"$a $((4096 + 500000 + 599996)) 4 $b 40960 4" \
	"$(jq -r '[.ranges[].device | "\(.blockdev) \(.sector) \(.n_sectors)"] | join(" ")' <<<"$found")"
check_equal "past its end there is nothing" 1 "$(resolved /dev/mapper/hwp-linear 1300000 >/dev/null 2>&1; echo $?)"
check "which is said" grep -q "past the end of /dev/mapper/hwp-linear" \
	<<<"$("$CTL" resolve --device /dev/mapper/hwp-linear --sector 1300000 2>&1)"
check_equal "a part of the partition that no volume has is nobody's, as far as is known" "raw false" \
	"$(ask "$a" $((4096 + 8)) 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"
check "why is said" grep -q "no active one has this part" <<<"$(reason "$a" $((4096 + 8)) 8)"
check_equal "the partition table is metadata all the same" "metadata" "$(kinds "$a" 1 1)"
umount "$mnt"
check_equal "not mounted, a volume is raw" "raw true" \
	"$(ask "$b" 41000 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"
exec 9</dev/mapper/hwp-linear
start sleep 1000
exec 9<&-
check_equal "who has the volume open holds the sector below it" "${children[-1]} open" \
	"$(ask_holders "$b" 41000 8 | jq -r '.holders[] | "\(.pid) \(.how | join(","))"')"
check_equal "but not what the volume does not have" 0 \
	"$(ask_holders "$b" 400000 8 | jq '.holders | length')"
kill "${children[@]}"
wait
children=()
remove_volumes

# --- striped: chunks that go round two and three legs

volume hwp-stripe2 "0 1048576 striped 2 128 ${disk_a}p1 2048 $disk_b 8192"
found=$(resolved /dev/mapper/hwp-stripe2 128 384)
check_equal "chunks go from leg to leg" "$b 8192 128 $a $((4096 + 2048 + 128)) 128 $b 8320 128" \
	"$(jq -r '[.ranges[].device | "\(.blockdev) \(.sector) \(.n_sectors)"] | join(" ")' <<<"$found")"
remove_volumes

volume hwp-stripe3 "0 999936 striped 3 8 ${disk_a}p1 0 ${disk_a}p2 64 ${disk_b}p1 1000000"
make_xfs /dev/mapper/hwp-stripe3
mount /dev/mapper/hwp-stripe3 "$mnt" || exit 99
fill "$mnt"
both_ways "three legs, chunks of a page" /dev/mapper/hwp-stripe3
check_equal "a range of a hundred thousand pieces is refused, and that is said" \
	"hwpoisonctl: This range is in more than 8192 pieces: ask about a part of it." \
	"$("$CTL" resolve --device /dev/mapper/hwp-stripe3 --sector 0 --count 999936 2>&1)"
umount "$mnt"
remove_volumes

# --- volumes on volumes on partitions, two filesystems on one disk

volume hwp-low "0 800000 striped 2 32 ${disk_a}p1 600000 ${disk_b}p1 0"
volume hwp-mid "0 350000 linear /dev/mapper/hwp-low 450000
350000 450000 linear /dev/mapper/hwp-low 0"
volume hwp-top "0 120000 linear /dev/mapper/hwp-mid 680000
120000 640000 linear /dev/mapper/hwp-mid 4096"
make_xfs /dev/mapper/hwp-top
make_xfs "${disk_a}p2"
mount /dev/mapper/hwp-top "$mnt" || exit 99
fill "$mnt"
both_ways "volumes on volumes on partitions" /dev/mapper/hwp-top
lost_through "volumes on volumes on partitions" /dev/mapper/hwp-top
umount "$mnt"
mount "${disk_a}p2" "$mnt" || exit 99
mount /dev/mapper/hwp-top "$work/mnt2" || exit 99
make_file "$mnt/other" 64
sector=$((1104096 + $(sector_of "$mnt/other")))
check_equal "another filesystem on the same disk is told from it" "$mnt/other" "$(names "$a" $sector 1)"
below_top=$(oracle below /dev/mapper/hwp-top "$(sector_of "$work/mnt2/d1/file1")")
# shellcheck disable=SC2086
check_equal "and the first one still found" "$work/mnt2/d1/file1" "$(names $below_top 1)"
umount "$mnt" "$work/mnt2"
remove_volumes

# --- what cannot be followed is said

# opaque NAME TYPE MOUNTED-FROM: the second half of disk b is below it
opaque() {
	local found
	make_xfs "/dev/mapper/$1"
	mount "/dev/mapper/$1" "$mnt" || exit 99
	found=$(ask "$b" 1000100 8)
	check_equal "below a $2 target nobody is named" "unknown false xfs $mnt" \
		"$(jq -r '"\(.owners[0].kind) \(.owners_complete) \(.owners[0].filesystem) \(.owners[0].mountpoint)"' <<<"$found")"
	check "but what it is" grep -q "$1, $2" <<<"$(jq -r .owners_reason <<<"$found")"
	make_file "$mnt/a" 64
	check_equal "its own sectors are resolved from the volume on ($2)" "$(kernel_name "/dev/mapper/$1") $mnt/a 0" \
		"$(resolved "/dev/mapper/$1" "$(sector_of "$mnt/a")" | jq -r '.ranges[] |
			"\(.device.blockdev) \(.owners[].paths[0]) \(.owners[].file_offset_bytes)"')"
	[ "$2" = crypt ] || { umount "$mnt"; return; }
	check_equal "what a file lost below a $2 target is not known" false \
		"$(lost "$b" 1000100 8 "$mnt/a" | jq '.files[0].complete')"
	umount "$mnt"
}
# has_target NAME: the kernel has it, or can load it
has_target() {
	modprobe -q "dm-$1" 2>/dev/null
	dmsetup targets | grep -q "^$1 "
}
if has_target snapshot; then
	volume hwp-real "0 800000 linear $disk_b 1000000"
	dd if=/dev/zero of="${disk_a}p2" bs=64K count=1 conv=fsync status=none
	volume hwp-cow "0 100000 linear ${disk_a}p2 0"
	volume hwp-origin "0 800000 snapshot-origin /dev/mapper/hwp-real"
	volume hwp-snap "0 800000 snapshot /dev/mapper/hwp-real /dev/mapper/hwp-cow P 16"
	opaque hwp-origin snapshot-origin
	remove_volumes
else
	echo "# left out: no dm-snapshot in this kernel"
fi
if has_target crypt; then
	key=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
	volume hwp-crypt "0 800000 crypt aes-xts-plain64 $key 0 $disk_b 1000000"
	opaque hwp-crypt crypt
	strace -f -e trace=ioctl -o "$work/strace" "$OWNERS_OF" "$b" 1000100 8 >/dev/null 2>&1
	check "the table that has its key is not asked for" ! grep -q DM_TABLE_STATUS.*DM_STATUS_TABLE_FLAG "$work/strace"
	remove_volumes
else
	echo "# left out: no dm-crypt in this kernel"
fi
volume hwp-holes "0 400000 linear $disk_b 1000000
400000 8192 error"
found=$(resolved /dev/mapper/hwp-holes 399996 8)
check_equal "where a volume has no disk, there is no address" "$b 1399996 4 $(kernel_name /dev/mapper/hwp-holes) 400000 4" \
	"$(jq -r '[.ranges[].device | "\(.blockdev) \(.sector) \(.n_sectors)"] | join(" ")' <<<"$found")"
remove_volumes

# --- what LVM keeps for itself; files on its volumes are in tests/vm/52-lvm.sh

if command -v lvcreate >/dev/null; then
	wipefs -qa "${disk_a}p1" "$disk_b"
	export LVM_SUPPRESS_FD_WARNINGS=1
	lvm_conf="devices { filter=[\"a|^${disk_a}p1\$|\",\"a|^$disk_b\$|\",\"r|.*|\"] use_devicesfile=0 } backup { backup=0 archive=0 }"
	lvm=(--config "$lvm_conf" -qq)
	if pvcreate "${lvm[@]}" -y "$disk_b" && vgcreate "${lvm[@]}" hwpstacks "$disk_b" &&
		lvcreate "${lvm[@]}" -y -L 400M -n one hwpstacks "$disk_b"; then
		wait_for_node "$(kernel_name /dev/mapper/hwpstacks-one)"
		check_equal "LVM's own records are nobody's file" "raw false" \
			"$(ask "$b" 8 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"
		vgchange "${lvm[@]}" -an hwpstacks
		check_equal "a volume that is not active is part of a raw disk" "raw true" \
			"$(ask "$b" 100000 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"
	else
		check "LVM makes volumes" false
	fi
else
	echo "# left out: no LVM here"
fi

# --- an ordinary user

check_equal "an ordinary user is told what it takes" \
	"hwpoisonctl: resolve needs root, or a running hwpoisond and membership of group hwpoisond." \
	"$(setpriv --reuid 65534 --regid 65534 --clear-groups "$CTL" --socket "$work/none" resolve --device "$disk_b" --sector 8 2>&1)"

done_checks
