# SPDX-License-Identifier: GPL-2.0-or-later
#
# Filesystems filled at random, thousands of random sectors, and every answer compared with one
# that was derived another way (see oracle). ORACLE_SEED repeats a run, ORACLE_SECTORS and
# ORACLE_STEPS make it longer.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs mkfs.ext4 xfs_io xfs_db debugfs python3
export OWNERS_OF

seed=${ORACLE_SEED:-$((RANDOM * 32768 + RANDOM))}
n_sectors=${ORACLE_SECTORS:-700}
n_steps=${ORACLE_STEPS:-300}
oracle=$SRCDIR/tests/loop/oracle
mnt=$work/mnt
mkdir "$mnt"
echo "# seed $seed"

# compare "claim" SIZE MKFS...
compare() {
	local claim=$1 size=$2 disk
	shift 2
	disk=$(new_disk "$size")
	if ! "$@" "$disk" >/dev/null 2>&1 || ! mount "$disk" "$mnt" 2>/dev/null; then
		echo "# left out: $claim: cannot be made or mounted here"
		losetup -d "$disk"
		return
	fi
	python3 "$oracle" fill "$mnt" "$seed" "$n_steps" || exit 99
	check "$claim" python3 "$oracle" check "$mnt" "${disk#/dev/}" "$seed" "$n_sectors" "$work/rest"
	grep '^# [0-9]' "$work/check.out"
	umount "$mnt"
	if [[ $1 = mkfs.xfs && -s $work/rest ]]; then
		check "$claim, by xfs_db" python3 "$oracle" leftover "$disk" "$work/rest"
		grep '^# ' "$work/check.out"
	fi
	losetup -d "$disk"
}

compare "ext4, blocks of 4096" 256M mkfs.ext4 -q -F -b 4096
compare "ext4, blocks of 1024" 200M mkfs.ext4 -q -F -b 1024
compare "ext4 without checksums, blocks of 2048" 200M mkfs.ext4 -q -F -b 2048 -I 128 -O ^metadata_csum
compare "ext4 with clusters and data in inodes" 256M mkfs.ext4 -q -F -b 4096 -O bigalloc,inline_data -C 16384
compare "ext3, without extents" 200M mkfs.ext3 -q -F -b 1024
compare "XFS with a reverse map" 320M mkfs.xfs -q -f -m rmapbt=1,reflink=1
compare "XFS with a reverse map, blocks of 1024" 320M mkfs.xfs -q -f -b size=1024 -m rmapbt=1,reflink=1
compare "XFS with a reverse map and no reflink" 320M mkfs.xfs -q -f -m rmapbt=1,reflink=0
compare "XFS without a reverse map" 320M mkfs.xfs -q -f -m rmapbt=0,reflink=1
compare "XFS without a reverse map, blocks of 1024" 320M mkfs.xfs -q -f -b size=1024 -m rmapbt=0,reflink=1
compare "XFS without a reverse map and no reflink" 320M mkfs.xfs -q -f -m rmapbt=0,reflink=0

# What is asked about is bad: no page of it may be read from the device meanwhile.
ASK="--bad"
export ASK
compare "ext4, with bad inode tables and maps" 200M mkfs.ext4 -q -F -b 4096

done_checks
