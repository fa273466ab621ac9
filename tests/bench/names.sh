# SPDX-License-Identifier: GPL-2.0-or-later
#
# How long it takes to name inodes: 1 and 1000 among 1000 and 100,000 files, on XFS and ext4, beside a
# plain pass over all directories.

. "$SRCDIR/tests/loop/lib.sh"
need mkfs.xfs mkfs.ext4 python3

echo '{"benchmark":"names","title":"from inode numbers to names"}'
mkdir "$work/mnt"
disk=$(new_disk 4G)
for n_files in 1000 100000; do
	for fs in xfs ext4; do
		if [ $fs = xfs ]; then
			make_xfs "$disk"
		else
			mkfs.ext4 -q -F -N 300000 "$disk"
		fi
		mount "$disk" "$work/mnt" || exit 1
		python3 - "$work/mnt" $n_files <<-'END'
			import os, sys
			root, n_files = sys.argv[1], int(sys.argv[2])
			for i in range(n_files):
			    directory = f"{root}/{i // 10000}/{i // 100}"
			    if i % 100 == 0:
			        os.makedirs(directory)
			    os.close(os.open(f"{directory}/file{i}", os.O_CREAT | os.O_WRONLY))
		END
		for n_wanted in 1 1000; do
			"$BUILDDIR/tests/bench/names" "$fs $n_files files" "$work/mnt" $n_wanted 1 5 || exit 1
		done
		umount "$work/mnt"
	done
done
