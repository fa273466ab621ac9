#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A platform that refuses to clear: the owners are whole again all the same, and
# the bad block stays in quarantine, out of the reach of every file, over a full
# filesystem and a restart, until an order finishes the repair.

# guest: --timeout 600

. "$SRCDIR/tests/vm/lib.sh"

bed_up
make_file $MNT/own 64K
make_file $MNT/data 64K
cp --reflink=always $MNT/data $MNT/clone
sync -f $MNT
cp $MNT/data $HWP/before
phys=$(phys_of $MNT/data 8192)
bad=$((phys + 1024))

start_daemon '[Rule all]' "Path=$MNT/**" 'Holders=report' 'Repair=zero'
hold mapper check $MNT/data --offset 8192
hold writer store $MNT/own --slots 2048:4096
own=$(phys_of $MNT/own)

# loses FILE: it is as it was, but for 512 zeros.
loses() {
	cmp -n 9216 $HWP/before "$1" &&
	cmp -n 512 -i 9216:0 "$1" /dev/zero &&
	cmp -i 9728 $HWP/before "$1"
}


knob clear_fail 1000
poison $bad 256 notify
check "the repair fails, because the clear is refused" wait_event '
	.type == "io.hwpoisond.repair.failed" and .data.reason == "clear-refused" and .incident == 1' 30
poison "$own" 512 notify
check "so does that of a page that is being written" wait_event '
	.type == "io.hwpoisond.repair.failed" and .data.reason == "clear-refused" and .incident == 2' 30
check "both owners are whole but for 512 zeros: data" loses $MNT/data
check "and clone" loses $MNT/clone
check "they are elsewhere now" test "$(phys_of $MNT/data 8192)" != "$phys"
check "both of them" test "$(phys_of $MNT/clone 8192)" != "$phys"
check_equal "the media are as they were" 2 "$(media_list | wc -l)"
check "the kernel knows" test -n "$(badblocks_list)"
check "who maps it saw nothing but zeros" hold_says mapper '^changed'
check "the mapper had no SIGBUS" ! grep sigbus $HWP/hold.mapper
check "the writer lost no store" ! grep -E 'sigbus|lost slot' $HWP/hold.writer

# in_quarantine: the daemon and the filesystem name one owner, and it is ours.
quarantine=$(echo $MNT/.hwpoisond/1-*.quarantine)
in_quarantine() {
	ctl resolve --phys "$(printf '%#x' $bad)" 512 --json > $HWP/resolved.json
	check "$1: resolve names the quarantine and nobody else" jq -e --arg path "$quarantine" '
		[.ranges[].owners[]] | length == 1 and .[0].paths == [$path]' $HWP/resolved.json
	xfs_io -r -c "fsmap -d $(($(sector_of "$phys"))) $(($(sector_of "$phys")))" $MNT > $HWP/fsmap
	check_equal "$1: and so does the filesystem" "$(stat -c %i "$quarantine")" "$(grep -o 'inode [0-9]*' $HWP/fsmap | sort -u | tr -d 'inode ')"
}
in_quarantine "refused"
check "only root can look into it" test "$(stat -c %a:%u $MNT/.hwpoisond)" = 700:0

# Every block that the filesystem has to give is given.
fill_up
check "the filesystem is full" ! fallocate -l 4K $MNT/more
rm -f $MNT/more
in_quarantine "full"
check "and the files can be read" loses $MNT/clone

stop_daemon
mark_events
start_daemon
in_quarantine "restarted"
check "it is not announced again" no_event '.type | test("poison\\.(found|resolved)|repair\\.")' 2
check_equal "status says that there is unrepaired poison" 4 "$(ctl status >/dev/null; echo $?)"

# An order while it still refuses, then one when it does not.
check "an order fails as well" ! ctl repair 1
check "nothing else is lost" loses $MNT/data
in_quarantine "refused again"
knob clear_fail 0
check "an order succeeds when the platform lets it" ctl repair 1
check "and the other" ctl repair 2
check "repair.done tells so" wait_event '.type == "io.hwpoisond.repair.done" and .incident == 2'
check "and the end of the incident" wait_event '.type == "io.hwpoisond.poison.gone" and .incident == 2'
check_equal "nothing is bad" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
check "the quarantine is gone" test ! -e $MNT/.hwpoisond
check "the files are as they were after the first attempt" loses $MNT/data
check "both" loses $MNT/clone
check "still no SIGBUS, and no store lost" ! grep -E 'sigbus|lost slot' $HWP/hold.mapper $HWP/hold.writer

ctl show 1 --json > $HWP/show.json
check "what was lost is on record, once for each owner" jq -e '
	.state == "repaired" and .repair.zeroed_bytes == 512 and .repair.salvaged_bytes == 3584 and
	([.repair.losses[] | [.paths[0], .file_offset_bytes, .length_bytes]] | sort) ==
		[["'$MNT'/clone", 9216, 512], ["'$MNT'/data", 9216, 512]]' $HWP/show.json
let_go mapper
let_go writer

# A platform that clears less than it was asked for. Where it begins is the
# kernel's choice, always the first byte, so that asking again does not help.
rm -f $MNT/fill.*
knob clear_max 512
phys=$(phys_of $MNT/data 32768)
poison "$phys" 1536 notify
check "half a clear is no clear" wait_event '
	.type == "io.hwpoisond.repair.failed" and .data.reason == "clear-refused" and .incident == 3' 30
check "three sectors were lost" cmp -n 1536 -i 32768:0 $MNT/data /dev/zero
check "and no more" cmp -i 34304 $MNT/data $HWP/before
check "the rest is cleared when it can be" knob clear_max 0
check "on order" ctl repair 3
check_equal "nothing is bad" "" "$(media_list)$(badblocks_list)"
check "and nothing else was lost" cmp -i 34304 $MNT/data $HWP/before

# --- free space that is bad as well

# A spare that got such a block would make XFS zero it, be refused, and shut down: take another.
# Of each free extent the first 128 KiB are bad, and of smaller ones all.
knob clear_fail 1000000
keep $MNT/data refused
start=$(($(pmem_start)))
xfs_io -r -c fsmap $MNT | sed -nE 's/.*\[([0-9]+)\.\.([0-9]+)\]: free space.*/\1 \2/p' > $HWP/free
n_free=0
while read -r first last; do
	first=$(((first + 7) / 8 * 8)) length=$(((last + 1 - first) * 512))
	[ $length -gt 0 ] || continue
	poison $((start + first * 512)) $((length < 131072 ? length : 131072)) notify
	n_free=$((n_free + 1))
done < $HWP/free
check "each free extent begins with bad blocks" [ $n_free -gt 0 ]
mark_events
phys=$(phys_of $MNT/data 49152)
poison "$phys" 512 notify
check "a page is repaired amid bad free space that is not cleared" wait_event '
	.type == "io.hwpoisond.repair.failed" and .data.phys_start == "'"$phys"'" and .data.reason == "clear-refused"' 60
check "its file is whole but for the bad sector" lost $MNT/data refused 49152 512
check "the filesystem goes on" touch $MNT/still-here
stop_daemon
done_checks
