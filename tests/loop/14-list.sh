# SPDX-License-Identifier: GPL-2.0-or-later
#
# hwpoisonctl resolve --list: many ranges at once have the answers that each has alone, in their
# order, in the memory of a batch; and a line that is none keeps no other from being answered.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs mkfs.ext4 xfs_io jq python3 awk

ctl=$BUILDDIR/hwpoisonctl
mnt=$work/mnt
mkdir -m 700 "$mnt"

resolve() {
	"$ctl" --socket "$work/none" resolve "$@"
}

# sectors DIR: of the first block of every file, at random: "SECTOR 8"
sectors() {
	python3 - "$1" <<'PYTHON'
import fcntl, os, random, struct, sys
lines = []
for at, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(at, name), "rb") as f:
            map = bytearray(struct.pack("=QQLLLL", 0, 2**64 - 1, 1, 0, 1, 0) + bytes(56))
            fcntl.ioctl(f, 0xC020660B, map)  # FIEMAP
            if struct.unpack_from("=L", map, 20)[0]:
                lines.append(struct.unpack_from("=Q", map, 40)[0] // 512)
random.Random(7).shuffle(lines)
for sector in lines:
    print(sector, 8)
PYTHON
}

# alone: each line of the list asked about by itself
alone() {
	while read -r sector n; do
		resolve --json --device "$disk" --sector "$sector" --count "$n" | jq -c '.ranges[]'
	done
}

# peak_kib COMMAND...: of memory
peak_kib() {
	python3 -c '
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$@"
}

# check_filesystem NAME MKFS...
check_filesystem() {
	local name=$1 few many
	shift
	disk=$(new_disk 400M)
	"$@" "$disk" >/dev/null 2>&1 && mount "$disk" "$mnt" || exit 99
	python3 -c '
import os, sys
for i in range(3000):
    if i % 100 == 0:
        os.mkdir(f"{sys.argv[1]}/{i}")
    with open(f"{sys.argv[1]}/{i // 100 * 100}/{i}", "w") as f:
        f.write("x" * 4096)' "$mnt"
	sync
	sectors "$mnt" > "$work/list"
	resolve --json --device "$disk" --list "$work/list" > "$work/all"
	check_equal "$name: each of 3000 files is named" "3000 3000 0" \
		"$(jq -r '[(.ranges | length), ([.ranges[].owners[0].paths[0]] | unique | length),
			([.ranges[] | select(.owners_complete | not)] | length)] | join(" ")' "$work/all")"
	check_equal "$name: in the order of the list" "$(cut -d' ' -f1 "$work/list" | md5sum)" \
		"$(jq -r '.ranges[].device.sector' "$work/all" | md5sum)"
	head -n 12 "$work/list" > "$work/few"
	printf '%s\n' "0 8" "64 8" "300000 16" >> "$work/few"
	check_equal "$name: as each has alone" "$(alone < "$work/few")" \
		"$(resolve --json --device "$disk" --list - < "$work/few" | jq -c '.ranges[]')"
	check_equal "$name: in words as well" "$(while read -r sector n; do
			resolve --device "$disk" --sector "$sector" --count "$n"
		done < "$work/few")" "$(resolve --device "$disk" --list "$work/few")"
}

check_filesystem "XFS with a reverse map" mkfs.xfs -q -f -m rmapbt=1,reflink=1

# --- memory, and lines that are none

few=$(peak_kib "$ctl" resolve --json --device "$disk" --list "$work/list")
for _ in {1..34}; do
	cat "$work/list"
done > "$work/long"
many=$(peak_kib "$ctl" resolve --json --device "$disk" --list "$work/long")
check "102,000 ranges take little more memory than 3000 ($many and $few KiB)" \
	test "$many" -lt $((few + 12 * 1024))
check "and less than 24 MiB" test "$many" -lt 24576
check_equal "who reads no further ends it" 300 \
	"$(resolve --json --device "$disk" --list "$work/long" 2>"$work/errors" | head -c 300 | wc -c)"
check_equal "without a word" "" "$(cat "$work/errors")"

sector=$(head -n 1 "$work/list" | cut -d' ' -f1)
printf '# a comment\n\n%s\n foo\n1 2 3\n%s 0\n99999999999 8\n\t%s\t8\r\n0x%x 0x8' \
	"$sector" "$sector" "$sector" "$sector" > "$work/odd"
resolve --json --device "$disk" --list "$work/odd" > "$work/answer" 2> "$work/errors"
check_equal "a list with lines that are none fails" 1 $?
check_equal "and answers all others" "512 4096 4096" "$(jq -r '[.ranges[].length_bytes] | join(" ")' "$work/answer")"
check_equal "each of the others is told" "hwpoisonctl: $work/odd:4: this is no range.
hwpoisonctl: $work/odd:5: this is no range.
hwpoisonctl: No valid range: it must not be empty, nor over 1 GiB.
hwpoisonctl: Sector 99999999999 is past the end of $disk." "$(cat "$work/errors")"
check_equal "an empty list has an empty answer" '{"ranges":[]}' "$(resolve --json --list - < /dev/null | jq -c .)"
check_equal "addresses that no NVDIMM holds are in the list as well" "0x1000 512 0x2000 4096" \
	"$(printf '0x1000\n0x2000 4096\n' | resolve --json --list - |
		jq -r '[.ranges[] | .phys_start, .length_bytes] | join(" ")')"
check_equal "a list that is not there is told" "hwpoisonctl: Cannot read $work/nowhere: No such file or directory.
1" \
	"$(resolve --list "$work/nowhere" 2>&1; echo $?)"
check_equal "so is a device" "hwpoisonctl: There is no block device nowhere.
1" \
	"$(echo 8 | resolve --device nowhere --list - 2>&1; echo $?)"
for args in "--phys 0 --list x" "--list x --sector 3 --device y" "--list x --count 3" "--list x 7"; do
	# shellcheck disable=SC2086
	resolve $args > /dev/null 2>&1
	check_equal "usage: $args" 2 $?
done
umount "$mnt"
losetup -d "$disk"

check_filesystem "XFS without a reverse map" mkfs.xfs -q -f -m rmapbt=0,reflink=1
umount "$mnt"
losetup -d "$disk"
check_filesystem "ext4" mkfs.ext4 -q -F -b 4096

done_checks
