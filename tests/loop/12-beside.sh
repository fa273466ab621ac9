# SPDX-License-Identifier: GPL-2.0-or-later
#
# Devices that an XFS has beside its own: of its log it is said to be one, and of its realtime data
# that nobody can tell whose they are; what they look like on the filesystem's own device is not
# believed. A kernel without realtime shows the log only: the guest scenario 51-oracle.sh has both,
# and sets BESIDE_NEED_REALTIME.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs xfs_io jq

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
xfs_io -f -c "chattr +r" -c "pwrite -q -b 1M 0 64M" -c fsync "$mnt/realtime"
make_file "$mnt/plain" 65536
sector=$(sector_of "$mnt/realtime" 40000000)
check_equal "nobody is named for bytes of a realtime device, but the filesystem is" "unknown xfs $mnt 0 false" \
	"$(said "$realtime" "$sector")"
check "why is said" grep -q "is the realtime device of the XFS at $mnt" <<<"$(reason "$realtime" "$sector" 8)"
check_equal "nor are they called free" "unknown xfs $mnt 0 false" "$(said "$realtime" 800000)"
n_wrong=0
for offset in 0 20000000 60000000; do
	at=$(sector_of "$mnt/plain" $offset)
	[ "$(names "$disk" "$at" 1)" = "$mnt/plain" ] || n_wrong=$((n_wrong + 1))
	# The same number, of the other device: whatever has it here, it is not that file.
	at=$(sector_of "$mnt/realtime" $offset)
	! names "$disk" "$at" 1 | grep -qxF "$mnt/realtime" || n_wrong=$((n_wrong + 1))
done
check_equal "on the filesystem's own device a realtime file has nothing, and others what they have" 0 $n_wrong
check_equal "a realtime file is not said to be whole" false \
	"$("$CTL" --socket "$work/none" files --state-dir "$work/none" --json "$mnt/realtime" | jq '.files[0].complete')"
umount "$mnt"
done_checks
