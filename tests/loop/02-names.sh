# SPDX-License-Identifier: GPL-2.0-or-later
#
# How files are named: whatever bytes are in the name, whatever part of the
# filesystem is mounted where, in whose mount namespace, and whatever lies on top.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs xfs_io jq python3 unshare

disk=$(new_disk 600M)
make_xfs "$disk"
mnt=$work/mnt
mkdir "$mnt" "$work/elsewhere" "$work/third"
mount "$disk" "$mnt" || skip "cannot mount XFS"

# --- names

newline=$mnt/$'new\nline'
invalid=$mnt/$'inval\xffid'
make_file "$newline" 4
make_file "$invalid" 4
check_equal "a newline in a name is kept" "$newline" \
	"$(ask "$disk" "$(sector_of "$newline")" 8 | jq -r '.owners[0].paths[0]')"
check_equal "bytes that are not UTF-8 are kept beside the readable form" \
	"$(printf %s "$invalid" | od -An -tx1 | tr -d ' \n')" \
	"$(ask "$disk" "$(sector_of "$invalid")" 8 | jq -r '.owners[0].paths_hex[0]')"

make_file "$mnt/open" 4
exec 7<"$mnt/open"
check_equal "a file that somebody has open" "$mnt/open" "$(names "$disk" "$(sector_of "$mnt/open")" 8)"
mv "$mnt/open" "$mnt/moved"
check_equal "is named as it is called now" "$mnt/moved" "$(names "$disk" "$(sector_of "$mnt/moved")" 8)"
exec 7<&-

# deeper than descriptors are kept open, with files on the way down and after the way back
deep=$mnt/deep
for i in {1..150}; do
	deep+=/d$i
done
mkdir -p "$deep" "$mnt/zzz"
make_file "$deep/bottom" 4
for i in {1..40}; do
	: > "${deep%/d150}/before-$i"
done
ln "$deep/bottom" "${deep%/d100/*}/halfway"
ln "$deep/bottom" "$mnt/zzz/last"
check_equal "links at every depth are found" "$(printf '%s\n' "$deep/bottom" \
	"${deep%/d100/*}/halfway" "$mnt/zzz/last" | sort)" \
	"$(names "$disk" "$(sector_of "$mnt/zzz/last")" 8)"
check_equal "a limit on open files does not change that" 3 \
	"$(ulimit -n 80; names "$disk" "$(sector_of "$mnt/zzz/last")" 8 | wc -l)"

# --- what lies on top

mkdir -p "$mnt/hidden/below"
make_file "$mnt/hidden/below/file" 4
hidden=$(sector_of "$mnt/hidden/below/file")
mount -t tmpfs none "$mnt/hidden"
check_equal "a file below a directory that another mount covers is named" \
	"$mnt/hidden/below/file" "$(names "$disk" "$hidden" 8)"
umount "$mnt/hidden"
make_file "$mnt/top" 4
make_file "$mnt/under" 4
under=$(sector_of "$mnt/under")
mount --bind "$mnt/top" "$mnt/under"
check_equal "a file that another is bound upon is not mistaken for it" \
	"$mnt/under" "$(names "$disk" "$under" 8)"
check_equal "and the other has one name, its own" \
	"$mnt/top" "$(names "$disk" "$(sector_of "$mnt/top")" 8)"
umount "$mnt/under"
mount --bind "$mnt/zzz" "$mnt/hidden"
check_equal "a directory of the same filesystem bound into it gives no second name" 3 \
	"$(names "$disk" "$(sector_of "$mnt/zzz/last")" 8 | wc -l)"
umount "$mnt/hidden"

# --- several mounts

sector=$(sector_of "$mnt/top")
mount --bind "$mnt" "$work/elsewhere"
mount -o remount,bind,ro "$work/elsewhere"
check_equal "a writable mount is preferred to a read-only bind" "$mnt/top" "$(names "$disk" "$sector" 8)"
umount "$mnt"
check_equal "a read-only bind will do" "$work/elsewhere/top true" \
	"$(ask "$disk" "$sector" 8 | jq -r '"\(.owners[0].paths[0]) \(.owners_complete)"')"
mount -t tmpfs none "$work/elsewhere"
check_equal "covered by another mount there is no way in" "unknown false" \
	"$(ask "$disk" "$sector" 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"
check "which is said" grep -q "no path leads there" <<<"$(reason "$disk" "$sector" 8)"
umount "$work/elsewhere"
exec 7<"$work/elsewhere/moved"
mount -t tmpfs none "$work/elsewhere"
check_equal "but through a file that somebody has open there is one" "file-data false" \
	"$(ask "$disk" "$sector" 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"
check "and it is said that the path is covered" grep -q "covered by another mount" \
	<<<"$(reason "$disk" "$sector" 8)"
umount "$work/elsewhere"

umount -l "$work/elsewhere"
check_equal "unmounted lazily, it is not idle" "file-data false" \
	"$(ask "$disk" "$sector" 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"
exec 7<&-
sleep 0.5
check_equal "until the last file is closed" "raw true" \
	"$(ask "$disk" "$sector" 8 | jq -r '"\(.owners[0].kind) \(.owners_complete)"')"

# --- a part of the filesystem

mount "$disk" "$mnt" || exit 99
make_file "$mnt/zzz/inside" 4
inside=$(sector_of "$mnt/zzz/inside")
mount --bind "$mnt/zzz" "$work/third"
umount "$mnt"
check_equal "a file inside the part that is mounted is named" "$work/third/inside true" \
	"$(ask "$disk" "$inside" 8 | jq -r '"\(.owners[0].paths[0]) \(.owners_complete)"')"
check_equal "of a file outside we know who, but not where" "0 false" \
	"$(ask "$disk" "$sector" 8 | jq -r '"\(.owners[0].paths | length) \(.owners_complete)"')"
check "and say so" grep -q "a part of it that is not mounted" <<<"$(reason "$disk" "$sector" 8)"
umount "$work/third"

# --- another mount namespace

mkfifo "$work/ready"
# shellcheck disable=SC2016
start unshare -m sh -c 'mount "$1" "$2" && echo > "$3"; exec sleep 1000' sh "$disk" "$mnt" "$work/ready"
read -r < "$work/ready"
check "the mount is not ours" ! mountpoint -q "$mnt"
found=$(ask "$disk" "$sector" 8)
check_equal "a mount of another namespace counts" "$mnt/top true" \
	"$(jq -r '"\(.owners[0].paths[0]) \(.owners_complete)"' <<<"$found")"
check_equal "and we are told through whom to reach it" "${children[0]}" \
	"$(jq -r '.owners[0].mount_pid' <<<"$found")"
check "which works" test -f "/proc/${children[0]}/root$mnt/top"

done_checks
