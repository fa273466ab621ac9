# SPDX-License-Identifier: GPL-2.0-or-later
#
# One file, seen in many places: bind mounts, overlays, containers. The owner is the inode that lost
# its bytes, and it is told where else it is to be seen, and where something hides it.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs xfs_io jq unshare setfattr

disk=$(new_disk 600M)
make_xfs "$disk"
mnt=$work/mnt
mkdir "$mnt" "$work/bind" "$work/merged" "$work/inner"
mount "$disk" "$mnt" || skip "cannot mount XFS"

# views DISK SECTOR N: "path filesystem" of each in our own mount namespace, sorted; whatever else runs
# on this machine may have copied our mounts into one of its own
views() {
	ask "$@" | jq -r '.owners[].views // [] | .[] | select(.mount_pid == null) |
		"\(.path) \(.filesystem)"' | sort
}

# --- other mounts

mkdir -p "$mnt/dir/sub"
make_file "$mnt/dir/sub/file" 4
ln "$mnt/dir/sub/file" "$mnt/link"
sector=$(sector_of "$mnt/link")
check_equal "a file that is mounted once is seen nowhere else" "" "$(views "$disk" "$sector" 8)"
mount --bind "$mnt/dir" "$work/bind"
check_equal "a bind mount of its directory shows it" "$work/bind/sub/file xfs" "$(views "$disk" "$sector" 8)"
check_equal "while its names are all links below one mount" \
	"$(printf '%s\n' "$mnt/dir/sub/file" "$mnt/link" | sort)" "$(names "$disk" "$sector" 8)"
mount -t tmpfs none "$work/bind/sub"
check_equal "not where something is mounted on top" "" "$(views "$disk" "$sector" 8)"
umount "$work/bind/sub"
umount "$work/bind"

# --- overlays

mkdir -p "$mnt/lower/d/e" "$mnt/upper" "$mnt/work" "$mnt/second/d"
for name in seen copied removed; do
	make_file "$mnt/lower/d/$name" 4
done
make_file "$mnt/lower/d/e/opaque" 4
make_file "$mnt/second/d/below" 4
make_file "$mnt/second/d/seen" 4
mount -t overlay none -o "lowerdir=$mnt/lower:$mnt/second,upperdir=$mnt/upper,workdir=$mnt/work" \
	"$work/merged" || skip "cannot mount an overlay"
# of this owner only: a copy up shares the block with what it copied, where extents can be shared
view() {
	ask "$disk" "$(sector_of "$1")" 8 | jq -r --arg path "$1" '.owners[] | select(.paths[0] == $path) |
		.views // [] | .[] | select(.mount_pid == null) | "\(.path) \(.filesystem)"' | sort
}
overlay=$work/merged/d
check_equal "an overlay shows the file of its lower layer" "$overlay/seen overlay" "$(view "$mnt/lower/d/seen")"
check_equal "of the next layer, too" "$overlay/below overlay" "$(view "$mnt/second/d/below")"
check_equal "but not one that the layer between hides" "" "$(view "$mnt/second/d/seen")"
echo more >> "$overlay/copied"
sync
check_equal "after a copy up the lower one is hidden" "" "$(view "$mnt/lower/d/copied")"
check_equal "and the upper one shows" "$overlay/copied overlay" "$(view "$mnt/upper/d/copied")"
rm "$overlay/removed"
check_equal "a file that was removed is hidden" "" "$(view "$mnt/lower/d/removed")"
check_equal "one whose directory is as it was, is not" "$overlay/e/opaque overlay" "$(view "$mnt/lower/d/e/opaque")"
rm -r "$overlay/e"
mkdir "$overlay/e"
: > "$overlay/e/opaque"
check_equal "one whose directory was made anew is" "" "$(view "$mnt/lower/d/e/opaque")"
check_equal "the owner is named by its own filesystem, and complete" "$mnt/lower/d/seen true" \
	"$(ask "$disk" "$(sector_of "$mnt/lower/d/seen")" 8 | jq -r '"\(.owners[0].paths[0]) \(.owners_complete)"')"
umount "$work/merged"

odd="$mnt/odd:, dir"
mkdir "$odd"
make_file "$odd/f" 4
mount -t overlay none -o "lowerdir=${odd//[:,]/\\&}:$mnt/second" "$work/merged" 2>/dev/null ||
	mount -t overlay none -o "lowerdir=$mnt/second:$mnt/lower" "$work/merged"
if [ -e "$work/merged/f" ]; then
	check_equal "a layer with an odd name" "$work/merged/f overlay" "$(view "$odd/f")"
fi
umount "$work/merged"

# --- containers

mkfifo "$work/ready"
mkdir "$work/inside"
# shellcheck disable=SC2016
start unshare -m sh -c 'mount --bind "$1/dir" "$2" && mount -t overlay none -o "lowerdir=$1/lower:$1/second" "$3" &&
	echo > "$4"; exec sleep 1000' sh "$mnt" "$work/inside" "$work/inner" "$work/ready"
read -r -t 20 < <(cat "$work/ready")
pid=${children[0]}
found=$(ask "$disk" "$sector" 8 | jq -c '.owners[0].views')
check_equal "a container's bind mount, and through whom it is reached" \
	"[[\"$work/inside/sub/file\",$pid],[\"$mnt/dir/sub/file\",$pid],[\"$mnt/link\",$pid]]" \
	"$(jq -c --argjson pid "$pid" '[.[] | select(.mount_pid == $pid) | [.path, .mount_pid]] | sort' <<<"$found")"
check "which works" test -f "/proc/$pid/root$work/inside/sub/file"
check_equal "a container's overlay" "$work/inner/d/seen $pid" \
	"$(ask "$disk" "$(sector_of "$mnt/lower/d/seen")" 8 |
		jq -r --argjson pid "$pid" '.owners[0].views[] | select(.filesystem == "overlay" and .mount_pid == $pid) |
			"\(.path) \(.mount_pid)"')"

# in a control group of a container engine, if one can be made
group=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
id=$(printf 'ab%.0s' {1..32})
if [ -n "$group" ] && mkdir "$group/docker-$id.scope" 2>/dev/null; then
	if echo "$pid" > "$group/docker-$id.scope/cgroup.procs"; then
		check_equal "is told by its id" "$id" "$(ask "$disk" "$sector" 8 | jq -r --argjson pid "$pid" '
			[.owners[0].views[] | select(.mount_pid == $pid)][0].container')"
		umount "$mnt"
		check_equal "also where only it has the filesystem" "$pid $id $mnt/link" \
			"$(ask "$disk" "$sector" 8 | jq -r '.owners[0] |
				"\(.mount_pid) \(.mount_container) \(.paths | map(select(endswith("link")))[0])"')"
		mount "$disk" "$mnt"
	fi
	echo "$pid" > "$group/cgroup.procs"
	rmdir "$group/docker-$id.scope"
fi

# --- many

kill "$pid"
mkdir "$work/many"
for i in {1..70}; do
	mkdir "$work/many/$i"
	mount --bind "$mnt/dir" "$work/many/$i"
done
check_equal "more places than are listed are told as such" "64 true" \
	"$(ask "$disk" "$sector" 8 | jq -r '.owners[0] | "\(.views | length) \(.views_more)"')"

done_checks
