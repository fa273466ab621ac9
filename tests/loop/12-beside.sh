# SPDX-License-Identifier: GPL-2.0-or-later
#
# Devices that an XFS has beside its own: of its log it is said to be one, and of its realtime data
# whose they are, found in a search; blocks of the same number on the other device are never mixed up
# with them. A kernel without realtime shows the log only: the guest scenario 51-oracle.sh has both,
# and sets BESIDE_NEED_REALTIME.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs xfs_io jq python3 setfattr unshare

CTL=$BUILDDIR/hwpoisonctl
mnt=$work/mnt
mkdir "$mnt"
disk=$(new_disk 400M) log=$(new_disk 100M) realtime=$(new_disk 400M)

# said DISK SECTOR: what is said about it, in short
said() {
	ask "$@" 8 | jq -r '[.owners[] | .kind, .filesystem, .mountpoint, (.paths | length)] +
		[.owners_complete] | map(tostring) | join(" ")'
}

make_xfs -l "logdev=$log,size=80M" "$disk"
mount -o "logdev=$log" "$disk" "$mnt" || skip "cannot mount XFS with a log beside it"
make_file "$mnt/file" 64
check_equal "a log on a device of its own is the log of that filesystem" "log xfs $mnt 0 true" "$(said "$log" 800)"
check_equal "files are found as ever" "$mnt/file" "$(names "$disk" "$(sector_of "$mnt/file")" 8)"
check_equal "a device that it does not have is not its own" "raw null null 0 true" "$(said "$realtime" 800)"
umount "$mnt"
check_equal "not mounted, the log is raw" "raw null null 0 true" "$(said "$log" 800)"

mkfs.xfs -q -f -m rmapbt=0,reflink=0 -r "rtdev=$realtime,extsize=64k" "$disk" || exit 99
if ! mount -o "rtdev=$realtime" "$disk" "$mnt" 2>/dev/null; then
	[ -z "${BESIDE_NEED_REALTIME-}" ] || check "the kernel has realtime devices" false
	echo "# left out: this kernel has no realtime devices; tests/vm/51-oracle.sh has"
	done_checks
fi

# make_realtime FILE KIB: as make_file, on the realtime device
make_realtime() {
	xfs_io -f -c "chattr +r" "$1" && make_file "$1" "$2"
}

# first [OPTION...] DISK SECTOR: kind, name and offset in it, complete, searching
first() {
	ask "$@" 1 | jq -r '.owners[0] as $o | "\($o.kind) \($o.paths | sort | last // "-" | split("/") | last) \(
		$o.file_offset_bytes // "-") \(.owners_complete) \(.owners_searching // false)"'
}

make_realtime "$mnt/realtime" 65536
setfattr -n user.long -v "$(printf 'v%.0s' {1..3000})" "$mnt/realtime"
make_file "$mnt/plain" 65536
xfs_io -f -c "falloc 0 240M" -c fsync "$mnt/large"
ln "$mnt/realtime" "$mnt/again"
sector=$(sector_of "$mnt/realtime" 40000000)
check_equal "a file on a realtime device is named, with all its names" "file-data xfs $mnt 2 true" \
	"$(said "$realtime" "$sector")"
check_equal "to the byte" "file-data realtime 40000000 true false" "$(first "$realtime" "$sector")"
check_equal "it is said that it is there" "true scan" \
	"$(ask "$realtime" "$sector" 1 | jq -r '.owners[0] | "\(.realtime) \(.method)"')"
check_equal "what is free there is" "free xfs $mnt 0 true" "$(said "$realtime" 800000)"
xfs_io -f -c "chattr +r" -c "falloc 0 1M" -c "pwrite -q 262144 4096" -c fsync "$mnt/reserved"
check_equal "and what was never written" "unwritten reserved 4096 true false" \
	"$(first "$realtime" "$(sector_of "$mnt/reserved" 4096)")"
check_equal "is told from what was" "file-data reserved 262144 true false" \
	"$(first "$realtime" "$(sector_of "$mnt/reserved" 262144)")"

n_wrong=0 n_both=0
for offset in 0 4096 1000000 20000000 40000000 60000000; do
	at=$(sector_of "$mnt/plain" $offset)
	[ "$(names "$disk" "$at" 1)" = "$mnt/plain" ] || n_wrong=$((n_wrong + 1))
	# The same number, of the other device: whatever has it here, it is not that file.
	! names "$realtime" "$at" 1 | grep -qxF "$mnt/plain" || n_wrong=$((n_wrong + 1))
	at=$(sector_of "$mnt/realtime" $offset)
	[ "$(names "$realtime" "$at" 1)" = "$mnt/again
$mnt/realtime" ] || n_wrong=$((n_wrong + 1))
	! names "$disk" "$at" 1 | grep -qxF "$mnt/realtime" || n_wrong=$((n_wrong + 1))
	[ -z "$(names "$disk" "$at" 1)" ] || n_both=$((n_both + 1))
done
check_equal "on each device a file has what it has there, and nothing of the same number on the other" 0 $n_wrong
check "of which there is some" test $n_both -gt 0

check_equal "one search is for both" "realtime plain - reserved" \
	"$(ask "$realtime" "$sector" 1 "${disk##*/}:$(sector_of "$mnt/plain" 4096)" 1 800000 1 \
		"$(sector_of "$mnt/reserved")" 1 | jq -r '.owners[0].paths | sort | last // "-" | split("/") | last' | paste -sd' ')"

# Its attributes are on the filesystem's own device, but the kernel counts their blocks as if they were
# on the other. In the first group that is where they are all the same; who is to know?
xattr=$(xfs_io -r -c "bmap -a" "$mnt/realtime" | sed -n 's/.*: \([0-9]*\)\.\.[0-9]*$/\1/p' | head -n 1)
check_equal "where its attributes are is not believed" "" \
	"$(ask "$disk" "$xattr" 8 | jq -r '.owners[] | select(.kind == "xattr") | .paths[]')"
check_equal "nor that they are on the realtime device" "" \
	"$(ask "$realtime" "$xattr" 8 | jq -r '.owners[] | select(.kind == "xattr") | .paths[]')"

# --- what processes have open

cat > "$work/hold.py" <<'PYTHON'
import mmap, os, sys, time
path, ready = sys.argv[1:]
fd = os.open(path, os.O_RDONLY)
m = mmap.mmap(fd, 65536, prot=mmap.PROT_READ)
open(ready, "w").close()
time.sleep(1000)
PYTHON
make_realtime "$mnt/held" 64
make_realtime "$mnt/unlinked" 64
for file in held unlinked; do
	start python3 "$work/hold.py" "$mnt/$file" "$work/ready-$file"
	for _ in {1..600}; do
		[ -e "$work/ready-$file" ] && break
		sleep 0.1
	done
done
held=$(sector_of "$mnt/held" 8192) unlinked=$(sector_of "$mnt/unlinked" 8192) sector=$(sector_of "$mnt/realtime")
rm "$mnt/unlinked"
check_equal "at once, a file that a process has is known" "file-data held 8192 true false" \
	"$(first --at-once "$realtime" "$held")"
check_equal "another is not yet, and is searched for" "unknown - - false true" \
	"$(first --at-once "$realtime" "$sector")"
check_equal "one that is unlinked and open has no name" "file-data - true" \
	"$(ask "$realtime" "$unlinked" 1 | jq -r '.owners[0] | "\(.kind) \(.paths[0] // "-") \(.unlinked)"')"
check_equal "the process that maps it is found, and where" "${children[0]} 512" \
	"$(ask_holders "$realtime" "$held" 1 | jq -r '.holders[] | "\(.pid) \(.mappings[0].length_bytes)"')"
kill "${children[@]}"
wait
children=()

# --- hwpoisonctl alone

resolve() {
	"$CTL" --socket "$work/none" --json resolve "$@"
}
names_of_ranges() {
	jq -r '[.ranges[].owners[0] | (.paths | sort | last) // .kind | split("/") | last] | join(" ")'
}
plain=$(sector_of "$mnt/plain")
check_equal "hwpoisonctl without a daemon says the same" realtime \
	"$(resolve --device "$realtime" --sector "$sector" | names_of_ranges)"
check_equal "of many ranges, too" "realtime free held realtime" \
	"$(printf '%s 1\n' "$sector" 800000 "$held" $((sector + 64)) |
		resolve --device "$realtime" --list - | names_of_ranges)"

# bad DISK LIST OTHER LIST FILE...: hwpoisonctl files with these lists of bad blocks; see 07-files.sh
bad() {
	local i
	for i in 1 2; do
		rm -rf "$work/sys$i"
		mkdir "$work/sys$i"
		cp "/sys/class/block/${1##*/}/"{dev,size,ro} "$work/sys$i/"
		[ "$2" = none ] || printf '%b' "$2" > "$work/sys$i/badblocks"
		ln -sfn "$(realpath "/sys/class/block/${1##*/}")" "$work/at$i"
		shift 2
	done
	# shellcheck disable=SC2016
	unshare -m sh -c 'mount --bind "$1/sys1" "$(realpath "$1/at1")" &&
		mount --bind "$1/sys2" "$(realpath "$1/at2")" && shift && exec "$@"' sh \
		"$work" "$CTL" --socket "$work/none" files --state-dir "$work/none" --json "$@" > "$work/answer"
	jq -r '.files[] | "\([.bad[] | "\(.kind) \(.file_offset_bytes) \(.length_bytes)"] | join(", ")) \(.lost_bytes
		) \(.complete) \(.device_has_list) \(.realtime_device // "-")"' "$work/answer"
}
name=${realtime##*/}
check_equal "without lists nothing is known to be lost of a realtime file" " 0 true false $name" \
	"$(bad "$disk" none "$realtime" none "$mnt/realtime")"
check_equal "its bad blocks on the realtime device are lost bytes, to the byte" "file-data 512 1024 1024 true true $name" \
	"$(bad "$disk" "" "$realtime" "$((sector + 1)) 2\n" "$mnt/realtime")"
check_equal "the same numbers on the other device are not" " 0 false true $name" \
	"$(bad "$disk" "$((sector + 1)) 2\n" "$realtime" "" "$mnt/realtime")"
check_equal "nor the other way round" " 0 true true -
file-data 0 512 512 true true -" \
	"$(bad "$disk" "" "$realtime" "$plain 1\n" "$mnt/plain"; bad "$disk" "$plain 1\n" "$realtime" "" "$mnt/plain")"
check_equal "its attributes could be, and what was never written is told" \
	"file-data 0 512 512 false true $name
unwritten 4096 512 0 true true $name" \
	"$(bad "$disk" "$xattr 1\n" "$realtime" "$sector 1\n$(sector_of "$mnt/reserved" 4096) 1\n" \
		"$mnt/realtime" "$mnt/reserved")"

# --- hints are never believed; the list is kept for large filesystems only

mkdir -m 700 "$work/hints"
mkdir "$mnt/many"
rm "$mnt/large"		# which leaves too little room
sync
python3 -c "
import sys
for i in range(2100): open(f'{sys.argv[1]}/many/{i}', 'w').write('x' * 5000)" "$mnt"
make_realtime "$mnt/last" 64
sync
last=$(sector_of "$mnt/last" 4096) other=$(sector_of "$mnt/many/7")
first --hints "$work/hints" "$realtime" "$last" >/dev/null
check "a search leaves hints" compgen -G "$work/hints/hints-*"
check_equal "which name the owner on the realtime device at once" "file-data last 4096 true false" \
	"$(first --hints "$work/hints" --at-once "$realtime" "$last")"
check_equal "others were not looked at" "unknown - - false true" \
	"$(first --hints "$work/hints" --at-once "$disk" "$other")"
check_equal "the superblock has all inodes searched" metadata \
	"$(first --hints "$work/hints" "$disk" 0 | cut -d' ' -f1)"
check_equal "and then the hints are for both devices" "file-data last 4096 true false
file-data 7 0 true false" \
	"$(first --hints "$work/hints" --at-once "$realtime" "$last"
		first --hints "$work/hints" --at-once "$disk" "$other")"
rm "$mnt/last"
sync
check_equal "they are not believed when a file is gone" "free - - true false" \
	"$(first --hints "$work/hints" "$realtime" "$last")"
for i in {1..8}; do
	make_file "$mnt/plain-$i" 64	# whose number may be the same
done
for i in {1..60}; do
	xfs_io -f -c "chattr +r" -c "falloc 0 10M" "$mnt/next-$i" || break
	[ "$(kinds "$realtime" "$last" 1)" = free ] || break
done
check_equal "nor when another has its blocks" "unwritten next-$i true" \
	"$(first --hints "$work/hints" "$realtime" "$last" | awk '{ print $1, $2, $4 }')"
umount "$mnt"
done_checks
