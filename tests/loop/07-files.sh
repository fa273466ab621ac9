# SPDX-License-Identifier: GPL-2.0-or-later
#
# Has this file lost bytes now? Lists of bad blocks are put in place of the kernel's, at places that
# FIEMAP of the files names, and the answer must be exactly those bytes of those files.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs mkfs.ext4 xfs_io jq unshare setpriv setfattr python3

ctl=$BUILDDIR/hwpoisonctl
mnt=$work/mnt
mkdir "$mnt"

# bad LIST FILE...: hwpoisonctl files with this badblocks list of $disk ("SECTOR COUNT", or "none").
# A copy of the disk's sysfs directory covers it, in a mount namespace of this command alone.
bad() {
	local list=$1 name=${disk##*/} r
	shift
	rm -rf "$work/sys"
	mkdir "$work/sys"
	cp "/sys/class/block/$name/"{dev,size,ro} "$work/sys/"
	[ "$list" = none ] || printf '%b' "$list" > "$work/sys/badblocks"
	# shellcheck disable=SC2016
	unshare -m sh -c 'mount --bind "$1" "$(realpath "$2")" && shift 2 && exec "$@"' sh \
		"$work/sys" "/sys/class/block/$name" "$ctl" --socket "$work/none" files \
		--state-dir "$work/none" --json "$@" > "$work/answer" 2> "$work/errors"
	r=$?
	cat "$work/errors" >&2
	echo $r > "$work/status"
	cat "$work/answer"
}

status() {
	cat "$work/status"
}

# found [N]: kind, offset and length of what is bad of the N-th file
found() {
	jq -r --argjson n "${1:-0}" \
		'[.files[$n].bad[] | "\(.kind) \(.file_offset_bytes) \(.length_bytes)"] | join(", ")' \
		"$work/answer"
}

check_filesystem() {
	local fs=$1 sector other middle seed=$RANDOM i at offset

	make_file "$mnt/data" 256
	make_file "$mnt/other" 64
	make_file "$mnt/sparse" 4
	truncate -s 1M "$mnt/sparse"
	fallocate -l 64K "$mnt/unwritten"
	sync
	sector=$(sector_of "$mnt/data" 8192)

	bad none "$mnt/data" > /dev/null
	check_equal "$fs: without a list nothing is known to be lost" "0 0 true false" \
		"$(status) $(jq -r '.files[0] | "\(.lost_bytes) \(.complete) \(.device_has_list)"' "$work/answer")"
	bad "" "$mnt/data" > /dev/null
	check_equal "$fs: nor with an empty one" "0 true" \
		"$(status) $(jq -r '.files[0].device_has_list' "$work/answer")"

	bad "$((sector + 1)) 2\n" "$mnt/data" "$mnt/other" > /dev/null
	check_equal "$fs: the bad sectors of a file, to the byte" "file-data 8704 1024" "$(found)"
	check_equal "$fs: are a status of their own" 4 "$(status)"
	check_equal "$fs: another file has none of them" "" "$(found 1)"
	bad "$((sector + 1)) 2\n" "$mnt/other" > /dev/null
	check_equal "$fs: and is fine" 0 "$(status)"

	other=$(sector_of "$mnt/other" 0)
	bad "$((sector + 1)) 2\n$other 128\n$((sector + 5)) 1\n" "$mnt/data" "$mnt/other" > /dev/null
	check_equal "$fs: several ranges and files" \
		"file-data 8704 1024, file-data 10752 512 | file-data 0 65536" "$(found) | $(found 1)"

	bad "$(sector_of "$mnt/sparse") 8\n" "$mnt/sparse" > /dev/null
	check_equal "$fs: a sparse file" "file-data 0 4096" "$(found)"
	middle=$(sector_of "$mnt/unwritten" 4096)
	bad "$middle 1\n" "$mnt/unwritten" > /dev/null
	check_equal "$fs: what was never written is told, and not lost" "unwritten 4096 512 0 0" \
		"$(found) $(jq '.files[0].lost_bytes' "$work/answer") $(status)"

	echo "# seed $seed"
	RANDOM=$seed
	for i in {1..20}; do
		offset=$((RANDOM % 512 * 512))
		at=$(sector_of "$mnt/data" $offset)
		bad "$at 1\n" "$mnt/data" > /dev/null
		[ "$(found)" = "file-data $offset 512" ] || break
	done
	check_equal "$fs: any sector" "file-data $offset 512" "$(found)"
}

# --- XFS

disk=$(new_disk 600M)
make_xfs "$disk"
mount "$disk" "$mnt" || skip "cannot mount XFS"
check_filesystem xfs

cp --reflink=always "$mnt/data" "$mnt/clone"
sync
sector=$(sector_of "$mnt/data" 4096)
bad "$sector 1\n" "$mnt/data" "$mnt/clone" > /dev/null
check_equal "a shared block is lost to both files" "file-data 4096 512 | file-data 4096 512" \
	"$(found) | $(found 1)"

mkdir "$mnt/dir"
for i in {1..300}; do
	: > "$mnt/dir/an-entry-with-a-name-$i"
done
: > "$mnt/attributes"
head -c 40000 /dev/urandom | base64 -w0 | head -c 30000 > "$work/value"
setfattr -n user.big -v "$(cat "$work/value")" "$mnt/attributes"
sync
umount "$mnt"
mount "$disk" "$mnt"
# block_of "data OFFSET"|attr|"data extent map" FILE: its first sector, as the reverse map has it
block_of() {
	xfs_io -r -c 'fsmap -n 4096' "$mnt" | awk -v what="inode $(stat -c %i "$2") $1" '
		$0 ~ what { split($3, a, /[[.\]:]+/); print a[2]; exit }'
}
sector=$(block_of "data 0" "$mnt/dir")
bad "$sector 1\n" "$mnt/dir" "$mnt" > /dev/null
check_equal "a directory's block is lost to it" "directory 0 512 | " "$(found) | $(found 1)"
sector=$(block_of "data 67108864" "$mnt/dir")
bad "$sector 1\n" "$mnt/dir" > /dev/null
check_equal "so is one of its index" "directory 34359738368 512" "$(found)"
check_equal "... and tells so" 4 "$(status)"
sector=$(block_of attr "$mnt/attributes")
bad "$sector 1\n" "$mnt/attributes" > /dev/null
check_equal "an extended attribute's" "xattr" "$(jq -r '.files[0].bad[0].kind' "$work/answer")"

# a file in so many pieces that its extent map has blocks of its own
for ((i = 0; i < 400; i++)); do
	echo "pwrite -q $((i * 8192)) 4096"
done | xfs_io -f "$mnt/pieces" > /dev/null
sync
sector=$(block_of "data extent map" "$mnt/pieces")
bad "$sector 1\n" "$mnt/pieces" > /dev/null
check_equal "the block of an extent map" "extent-map 0 512 4" "$(found) $(status)"

# --- names, and how it ends

: > "$mnt/"$'inval\xffid\n'
bad "" "$mnt/"$'inval\xffid\n' > /dev/null
check_equal "a name of any bytes comes back" "$(printf %s "$mnt/"$'inval\xffid\n' | od -An -tx1 | tr -d ' \n')" \
	"$(jq -r '.files[0].file_hex' "$work/answer")"
bad "$(sector_of "$mnt/data") 1\n" /dev/null "$mnt/data" > /dev/null
check_equal "lost bytes come before what cannot be answered" 4 "$(status)"
bad "" /dev/null > /dev/null
check_equal "which is no success" "1 false" "$(status) $(jq -r '.files[0].complete' "$work/answer")"

# What could act when it is opened is not.
mkfifo "$mnt/fifo"
mknod "$mnt/device" c 10 250
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$mnt/socket"
bad "" "$mnt/fifo" "$mnt/device" "$mnt/socket" > /dev/null
check_equal "what is neither a file nor a directory is called so" \
	"1 Neither a file nor a directory, Neither a file nor a directory, Neither a file nor a directory" \
	"$(status) $(jq -r '[.files[].reason] | join(", ")' "$work/answer")"
bad "$(sector_of "$mnt/data") 1\n" "$mnt/data" "$mnt/nowhere" > /dev/null 2>&1
check_equal "a file that is not there keeps no other from being told" "4 512 No such file or directory" \
	"$(status) $(jq -r '"\(.files[0].lost_bytes) \(.files[1].reason)"' "$work/answer")"
cp "$mnt/data" "$mnt/unlinked"
exec 7< "$mnt/unlinked"
sync
sector=$(sector_of "$mnt/unlinked" 8192)
rm "$mnt/unlinked"
bad "$sector 2\n" "/proc/$$/fd/7" > /dev/null
check_equal "an unlinked file can be asked about where it is open" "file-data 8192 1024 4" "$(found) $(status)"
exec 7<&-

# says STATUS PATTERN COMMAND...: nothing but one line on stderr, and this status
says() {
	local wanted=$1 pattern=$2 r
	shift 2
	"$@" > "$work/out" 2> "$work/err"
	r=$?
	[ $r -eq "$wanted" ] && [ ! -s "$work/out" ] && [ "$(wc -l < "$work/err")" = 1 ] &&
		grep -q "$pattern" "$work/err"
}
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups "$ctl" --socket "$work/none")
check "a file that is not there is told in a sentence" \
	says 1 "^hwpoisonctl: Cannot find $mnt/nowhere" "$ctl" files "$mnt/nowhere"
check "... and no more of a directory that is not there" \
	says 1 "^hwpoisonctl: Cannot find $mnt/no/where: No such file or directory" "$ctl" files "$mnt/no/where"
check "an ordinary user is told what it takes" says 1 "^hwpoisonctl: files needs root" \
	"${nobody[@]}" files /
check "... to resolve a range as well" says 1 "^hwpoisonctl: resolve needs root" \
	"${nobody[@]}" resolve --phys 0x1000
check "... and sectors" says 1 "^hwpoisonctl: resolve needs root" \
	"${nobody[@]}" resolve --device "$disk" --sector 8
umount "$mnt"

mkfs.xfs -q -f -m rmapbt=0,reflink=1 "$disk"
mount "$disk" "$mnt"
check_filesystem "xfs without a reverse map"
umount "$mnt"

# --- ext4

mkfs.ext4 -q -F "$disk"
mount "$disk" "$mnt"
check_filesystem ext4
umount "$mnt"

# --- what cannot be asked

mount -t tmpfs none "$mnt"
: > "$mnt/file"
bad "" "$mnt/file" > /dev/null
check_equal "a file that no disk holds" "1 false" "$(status) $(jq -r '.files[0].complete' "$work/answer")"
check "says so" jq -e '.files[0].reason | test("block device")' "$work/answer"
umount "$mnt"

done_checks
