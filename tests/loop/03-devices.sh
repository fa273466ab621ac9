# SPDX-License-Identifier: GPL-2.0-or-later
#
# Where no single XFS lies on the whole disk: partitions, what is between them,
# other filesystems, devices in use by what is not mounted; and who holds what.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs xfs_io jq python3 addpart delpart

mnt=$work/mnt
mnt2=$work/mnt2
mkdir "$mnt" "$mnt2"

# --- one disk, four partitions: XFS, XFS, nothing, XFS that is not mounted

disk=$(new_disk 1700M --partscan)
start_of=(0 2048 1026048 2050048 2060288) length_of=(0 1024000 1024000 8192 1024000)
for n in 1 2 3 4; do
	addpart "$disk" $n "${start_of[n]}" "${length_of[n]}" || skip "cannot add partitions to a loop device"
done
for n in 1 2 4; do
	for _ in {1..50}; do
		[ -b "${disk}p$n" ] && break
		sleep 0.1
	done
	[ -b "${disk}p$n" ] || skip "partitions of loop devices get no device node here"
	make_xfs "${disk}p$n"
done
mount "${disk}p1" "$mnt" || skip "cannot mount XFS"
mount "${disk}p2" "$mnt2" || exit 99
make_file "$mnt/one" 64
make_file "$mnt2/two" 64

one=$((start_of[1] + $(sector_of "$mnt/one")))
two=$((start_of[2] + $(sector_of "$mnt2/two")))
check_equal "sectors of the disk are found in the first partition" "$mnt/one 512" \
	"$(ask "$disk" $((one + 1)) 1 | jq -r '.owners[] | "\(.paths[0]) \(.file_offset_bytes)"')"
check_equal "and in the second" "$mnt2/two 512" \
	"$(ask "$disk" $((two + 1)) 1 | jq -r '.owners[] | "\(.paths[0]) \(.file_offset_bytes)"')"
check_equal "with physical addresses of the disk" "$(printf '0x%x' $((0x100000000 + two * 512)))" \
	"$(ask "$disk" "$two" 8 | jq -r '.owners[0].phys_start')"
check_equal "the partition table is metadata, never free" "metadata true" \
	"$(ask "$disk" 1 1 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"
check_equal "and so is what lies between partitions" metadata "$(kinds "$disk" 2059000 8)"
check_equal "or behind the last one" metadata "$(kinds "$disk" $((2060288 + 1024000)) 8)"
check_equal "an empty partition is raw" "raw true" \
	"$(ask "$disk" 2050048 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"
check_equal "and so is one that is not mounted" "raw true" \
	"$(ask "$disk" 2060288 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"

found=$(ask "$disk" $((start_of[2] - 8)) 16)
check_equal "a range over two partitions gets an answer from each" "free metadata" \
	"$(jq -r '[.owners[].kind] | join(" ")' <<<"$found")"
check_equal "each from its own mount" "$mnt $mnt2" \
	"$(jq -r '[.owners[].mountpoint] | join(" ")' <<<"$found")"
check_equal "and every byte is accounted for" $((16 * 512)) \
	"$(jq '[.owners[].length_bytes] | add' <<<"$found")"
found=$(ask "$disk" 2040000 30000)
check_equal "so it is over everything" $((30000 * 512)) "$(jq '[.owners[].length_bytes] | add' <<<"$found")"

# --- holders, through the whole way

cat > "$work/hold.py" <<'PYTHON'
import mmap, os, sys, time
path, how, ready = sys.argv[1:]
fd = os.open(path, os.O_RDWR if how != "read" else os.O_RDONLY)
if how == "map":
    keep = mmap.mmap(fd, 65536)		# keeps a descriptor of its own
open(ready, "w").close()
time.sleep(1000)
PYTHON
# hold PATH HOW
hold() {
	start python3 "$work/hold.py" "$1" "$2" "$work/held"
	for _ in {1..100}; do
		[ -e "$work/held" ] && break
		sleep 0.1
	done
	rm -f "$work/held"
}
hold "$mnt/one" map
hold "$mnt/one" read
hold "$mnt2/two" write
check_equal "who maps it and who has it open" "${children[0]} mapped,open
${children[1]} open" \
	"$(ask_holders "$disk" "$one" 8 | jq -r '.holders[] | "\(.pid) \(.how | join(","))"')"
check_equal "is asked for each range on its own" "${children[2]}" \
	"$(ask_holders "$disk" "$two" 8 | jq -r '.holders[].pid')"
check_equal "in one walk for all" "${children[0]} ${children[1]} ${children[2]}" \
	"$(ask_holders "$disk" "$one" 8 "$two" 8 | jq -r '.holders[].pid' | paste -sd' ')"
check_equal "lost bytes have an address in the process that maps them" 512 \
	"$(ask_holders "$disk" $((one + 3)) 1 | jq -r '.holders[0].mappings[0].length_bytes')"
hold "${disk}p3" map
check_equal "a mapped partition without a filesystem has a holder too" "${children[3]} mapped,open" \
	"$(ask_holders "$disk" 2050048 8 | jq -r '.holders[] | "\(.pid) \(.how | join(","))"')"
check_equal "but only of the bytes in it" 0 \
	"$(ask_holders "$disk" 2060288 8 | jq -r '.holders | length')"
kill "${children[@]}"
wait
children=()
umount "$mnt" "$mnt2"

# --- in use by what is not mounted

log=$(new_disk 100M)
data=$(new_disk 600M)
mkfs.xfs -q -f -m rmapbt=1,reflink=1 -l "logdev=$log" "$data" >/dev/null
if mount -o "logdev=$log" "$data" "$mnt" 2>/dev/null; then
	check_equal "the external log of a mounted filesystem is its log, not idle" "log true" \
		"$(ask "$log" 0 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"
	make_file "$mnt/a" 64
	check_equal "and its data are found, without a log to learn from" "$mnt/a 4608" \
		"$(ask "$data" $(($(sector_of "$mnt/a") + 9)) 1 | jq -r '.owners[] | "\(.paths[0]) \(.file_offset_bytes)"')"
	umount "$mnt"
	check_equal "after umount it is idle" "raw true" \
		"$(ask "$log" 0 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"
fi
if command -v dmsetup >/dev/null &&
	dmsetup create hwpoisond-loop --table "0 204800 linear $log 0" 2>/dev/null; then
	check_equal "device-mapper on top is told" "raw false" \
		"$(ask "$log" 0 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"
	check "by name" grep -q "is built on $(basename "$log")" <<<"$(reason "$log" 0 8)"
	dmsetup remove hwpoisond-loop
else
	echo "# left out: this kernel or machine has no device-mapper"
fi

# --- other filesystems

if command -v mkfs.ext4 >/dev/null && mkfs.ext4 -q -F -b 4096 "$data" && mount "$data" "$mnt"; then
	make_file "$mnt/a" 64
	check_equal "ext4 has no reverse map, and is searched" "file-data ext4 true" \
		"$(ask "$data" "$(sector_of "$mnt/a")" 8 |
			jq -r '"\(.owners[0].kind) \(.owners[0].filesystem) \(.owners_complete)"')"
	check_equal "its superblock is metadata" "metadata true" \
		"$(ask "$data" 2 1 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"
	umount "$mnt"
else
	echo "# left out: no mkfs.ext4, or no ext4 in this kernel"
fi
if command -v mkfs.btrfs >/dev/null && mkfs.btrfs -q -f "$data" && mount "$data" "$mnt"; then
	check_equal "btrfs cannot be asked" "unknown btrfs false" \
		"$(ask "$data" 2048 8 | jq -r '"\(.owners[0].kind) \(.owners[0].filesystem) \(.owners_complete)"')"
	umount "$mnt"
else
	echo "# left out: no mkfs.btrfs, or no btrfs in this kernel"
fi

# --- no such thing

check_equal "a device that is gone has an unknown owner" "unknown false" \
	"$(ask no-such-disk 0 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"

done_checks
