#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 600
#
# Claim: a page is written in place through the page cache as well, where what is cached is not lost;
# on XFS without reflink; and on XFS that can't be asked who owns a block if its file alone has it.

. "$SRCDIR/tests/vm/lib.sh"

clean() {
	check_equal "$1: no list has anything" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
}

MOUNT_OPTIONS=dax=never bed_up ext4
start_daemon '[Rule all]' 'Repair=zero'

# --- ext4 through the page cache

for name in cached uncached last; do
	make_file $MNT/$name 64K
done
truncate -s 10000 $MNT/last && sync $MNT/last
for name in cached uncached last; do
	keep $MNT/$name $name
done
echo 3 > /proc/sys/vm/drop_caches
cat $MNT/cached > /dev/null
mark_events
poison "$(phys_of $MNT/cached 8192)" 4096 notify
check_json "$(repaired 1)" "a page that is in the cache is saved whole" \
	'.data.repair | .method == "rewrite" and .zeroed_bytes == 0 and .losses == []'
check "nothing is lost" intact $MNT/cached cached
mark_events
poison $(($(phys_of $MNT/uncached 8192) + 1536)) 512 notify
check_json "$(repaired 2)" "one that is not loses its bad sector" '.data.repair.zeroed_bytes == 512'
check "and nothing else" lost $MNT/uncached uncached 9728 512
mark_events
poison "$(phys_of $MNT/last 8192)" 512 notify
check_json "$(repaired 3)" "so does the last page" '.data.repair.zeroed_bytes == 512'
check "of a file that keeps its size" lost $MNT/last last 8192 512
echo 3 > /proc/sys/vm/drop_caches
check "the media have it, not the cache alone" lost $MNT/uncached uncached 9728 512
clean "the page cache"

# --- XFS without reflink; with it, but without a reverse map

xfs_with reflink=0,rmapbt=1
make_file $MNT/plain 64K
keep $MNT/plain plain
mark_events
poison "$(phys_of $MNT/plain 8192)" 512 notify
check_json "$(repaired 4)" "XFS without reflink is written in place" \
	'.data.repair | .method == "rewrite" and .zeroed_bytes == 512'
check "512 bytes are lost" lost $MNT/plain plain 8192 512
check "no store was made for it" [ ! -e $MNT/.hwpoisond ]

xfs_with reflink=1,rmapbt=0
make_file $MNT/alone 64K
make_file $MNT/shared 64K
cp --reflink=always $MNT/shared $MNT/clone
sync -f $MNT
keep $MNT/alone alone
mark_events
poison "$(phys_of $MNT/alone 8192)" 512 notify
check_json "$(repaired 5)" "a block that is not shared is its file's, reverse map or not" \
	'.data.repair | .method == "rewrite" and .zeroed_bytes == 512'
check "512 bytes are lost" lost $MNT/alone alone 8192 512
mark_events
poison "$(phys_of $MNT/shared 8192)" 512 notify
check_json "$(wait_event '.type == "io.hwpoisond.repair.failed"' 30)" \
	"of one that is, nobody knows the owners right before each step" '.data.reason == "no-reverse-map"'
check "and it is not touched" [ -n "$(media_list)" ]
done_checks
