# SPDX-License-Identifier: GPL-2.0-or-later
#
# From a range to its file, see resolve.c, on loop devices: XFS with 1,000 and 100,000 files, ext4
# and XFS without a reverse map with 100,000. BENCH_MILLION=yes adds a million, which takes 10 GB
# in /tmp and a quarter of an hour.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs mkfs.ext4 xfs_io debugfs filefrag

resolve=$BUILDDIR/tests/bench/resolve
HINTS=$work/hints
export HINTS
mkdir -m 700 "$HINTS"

# make_disk N_FILES MKFS...: $disk, at $mnt
make_disk() {
	local n_files=$1
	shift
	mnt=$work/mnt-$n_files
	mkdir -p -m 700 "$mnt"
	disk=$(new_disk 24G --direct-io=on)
	"$@" "$disk" >/dev/null 2>&1 && mount "$disk" "$mnt" && "$resolve" fill "$mnt" "$n_files" || exit
}

remove() {
	local image
	image=$(losetup -n -O BACK-FILE "$disk")
	umount "$mnt"
	losetup -d "$disk"
	rm -f "$image" "$HINTS"/*
}

# measure LABEL N_FILES MKFS...
measure() {
	make_disk "${@:2}"
	"$resolve" measure "$mnt" "$disk" "$2" "$1" || exit
	remove
}

sizes=(1000 100000)
[ "${BENCH_MILLION-}" != yes ] || sizes+=(1000000)
echo '{"benchmark":"resolve","title":"Whose is this sector? Random sectors of random files of 4 KiB; warm caches"}'

# The smallest stays, to take turns with the largest.
for n in "${sizes[@]}"; do
	make_disk "$n" mkfs.xfs -q -f -m rmapbt=1,reflink=1
	"$resolve" measure "$mnt" "$disk" "$n" XFS || exit
	case $n in
	"${sizes[0]}") smallest=("$mnt" "$disk" "$n") ;;
	"${sizes[-1]}") "$resolve" growth XFS "${smallest[@]}" "$mnt" "$disk" "$n" || exit ;;&
	*) remove ;;
	esac
done
mnt=${smallest[0]} disk=${smallest[1]}
remove
for n in "${sizes[@]:1}"; do
	measure ext4 "$n" mkfs.ext4 -q -F
	measure "XFS without a map" "$n" mkfs.xfs -q -f -m rmapbt=0,reflink=1
done
