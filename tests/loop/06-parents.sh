# SPDX-License-Identifier: GPL-2.0-or-later
#
# An XFS whose inodes know their parents names each file without reading a directory, with all its
# links; what was found before is tried first, and never believed without a look.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs xfs_io xfs_db jq strace setfattr

# An empty filesystem has no inode that could lack its parents, so setting the feature's bit makes
# one that older mkfs.xfs cannot make. A first extended attribute sets the bit that they are kept as.
make_xfs_with_parents() {
	local disk=$1 mountpoint=$2 features
	make_xfs "$disk"
	mount "$disk" "$mountpoint" || return
	: > "$mountpoint/attribute"
	setfattr -n user.x -v 1 "$mountpoint/attribute" && rm "$mountpoint/attribute"
	umount "$mountpoint"
	features=$(xfs_db -c 'sb 0' -c 'p features_incompat' "$disk" | awk '{ print $3 }')
	xfs_db -x -c 'sb 0' -c "write -d features_incompat $(printf 0x%x $((features | 0x80)))" \
		"$disk" >/dev/null && mount "$disk" "$mountpoint" 2>/dev/null
}

# directories DISK SECTOR N: how many times the search read entries of directories of the disk
directories() {
	strace -f -yy -e trace=getdents64 -o "$work/trace" "$OWNERS_OF" "$(basename "$1")" "$2" "$3" \
		>/dev/null
	grep -c "getdents64([0-9]*<$mnt" "$work/trace"
}

disk=$(new_disk 600M)
mnt=$work/mnt
mkdir "$mnt"

# --- without parent pointers

make_xfs "$disk"
mount "$disk" "$mnt" || skip "cannot mount XFS"
mkdir -p "$mnt/a/b" "$mnt/z"
make_file "$mnt/a/b/file" 4
sector=$(sector_of "$mnt/a/b/file")
umount "$mnt"
mount "$disk" "$mnt"
check "a file that nobody has looked up costs a pass over directories" \
	[ "$(directories "$disk" "$sector" 8)" -gt 0 ]
check_equal "a second question for it none" 0 "$(directories "$disk" "$sector" 8)"

check_equal "a name found before is not believed when the file was moved" "$mnt/z/moved" \
	"$("$OWNERS_OF" --again "mv $mnt/a/b/file $mnt/z/moved; echo 2 > /proc/sys/vm/drop_caches" \
		"$(basename "$disk")" "$sector" 8 | jq -r '.owners[0].paths[]')"
check_equal "nor when another took its place" "$mnt/a/b/file" \
	"$("$OWNERS_OF" --again "mv $mnt/z/moved $mnt/a/b/file; cp $mnt/a/b/file $mnt/z/moved" \
		"$(basename "$disk")" "$sector" 8 | jq -r '.owners[0].paths[]')"
forget='echo 2 > /proc/sys/vm/drop_caches'
sh -c "$forget"
once=$(directories "$disk" "$sector" 8)
sh -c "$forget"
strace -f -yy -e trace=getdents64 -o "$work/trace" "$OWNERS_OF" --again "$forget" \
	"$(basename "$disk")" "$sector" 8 > "$work/again"
check_equal "but serves as long as it is right" "$mnt/a/b/file" \
	"$(jq -r '.owners[0].paths[]' "$work/again")"
check_equal "without another pass, though the kernel has forgotten the name" "$once" \
	"$(grep -c "getdents64([0-9]*<$mnt" "$work/trace")"
umount "$mnt"

# --- with

make_xfs_with_parents "$disk" "$mnt" || {
	echo "# this kernel does not mount XFS with parent pointers: left out"
	done_checks
}
mkdir -p "$mnt/d/e" "$mnt/other" "$mnt/hidden/below"
make_file "$mnt/d/e/f" 4
ln "$mnt/d/e/f" "$mnt/g"
ln "$mnt/d/e/f" "$mnt/other/"$'new\nline'
sector=$(sector_of "$mnt/g")
umount "$mnt"
mount "$disk" "$mnt"
check_equal "all links of a file are known" \
	"$(printf '%s\n' "$mnt/d/e/f" "$mnt/g" "$mnt/other/"$'new\nline' | sort)" "$(names "$disk" "$sector" 8)"
check_equal "and no directory is read for them" 0 "$(directories "$disk" "$sector" 8)"
check_equal "the answer is complete" true "$(complete "$disk" "$sector" 8)"

mv "$mnt/d/e/f" "$mnt/other/f"
rm "$mnt/g"
check_equal "after a rename and an unlink as well" \
	"$(printf '%s\n' "$mnt/other/f" "$mnt/other/"$'new\nline' | sort)" "$(names "$disk" "$sector" 8)"

deep=$mnt/deep
for i in {1..150}; do
	deep+=/d$i
done
mkdir -p "$deep"
make_file "$deep/bottom" 4
check_equal "a file 150 directories down" "$deep/bottom" \
	"$(names "$disk" "$(sector_of "$deep/bottom")" 8)"

# more links than one call of the kernel gives, in several directories
make_file "$mnt/linked" 4
for i in {1..300}; do
	ln "$mnt/linked" "$mnt/d/link-with-a-long-name-to-fill-the-buffer-$i"
done
check_equal "hundreds of links" 301 "$(names "$disk" "$(sector_of "$mnt/linked")" 8 | wc -l)"

# the directory's own block: make it large enough to have one
for i in {1..200}; do
	: > "$mnt/other/entry-with-a-name-$i"
done
sync
block=$(xfs_io -r -c 'fsmap -v' "$mnt" | awk -v ino="$(stat -c %i "$mnt/other")" \
	'$4 == ino || $5 == ino { split($3, a, /[[.\]:]+/); print a[2]; exit }')
check_equal "a directory is named by its own parent" "$mnt/other" "$(names "$disk" "$block" 8)"

make_file "$mnt/hidden/below/file" 4
hidden=$(sector_of "$mnt/hidden/below/file")
mount -t tmpfs none "$mnt/hidden"
check_equal "a file below another mount is named" "$mnt/hidden/below/file" \
	"$(names "$disk" "$hidden" 8)"
umount "$mnt/hidden"

exec 7<"$mnt/other/f"
rm "$mnt/other/f" "$mnt/other/"$'new\nline'
check_equal "an unlinked file that is open has no name, and is an owner" "true 0 true" \
	"$(ask "$disk" "$sector" 8 | jq -r '.owners[0] as $o | "\($o.unlinked) \($o.paths | length) \(.owners_complete)"')"
exec 7<&-

done_checks
