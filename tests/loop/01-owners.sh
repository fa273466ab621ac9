# SPDX-License-Identifier: GPL-2.0-or-later
#
# What XFS keeps in a range, compared with xfs_io, which asks the same kernel in
# its own way: every kind of owner, reflink owners, the edges of the filesystem.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs xfs_io jq python3 setfattr

disk=$(new_disk 600M)
make_xfs "$disk"
mnt=$work/mnt
mkdir "$mnt"
mount "$disk" "$mnt" || skip "cannot mount XFS"

# --- one of everything

make_file "$mnt/a" 1024
cp --reflink=always "$mnt/a" "$mnt/b"
mkdir "$mnt/other"
xfs_io -f -c "reflink $mnt/a 65536 0 8192" "$mnt/other/c" >/dev/null
ln "$mnt/other/c" "$mnt/c-too"
exec 8<"$mnt/b"
rm "$mnt/b"
fallocate -l 1M "$mnt/unwritten"
for i in {1..60}; do
	setfattr -n "user.x$i" -v "$(printf '%03000d' "$i")" "$mnt/a"
done
mkdir "$mnt/big"
for i in {1..500}; do
	: > "$mnt/big/a-name-long-enough-to-fill-a-directory-block-$i"
done
ln -s "$(printf 'x%.0s' {1..1000})" "$mnt/symlink"
python3 - "$mnt/fragments" <<'PYTHON'
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for i in range(600):
    os.pwrite(fd, b"y" * 4096, i * 8192)
    if i % 8 == 0:
        os.fsync(fd)
PYTHON
sync -f "$mnt"

inode_a=$(stat -c %i "$mnt/a")
inode_b=$(stat -Lc %i /proc/self/fd/8)
inode_c=$(stat -c %i "$mnt/c-too")
sector=$(sector_of "$mnt/a" 65536)
generation() {
	xfs_io -r -c "bulkstat_single $1" "$mnt" | awk '$1 == "bs_gen" { print $3 }'
}

# --- three owners of one block

found=$(ask "$disk" "$sector" 8)
check_equal "all owners of a shared block are named, with their offsets" \
	"$inode_a 65536 4096 true
$inode_b 65536 4096 true
$inode_c 0 4096 true" \
	"$(jq -r '.owners[] | "\(.inode) \(.file_offset_bytes) \(.length_bytes) \(.shared)"' <<<"$found")"
check_equal "with both links of the one that has two" "$mnt/a
$mnt/c-too
$mnt/other/c" "$(jq -r '.owners[].paths[]' <<<"$found" | sort)"
check_equal "and none of the one that is unlinked but open" "$inode_b" \
	"$(jq -r '.owners[] | select(.unlinked) | .inode' <<<"$found")"
check_equal "the answer is complete" true "$(jq -r .owners_complete <<<"$found")"
for inode in "$inode_a" "$inode_c"; do
	[ -z "$(generation "$inode")" ] ||
		check_equal "the generation of $inode is right" "$(($(generation "$inode")))" \
			"$(jq -r ".owners[] | select(.inode == $inode) | .generation" <<<"$found")"
done
check_equal "the mountpoint and filesystem are told" "$mnt xfs" \
	"$(jq -r '.owners[0] | "\(.mountpoint) \(.filesystem)"' <<<"$found")"
check_equal "one sector is one sector" "$inode_a 66048 512" \
	"$(ask "$disk" $((sector + 1)) 1 | jq -r ".owners[0] | \"\(.inode) \(.file_offset_bytes) \(.length_bytes)\"")"

exec 8<&-
sync -f "$mnt"
sleep 1
check_equal "once it is closed, the unlinked file owns nothing" "$inode_a $inode_c" \
	"$(ask "$disk" "$sector" 8 | jq -r '[.owners[].inode] | join(" ")')"
check_equal "and what is not shared any more is not called so" "false" \
	"$(ask "$disk" "$(sector_of "$mnt/a" 0)" 8 | jq -r '.owners[].shared')"
check_equal "a range over the edge of sharing is cut there" \
	"$inode_a false 4096
$inode_a true 8192
$inode_c true 8192
$inode_a false 4096" \
	"$(ask "$disk" $((sector - 8)) 32 | jq -r '.owners[] | "\(.inode) \(.shared) \(.length_bytes)"')"

# --- each kind

check_equal "an unwritten extent is told from data" "unwritten true" \
	"$(ask "$disk" "$(sector_of "$mnt/unwritten")" 8 | jq -r '.owners[] | "\(.kind) \(.unwritten)"')"
check_equal "with its file" "$mnt/unwritten" "$(names "$disk" "$(sector_of "$mnt/unwritten")" 8)"
# of_kind OWNER-PATTERN: the first sector of the first such record, as xfs_io names them
of_kind() {
	xfs_io -r -c "fsmap -m" "$mnt" | awk -F, -v p="$1" '$6 ~ p { print $4; exit }'
}
inode_big=$(stat -c %i "$mnt/big")
check_equal "a directory's block" "directory $mnt/big" \
	"$(ask "$disk" "$(of_kind "^inode_${inode_big}_data\$")" 1 | jq -r '.owners[] | "\(.kind) \(.paths[0])"')"
inode_link=$(stat -c %i "$mnt/symlink")
check_equal "a symlink's target" "symlink $mnt/symlink" \
	"$(ask "$disk" "$(of_kind "^inode_${inode_link}_data\$")" 1 | jq -r '.owners[] | "\(.kind) \(.paths[0])"')"
check_equal "extended attributes" "xattr $mnt/a" \
	"$(ask "$disk" "$(of_kind "^inode_${inode_a}_attr\$")" 1 | jq -r '.owners[] | "\(.kind) \(.paths[0])"')"
inode_fragments=$(stat -c %i "$mnt/fragments")
map_sector=$(of_kind "^inode_${inode_fragments}_data_bmbt\$")
[ -z "$map_sector" ] || check_equal "a block of an extent map" "extent-map $mnt/fragments" \
	"$(ask "$disk" "$map_sector" 1 | jq -r '.owners[] | "\(.kind) \(.paths[0])"')"
check_equal "the superblock" metadata "$(kinds "$disk" 0 1)"
check_equal "inodes" metadata "$(kinds "$disk" "$(of_kind '^special_88:5$')" 1)"
check_equal "the log" log "$(kinds "$disk" "$(of_kind '^special_88:2$')" 1)"
check_equal "the log, far from where it begins" log \
	"$(kinds "$disk" $(($(of_kind '^special_88:2$') + 1001)) 1)"

n_sectors=$(blockdev --getsz "$disk")
check_equal "free space at the end" "free true" \
	"$(ask "$disk" $((n_sectors - 16)) 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"
check_equal "nothing is owned past the end" "unknown false" \
	"$(ask "$disk" "$n_sectors" 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"

# --- every answer against xfs_io, at the edges of records and in the middle of them

normalize_ours() {
	jq -r '.device.sector as $s | .owners[] | "\($s) " +
		({"file-data": "data", "directory": "data", "symlink": "data", "unwritten": "data",
		  "xattr": "attr", "extent-map": "map", "log": "log", "free": "free",
		  "metadata": "meta"}[.kind] // .kind) +
		(if .inode then " \(.inode)" else "" end) +
		(if .inode and .kind != "extent-map" then " \(.file_offset_bytes / 512)" else "" end)' |
		sort
}

# theirs SECTOR...: the same from the records of xfs_io
theirs() {
	awk -F, -v wanted="$*" '
		BEGIN { n = split(wanted, want, " ") }
		/^[0-9]/ {
			for (i = 1; i <= n; i++) {
				if (want[i] < $4 || want[i] > $5)
					continue
				line = want[i] " "
				if ($6 ~ /^inode_/) {
					split($6, part, "_")
					if ($6 ~ /_bmbt$/)
						line = line "map " part[2]
					else
						line = line part[3] " " part[2] " " ($7 + want[i] - $4)
				} else if ($6 == "special_88:2")
					line = line "log"
				else if ($6 == "special_0:1")
					line = line "free"
				else
					line = line "meta"
				print line
			}
		}' "$work/fsmap" | sort
}
xfs_io -r -c "fsmap -m" "$mnt" > "$work/fsmap"
awk -F, '/^[0-9]/ { print $4; print $5; print int(($4 + $5) / 2) }' "$work/fsmap" | sort -nu |
	awk 'BEGIN { srand(1) } { print rand() "\t" $0 }' | sort | head -n 320 | cut -f 2 > "$work/sectors"
mapfile -t sectors < "$work/sectors"
check "there are sectors to compare" test "${#sectors[@]}" -gt 100
n_same=0
for ((i = 0; i < ${#sectors[@]}; i += 64)); do
	some=("${sectors[@]:i:64}")
	# shellcheck disable=SC2046 # numbers
	ask "$disk" $(printf '%s 1 ' "${some[@]}") | normalize_ours > "$work/ours"
	theirs "${some[@]}" > "$work/theirs"
	if diff "$work/theirs" "$work/ours" > "$work/diff"; then
		n_same=$((n_same + ${#some[@]}))
	else
		head -n 10 "$work/diff" | sed 's/^/# /'
	fi
done
check_equal "xfs_io and we agree on ${#sectors[@]} sectors of $(wc -l < "$work/fsmap") records" \
	"${#sectors[@]}" "$n_same"

# --- the check before each step of a repair

check_equal "asked through any fd of the filesystem, the answer is the same, without names" \
	"$(ask "$disk" "$sector" 8 | jq -c '[.owners[] | {kind, inode, generation, file_offset_bytes, shared}]')" \
	"$("$OWNERS_OF" --ask "$mnt/big" "$sector" 8 | jq -c '[.owners[] | {kind, inode, generation, file_offset_bytes, shared}]')"

# --- a file that goes away while we look

make_file "$mnt/dying" 64
dying=$(sector_of "$mnt/dying")
rm "$mnt/dying"
check_equal "a file that was just removed is not taken for metadata" free "$(kinds "$disk" "$dying" 8)"

# --- without a reverse map its inodes are searched

umount "$mnt"
mkfs.xfs -q -f -m reflink=1,rmapbt=0 "$disk" && mount "$disk" "$mnt" || exit 99
make_file "$mnt/a" 64
check_equal "without a reverse map the file is found all the same" "file-data scan true" \
	"$(ask "$disk" "$(sector_of "$mnt/a")" 8 | jq -r '"\(.owners[0].kind) \(.owners[0].method) \(.owners_complete)"')"
found=$("$OWNERS_OF" --ask "$mnt" "$(sector_of "$mnt/a")" 8)
check_equal "but the filesystem itself cannot be asked" "unknown false" \
	"$(jq -r '"\(.owners[0].kind) \(.owners_complete)"' <<<"$found")"
check "which is said" grep -q "no reverse map" <<<"$(jq -r .owners_reason <<<"$found")"
check_equal "free space is known all the same" "free true" \
	"$(ask "$disk" $((n_sectors - 16)) 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"

done_checks
