# SPDX-License-Identifier: GPL-2.0-or-later
#
# Filesystems without a reverse map: what processes have open is answered at once, the rest by a
# search through all inodes; hints of an earlier search are never believed; what is bad on the
# device is not read.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs mkfs.ext4 xfs_io xfs_db debugfs jq python3 setfattr

mnt=$work/mnt
hints=$work/hints
mkdir -m 700 "$mnt" "$hints"

# first [OPTION...] DISK SECTOR N: kind, name, complete, searching
first() {
	ask "$@" | jq -r '"\(.owners[0].kind) \(.owners[0].paths[0] // "-" | split("/") | last) \(.owners_complete) \(.owners_searching // false)"'
}

# acl FILE: the block of its attributes, in ext4
acl() {
	debugfs -R "stat $1" "$disk" 2>/dev/null | sed -n 's/.*File ACL: \([0-9]*\).*/\1/p'
}

# What a search sees all inodes for: in ext4 a block of attributes, which others may share, in XFS
# the root of the second group's free space tree.
odd_sector() {
	if [ "$(stat -f -c %T "$mnt")" = xfs ]; then
		xfs_io -r -c 'fsmap -v' "$mnt" | sed -n 's/.*\[\([0-9]*\)\.\..*unknown  *1  *(0\.\..*/\1/p' | awk '{ print $1 + 8 }'
	else
		sync
		echo $(($(acl /closed) * 8))
	fi
}

cat > "$work/hold.py" <<'PYTHON'
import mmap, os, sys, time
path, how, ready = sys.argv[1:]
fd = os.open(path, os.O_RDONLY)
if how == "map":
    libc_map = mmap.mmap(fd, 4096, prot=mmap.PROT_READ)
    os.close(fd)
open(ready, "w").close()
time.sleep(1000)
PYTHON
hold() {
	start python3 "$work/hold.py" "$1" "$2" "$work/held"
	for _ in {1..100}; do
		[ -e "$work/held" ] && break
		sleep 0.1
	done
	rm -f "$work/held"
}

# in_use MKFS...: the claims that hold for each of them
in_use() {
	local name=$1 disk
	disk=$(new_disk 320M)
	shift
	"$@" "$disk" >/dev/null 2>&1 && mount "$disk" "$mnt" || exit 99
	make_file "$mnt/closed" 64
	setfattr -n user.long -v "$(printf 'v%.0s' {1..900})" "$mnt/closed"
	make_file "$mnt/opened" 64
	make_file "$mnt/mapped" 64
	make_file "$mnt/gone" 64
	hold "$mnt/opened" open
	hold "$mnt/mapped" map
	hold "$mnt/gone" open
	local closed opened mapped gone
	closed=$(sector_of "$mnt/closed")
	opened=$(sector_of "$mnt/opened")
	mapped=$(sector_of "$mnt/mapped")
	gone=$(sector_of "$mnt/gone")
	rm "$mnt/gone"

	check_equal "$name: at once, a closed file is not known yet, and searched for" \
		"unknown - false true" "$(first --at-once "$disk" "$closed" 8)"
	check_equal "$name: at once, an open file is" "file-data opened true false" \
		"$(first --at-once "$disk" "$opened" 8)"
	check_equal "$name: and one that is only mapped" "file-data mapped true false" \
		"$(first --at-once "$disk" "$mapped" 8)"
	check_equal "$name: an unlinked file that is open has no name" "file-data - true false" \
		"$(first --at-once "$disk" "$gone" 8)"
	check_equal "$name: the search finds the closed file" "file-data closed true false" \
		"$(first "$disk" "$closed" 8)"
	check_equal "$name: by searching" scan "$(ask "$disk" "$closed" 8 | jq -r '.owners[0].method')"
	check_equal "$name: many ranges in one search" "closed mapped opened" \
		"$(ask "$disk" "$mapped" 8 "$closed" 8 "$opened" 8 |
			jq -r '.owners[0].paths[0] | split("/") | last' | sort | paste -sd' ')"
	kill "${children[@]}"
	wait
	children=()

	# Hints are kept for large filesystems only.
	mkdir "$mnt/many"
	python3 -c "
import sys
for i in range(4300): open(f'{sys.argv[1]}/many/{i}', 'w').write('x' * 5000)" "$mnt"
	sync
	local last old
	last=$(sector_of "$mnt/many/7")
	ask --hints "$hints" "$disk" "$(odd_sector "$disk")" 1 >/dev/null
	check "$name: a search leaves hints" compgen -G "$hints/hints-*"
	check_equal "$name: which name the owner at once" "file-data 7 true false" \
		"$(first --hints "$hints" --at-once "$disk" "$last" 8)"
	old=$(stat -c %i "$mnt/many/7")
	rm "$mnt/many/7"
	sync
	check "$name: and are not believed when the file is gone" \
		test "$(ask --hints "$hints" "$disk" "$last" 8 |
			jq --argjson i "$old" '[.owners[] | select(.inode == $i and .kind == "file-data")] | length')" = 0
	script -qec "$BUILDDIR/hwpoisonctl --socket $work/none resolve --device $disk --sector $(odd_sector "$disk")" \
		"$work/screen" >/dev/null
	check "$name: who waits at a terminal sees how far it is" \
		grep -q 'Searched 4096 of about 43[0-9][0-9] inodes' "$work/screen"
	for file in "$hints"/hints-*; do
		head -c 100000 /dev/urandom > "$file"
	done
	check_equal "$name: nor when they are nonsense" "file-data closed true false" \
		"$(first --hints "$hints" "$disk" "$closed" 8)"
	rm -f "$hints"/*
	umount "$mnt"
	losetup -d "$disk"
}

in_use ext4 mkfs.ext4 -q -F -b 4096
in_use "XFS without a reverse map" mkfs.xfs -q -f -m rmapbt=0,reflink=1

# --- shared blocks

disk=$(new_disk 320M)
mkfs.xfs -q -f -m rmapbt=0,reflink=1 "$disk" >/dev/null && mount "$disk" "$mnt" || exit 99
make_file "$mnt/one" 64
cp --reflink=always "$mnt/one" "$mnt/two"
hold "$mnt/one" open
sector=$(sector_of "$mnt/one")
found=$(ask --at-once "$disk" "$sector" 8)
check_equal "at once, the sharer that is open is known, and that others may be" "one true false true" \
	"$(jq -r '"\(.owners[0].paths[0] | split("/") | last) \(.owners[0].shared) \(.owners_complete) \(.owners_searching)"' <<<"$found")"
check_equal "the search finds the others" "one two true" \
	"$(ask "$disk" "$sector" 8 | jq -r '"\([.owners[].paths[0] | split("/") | last] | join(" ")) \(.owners_complete)"')"
kill "${children[@]}"
wait
children=()
umount "$mnt"
losetup -d "$disk"

# --- XFS: symbolic links that are longer than an inode can hold

disk=$(new_disk 320M)
mkfs.xfs -q -f -m rmapbt=0,reflink=1 "$disk" >/dev/null && mount "$disk" "$mnt" || exit 99
ln -s "$(printf 't%.0s' {1..900})" "$mnt/link"
ln "$mnt/link" "$mnt/again"
inode=$(stat -c %i "$mnt/link")
umount "$mnt"
sector=$(xfs_db -r -c "inode $inode" -c bmap "$disk" | sed -n 's/.*startblock \([0-9]*\) .*/\1/p')
sector=$(xfs_db -r -c "convert fsblock $sector daddr" "$disk" | sed 's/.*(\([0-9]*\)).*/\1/')
mount "$disk" "$mnt"
check_equal "a symbolic link, by both its names" "symlink again link true" \
	"$(ask "$disk" "$sector" 8 | jq -r '"\(.owners[0].kind) \([.owners[0].paths[] | split("/") | last] | sort | join(" ")) \(.owners_complete)"')"
inode_sector=$(xfs_db -r -c "convert inode $inode daddr" "$disk" | sed 's/.*(\([0-9]*\)).*/\1/')
check_equal "its inode is not read where that is bad" "unknown false" \
	"$(ask --bad "$disk" "$sector" 8 "$inode_sector" 8 | head -n 1 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"
rm "$mnt/link" "$mnt/again"
ln -s "$(printf 'n%.0s' {1..900})" "$mnt/new"
check "what the device has of one that is gone counts for nothing" \
	test "$(ask "$disk" "$sector" 8 | jq -r '[.owners[].paths[] | select(endswith("/link"))] | length')" = 0
umount "$mnt"
losetup -d "$disk"

# --- ext4: what is not a file's data

disk=$(new_disk 256M)
mkfs.ext4 -q -F -b 4096 -I 256 -O inline_data "$disk" && mount "$disk" "$mnt" || exit 99
# of FILE: the blocks that debugfs shows, without the data of a fragmented file
blocks() {
	debugfs -R "blocks $1" "$disk" 2>/dev/null
}
make_file "$mnt/file" 64
echo small > "$mnt/inline"
mkdir "$mnt/dir"
touch "$mnt"/dir/{1..100}-a-name-that-makes-the-directory-longer-than-an-inode-can-hold
ln -s "$(printf 't%.0s' {1..200})" "$mnt/link"
setfattr -n user.long -v "$(printf 'v%.0s' {1..900})" "$mnt/file"
cp -a "$mnt/file" "$mnt/twin"
python3 - "$mnt/pieces" <<'PYTHON'
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for i in range(2000):
    os.pwrite(fd, b"x", i * 8192)
os.fsync(fd)
PYTHON
sync
kind_of_block() {
	ask "$disk" $(($1 * 8)) 8 | jq -r '"\(.owners[0].kind) \(.owners[0].paths[0] // "-" | split("/") | last) \(.owners_complete)"'
}
check_equal "a directory" "directory dir true" "$(kind_of_block "$(blocks /dir | awk '{ print $NF }')")"
check_equal "a symbolic link" "symlink link true" "$(kind_of_block "$(blocks /link | awk '{ print $1 }')")"
check_equal "the journal" "log - true" "$(kind_of_block "$(blocks '<8>' | awk '{ print $5 }')")"
acl=$(acl /file)
check_equal "attributes, of all that share them" "xattr file twin" \
	"$(ask "$disk" $((acl * 8)) 8 | jq -r '[.owners[0].kind, (.owners[].paths[0] | split("/") | last)] | join(" ")')"
check_equal "at once, it is said that more may share them" true \
	"$(ask --at-once "$disk" $((acl * 8)) 8 | jq -r .owners_searching)"
map=$(debugfs -R 'ex -n /pieces' "$disk" 2>/dev/null | awk '$1 == "1/" { print $8; exit }')
check_equal "a block of an extent tree" "extent-map pieces true" "$(kind_of_block "$map")"
table=$(debugfs -R 'imap /inline' "$disk" 2>/dev/null | sed -n 's/.*block \([0-9]*\),.*/\1/p')
check_equal "a file's data in the inode table are metadata" "metadata - true" "$(kind_of_block "$table")"

# A page that is bad is not read: neither of the table, nor of the map.
sector=$(sector_of "$mnt/file")
found=$(ask --bad "$disk" $((table * 8)) 8 "$sector" 8)
check_equal "a file whose inode cannot be read from the device is found by asking all" \
	"metadata file-data" "$(jq -r '.owners[0].kind' <<<"$found" | paste -sd' ')"
found=$(strace -f -e trace=pread64,read -o "$work/trace" "$OWNERS_OF" --bad "${disk#/dev/}" $((table * 8)) 8 "$sector" 8)
check "and it was not read" ! awk -v at=$((table * 4096)) '
	match($0, /, [0-9]+, [0-9]+\) = [0-9]+$/) {
		split(substr($0, RSTART + 2), a, /, |\)/)
		if (/pread64/ && a[2] <= at && at < a[2] + a[1]) found = 1
	}
	END { exit !found }' "$work/trace"
check "while others were" grep -q 'pread64.*, 4096, ' "$work/trace"

# With blocks of 1024 bytes the first is in front of the filesystem's, which does not tell of it.
small=$(new_disk 64M)
mkdir "$work/small"
mkfs.ext4 -q -F -b 1024 "$small" && mount "$small" "$work/small" || exit 99
check_equal "the boot block" "metadata - true false" "$(first "$small" 0 2)"
check_equal "and the superblock behind it" "metadata - true false" "$(first "$small" 2 2)"
umount "$work/small"

# --- hwpoisonctl without a daemon

ctl=$BUILDDIR/hwpoisonctl
check_equal "hwpoisonctl resolve names the file" "$mnt/file" \
	"$("$ctl" --socket "$work/none" --json resolve --device "$disk" --sector "$sector" | jq -r '.ranges[0].owners[0].paths[0]')"
check "in words, too" grep -q "$mnt/file" <<<"$("$ctl" --socket "$work/none" resolve --device "$disk" --sector "$sector")"
chmod 755 "$work"
said=$(setpriv --reuid=65534 --clear-groups "$ctl" --socket "$work/none" resolve --device "$disk" --sector "$sector" 2>&1)
check_equal "an ordinary user is told in a sentence" \
	"hwpoisonctl: resolve needs root, or a running hwpoisond and membership of group hwpoisond." "$said"
umount "$mnt"

done_checks
