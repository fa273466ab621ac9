# SPDX-License-Identifier: GPL-2.0-or-later
#
# Filesystems filled at random, thousands of random sectors, and every answer compared with one
# that was derived another way (see oracle). ORACLE_SEED repeats a run, ORACLE_SECTORS and
# ORACLE_STEPS make it longer, ORACLE_ONLY takes those whose claim matches a pattern.

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

volume=hwp-oracle-$$
trap 'umount "$mnt" 2>/dev/null; remove_volume; clean_up' EXIT
remove_volume() {
	! command -v dmsetup >/dev/null || dmsetup remove --retry $volume >/dev/null 2>&1
}

# make_volume linear|striped: prints the volume, over two disks
make_volume() {
	local a b table
	a=$(new_disk 180M) b=$(new_disk 180M)
	case $1 in
	linear)		table="0 100000 linear $b 8192
100000 360000 linear $a 2048
460000 200000 linear $b 108192" ;;
	striped)	table="0 696320 striped 2 32 $a 0 $b 8192" ;;
	esac
	dmsetup create $volume --table "$table" && echo "/dev/$(dmsetup info -c --noheadings -o blkdevname $volume)"
}

# compare "claim" SIZE|linear|striped MKFS...
compare() {
	local claim=$1 size=$2 disk
	shift 2
	# shellcheck disable=SC2053
	[[ $claim = ${ORACLE_ONLY:-*} ]] || return 0
	case $size in
	[0-9]*)	disk=$(new_disk "$size") ;;
	*)	disk=$(make_volume "$size") || exit 99 ;;
	esac
	if ! "$@" "$disk" >/dev/null 2>&1 || ! mount "$disk" "$mnt" 2>/dev/null; then
		echo "# left out: $claim: cannot be made or mounted here"
		[[ $size = [0-9]* ]] || check "$claim: can be made and mounted" false
		forget "$disk"
		return
	fi
	python3 "$oracle" fill "$mnt" "$seed" "$n_steps" || exit 99
	if [[ $claim = *"mounted anew"* ]]; then
		umount "$mnt" && mount "$disk" "$mnt" || exit 99
	fi
	check "$claim" python3 "$oracle" check "$mnt" "${disk#/dev/}" "$seed" "$n_sectors" "$work/rest"
	grep '^# [0-9]' "$work/check.out"
	umount "$mnt"
	if [[ $1 = mkfs.xfs && -s $work/rest ]]; then
		check "$claim, by xfs_db" python3 "$oracle" leftover "$disk" "$work/rest"
		grep '^# ' "$work/check.out"
	fi
	forget "$disk"
}

# compare_realtime "claim" EXTENT SIZE MKFS-OPTION...: of both devices, that of the data the first
compare_realtime() {
	local claim=$1 extent=$2 size=$3 disk realtime
	shift 3
	# shellcheck disable=SC2053
	[[ $claim = ${ORACLE_ONLY:-*} ]] || return 0
	disk=$(new_disk 320M) realtime=$(new_disk "$size")
	mkfs.xfs -q -f -m rmapbt=0,reflink=0 -r "rtdev=$realtime,extsize=$extent" "$@" "$disk" || exit 99
	if ! mount -o "rtdev=$realtime" "$disk" "$mnt" 2>/dev/null; then
		echo "# left out: $claim: this kernel has none; tests/vm/51-oracle.sh has"
		[ -z "${BESIDE_NEED_REALTIME-}" ] || check "$claim: can be mounted" false
		return
	fi
	python3 "$oracle" fill "$mnt" "$seed" "$n_steps" realtime || exit 99
	check "$claim, its data" python3 "$oracle" check "$mnt" "${realtime#/dev/}" "$seed" "$n_sectors" /dev/null realtime
	grep '^# [0-9]' "$work/check.out"
	check "$claim, what is not there" python3 "$oracle" check "$mnt" "${disk#/dev/}" "$seed" "$n_sectors" "$work/rest"
	grep '^# [0-9]' "$work/check.out"
	umount "$mnt"
	check "$claim, by xfs_db" python3 "$oracle" leftover "$disk" "$work/rest"
	grep '^# ' "$work/check.out"
	losetup -d "$disk" "$realtime"
}

# A volume's disks are taken away with all others, in the end.
forget() {
	case $1 in
	/dev/loop*)	losetup -d "$1" ;;
	*)		remove_volume ;;
	esac
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
# What was just made is in the log alone, and not where its inode is read from.
compare "XFS without a reverse map, mounted anew" 320M mkfs.xfs -q -f -m rmapbt=0,reflink=1
compare "XFS without a reverse map, blocks of 1024" 320M mkfs.xfs -q -f -b size=1024 -m rmapbt=0,reflink=1
compare "XFS without a reverse map and no reflink" 320M mkfs.xfs -q -f -m rmapbt=0,reflink=0

# Files on both devices of one filesystem. A last realtime extent that is not whole is nobody's.
compare_realtime "XFS with a realtime device" 4k 320M
compare_realtime "XFS with a realtime device, extents of 64 KiB" 64k 320M -d rtinherit=1
compare_realtime "XFS with a realtime device, extents of 20 KiB" 20k 330000K

# On volumes, sectors of whose disks are asked about.
if command -v dmsetup >/dev/null && dmsetup targets >/dev/null 2>&1; then
	compare "XFS with a reverse map on stripes" striped mkfs.xfs -q -f -d noalign -m rmapbt=1,reflink=1
	compare "XFS without a reverse map on three pieces" linear mkfs.xfs -q -f -m rmapbt=0,reflink=1
	compare "ext4 on stripes" striped mkfs.ext4 -q -F -b 4096
elif [ -n "${STACKS_NEED_DM-}" ]; then
	check "there is a device-mapper" false
else
	echo "# left out: volumes, as there is no device-mapper here; tests/vm/51-oracle.sh has them"
fi

# What is asked about is bad: no page of it may be read from the device meanwhile.
ASK="--bad"
export ASK
compare "ext4, with bad inode tables and maps" 200M mkfs.ext4 -q -F -b 4096

done_checks
