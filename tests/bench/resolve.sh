# SPDX-License-Identifier: GPL-2.0-or-later
#
# From a range to its file, see resolve.c, on loop devices: XFS with 1,000 and 100,000 files, ext4
# and XFS without a reverse map with 100,000. BENCH_MILLION=yes adds a million, which takes 10 GB
# in /tmp and a quarter of an hour.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs mkfs.ext4 xfs_io debugfs filefrag jq

resolve=$BUILDDIR/tests/bench/resolve
mnt=$work/mnt
HINTS=$work/hints
export HINTS
mkdir -m 700 "$mnt" "$HINTS"

# measure LABEL N_FILES MKFS...
measure() {
	local label=$1 n_files=$2 disk
	shift 2
	disk=$(new_disk 24G --direct-io=on)
	"$@" "$disk" >/dev/null 2>&1 && mount "$disk" "$mnt" && "$resolve" fill "$mnt" "$n_files" &&
		"$resolve" measure "$mnt" "$disk" "$n_files" "$label" || exit
	umount "$mnt"
	losetup -d "$disk"
	rm -f "$work"/disk-* "$HINTS"/*
}

sizes=(1000 100000)
[ "${BENCH_MILLION-}" != yes ] || sizes+=(1000000)
echo '{"benchmark":"resolve","title":"Whose is this sector? Random sectors of random files of 4 KiB; warm caches"}'
for n in "${sizes[@]}"; do
	measure XFS "$n" mkfs.xfs -q -f -m rmapbt=1,reflink=1
done | tee "$work/xfs"
jq -sc --arg n "${sizes[-1]}" '
	def wall($n): .[] | select(.row == "XFS, 1 of \($n) files: hwpoisonctl resolve") | .wall_msec;
	(wall($n) / wall(1000)) as $value |
	{benchmark: "resolve", claim: "XFS: time of hwpoisonctl for one range with \($n) files, in those with 1000",
	 value: $value, at_most: 1.5, met: ($value <= 1.5)}' "$work/xfs"
for n in "${sizes[@]:1}"; do
	measure ext4 "$n" mkfs.ext4 -q -F
	measure "XFS without a map" "$n" mkfs.xfs -q -f -m rmapbt=0,reflink=1
done
