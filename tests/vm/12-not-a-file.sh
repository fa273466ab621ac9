# SPDX-License-Identifier: GPL-2.0-or-later
#
# Poison where no file has data: in free space and in an unwritten extent the
# media are cleared by command, and in metadata nothing is written at all.

. "$SRCDIR/tests/vm/lib.sh"

# is_shut_down: whether XFS has given up.
is_shut_down() {
	dmesg | grep -qi 'shut.*down' || ! touch $MNT/alive
}

bed_up
make_file $MNT/data 1M
keep $MNT/data data
free=$(printf '0x%x' $(($(pmem_start) + (48 << 20))))
xfs_io -f -c 'falloc 0 64k' -c fsync $MNT/prealloc
unwritten=$(phys_of $MNT/prealloc 8192)
start_daemon '[Rule media]' 'Repair=clear'
check_json "$(ctl resolve --phys "$free" 4096 --json)" "a block in the middle of nothing is free" \
	'.ranges | length == 1 and (.[0].owners | all(.kind == "free")) and .[0].owners_complete'

# --- free space

poison "$free" 4096 notify
wait_event '.incident == 1 and (.type | test("repair.(done|failed)"))' 30 >/dev/null
check_equal "free space is cleared" "poison.found poison.resolved repair.planned repair.done" "$(story 1)"
check_events \
	"resolved as free" \
	'.[] | select(.type == "io.hwpoisond.poison.resolved").data | .owners_complete and
		(.owners | length == 1 and .[0].kind == "free" and .[0].paths == [])' \
	"by command, and the kernel forgets later" \
	'.[] | select(.type == "io.hwpoisond.repair.done").data | .reason == "stale-badblocks" and
		(.repair | .method == "clear" and .state == "done" and .rule == "media" and
			.zeroed_bytes == 0 and .losses == [])'
check_equal "the media are clean" "" "$(media_list)"
check_equal "the region's list too" "" "$(badblocks_list region)"
check_equal "the block device's is not" "$(sector_of "$free") 8" "$(badblocks_list)"
check_json "$(ctl show 1 --json)" "so the incident stays open" '.state == "left" and .repair.state == "done"'

mark_events
dd if=/dev/zero of=$MNT/fill bs=4M 2>"$HWP/dd.out"
check "the filesystem is filled" test "$(stat -c %s $MNT/fill)" -gt $((400 << 20))
check "the next write to the block ends it" wait_event '.type == "io.hwpoisond.poison.gone"' 20
check_equal "and nothing else" "poison.gone" "$(story 1)"
check_json "$(ctl show 1 --json)" "as repaired" '.state == "repaired"'
check_equal "the block device forgot" "" "$(badblocks_list)"
rm $MNT/fill

# --- unwritten

mark_events
poison $((unwritten + 512)) 512 notify
wait_event '.incident == 2 and (.type | test("repair.(done|failed)"))' 30 >/dev/null
check_equal "an unwritten extent is cleared" "poison.found poison.resolved repair.planned repair.done" "$(story 2)"
check_events \
	"resolved as unwritten, with the file" \
	".[] | select(.type == \"io.hwpoisond.poison.resolved\").data.owners |
		length == 1 and .[0].kind == \"unwritten\" and .[0].unwritten and
		.[0].paths == [\"$MNT/prealloc\"] and .[0].file_offset_bytes == 8704" \
	"by command" \
	'.[] | select(.type == "io.hwpoisond.repair.done").data.repair | .method == "clear" and .losses == []'
check_equal "the media are clean" "" "$(media_list)$(badblocks_list region)"
check_equal "the file has its size" 65536 "$(stat -c %s $MNT/prealloc)"
check "and reads as zeros" cmp -n 65536 $MNT/prealloc /dev/zero
check_equal "from the same place" "$unwritten" "$(phys_of $MNT/prealloc 8192)"
mark_events
check "it can be written there" write_page $MNT/prealloc 8192
check "which ends it" wait_event '.incident == 2 and .type == "io.hwpoisond.poison.gone"' 20

# --- a file's data is none of this rule's

mark_events
commands=$(knob n_clear_error)
phys=$(phys_of $MNT/data 4096)
poison "$phys" 512 notify
wait_state 3 left
check_json "$(ctl show 3 --json)" "a rule that only clears leaves data alone" \
	'.repair.wish == "clear" and .repair.state == "none" and .repair.reason == "rule"'
check_equal "the media too" "$(printf '%#x 512' "$phys")" "$(media_list)"
check "the file keeps its place" test "$(phys_of $MNT/data 4096)" = "$phys"
check_equal "no command was sent" "$commands" "$(knob n_clear_error)"
write_page $MNT/data 4096
wait_event '.incident == 3 and .type == "io.hwpoisond.poison.gone"' 20 >/dev/null

# --- metadata: a B-tree's block in a group that nobody uses, and a directory

reload_daemon '[Rule all]' 'Holders=kill' 'Openers=kill' 'Repair=zero'
mark_events
mkdir $MNT/names
(cd $MNT/names && touch {1..200}-with-a-rather-long-name-so-that-a-block-is-needed)
sync
xfs_freeze -f $MNT && xfs_freeze -u $MNT
xfs_io -c 'fsmap -v' $MNT > "$HWP/fsmap"
sector=$(sed -n 's/.*\[\([0-9]*\)\.\.[0-9]*\]: *inode btree.*/\1/p' "$HWP/fsmap" | tail -n 1)
[ -n "$sector" ] || die "fsmap knows an inode btree" "$(< "$HWP/fsmap")"
btree=$(printf '0x%x' $(($(pmem_start) + sector * 512)))
sector=$(sed -n "s/.*\[\([0-9]*\)\.\.[0-9]*\]: *$(stat -c %i $MNT/names) .*/\1/p" "$HWP/fsmap" | head -n 1)
[ -n "$sector" ] || die "fsmap knows the directory" "$(< "$HWP/fsmap")"
directory=$(printf '0x%x' $(($(pmem_start) + sector * 512)))

commands=$(knob n_clear_error)
poison "$btree" 512 notify
wait_event '.incident == 4 and .type == "io.hwpoisond.repair.failed"' 30 >/dev/null
poison "$directory" 512 notify
wait_event '.incident == 5 and .type == "io.hwpoisond.repair.failed"' 30 >/dev/null
check_equal "metadata is reported" \
	"poison.found poison.resolved repair.planned repair.failed" "$(story 4)"
check_events \
	"as what it is" \
	'.[] | select(.incident == 4 and .type == "io.hwpoisond.poison.resolved").data.owners |
		length == 1 and .[0].kind == "metadata" and .[0].filesystem == "xfs"' \
	"a directory by its name" \
	".[] | select(.incident == 5 and .type == \"io.hwpoisond.poison.resolved\").data.owners |
		length == 1 and .[0].kind == \"directory\" and .[0].paths == [\"$MNT/names\"]" \
	"its repair is refused" \
	'[.[] | select(.type == "io.hwpoisond.repair.failed").data | .reason] == ["metadata", "metadata"]'
check_json "$(ctl list --json)" "both stay" '[.incidents[] | [.incident, .state]] == [[4, "left"], [5, "left"]]'
check_equal "nothing was written to the media" \
	"$(printf '%#x 512\n' $((btree)) $((directory)) | sort)" "$(media_list | sort)"
check_equal "and no command sent" "$commands" "$(knob n_clear_error)"
check_equal "an order is refused as well" 1 "$(status_code ctl repair 4)"
check_equal "and writes nothing" "$commands" "$(knob n_clear_error)"
check "the filesystem stays up" ! is_shut_down
check "no store is left behind" test ! -e $MNT/.hwpoisond

# --- the way out: offline

mark_events
umount $MNT || die "it can be unmounted"
ndctl disable-namespace namespace0.0 >/dev/null 2>&1
ndctl clear-errors namespace0.0 >"$HWP/clear.out" 2>&1 || die "ndctl clears" "$(< "$HWP/clear.out")"
ndctl enable-namespace namespace0.0 >/dev/null 2>&1
udevadm settle
check_equal "no list has it any more" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
check "both incidents end" wait_until 20 eval '[ "$(events ".type == \"io.hwpoisond.poison.gone\"" | wc -l)" -eq 2 ]'
check "the filesystem is whole" xfs_repair -n $PMEM
mount -o dax=always $PMEM $MNT
check_equal "with all its names" 200 "$(find $MNT/names -type f | wc -l)"
check_equal "all is well" 0 "$(status_code ctl status)"

# --- media that were cleared by command fail again: the block device's list does not change

n_gone() {
	test "$(events '.type == "io.hwpoisond.poison.gone"' | wc -l)" -eq "$1"
}
mark_events
poison "$free" 4096 notify
wait_event '.incident == 6 and .type == "io.hwpoisond.repair.done"' 30 >/dev/null
mark_events
poison $((free + 1024)) 512 notify
wait_event '.incident == 7 and .type == "io.hwpoisond.repair.done"' 30 >/dev/null
check_equal "a part is another incident" \
	"poison.found poison.resolved repair.planned repair.done" "$(story 7)"
check_json "$(ctl show 7 --json)" "as large as what is bad now" \
	".phys_start == \"$(printf '%#x' $((free + 1024)))\" and .length_bytes == 512"
check_equal "the first goes on" "" "$(story 6)"
check_equal "the media are clean again" "" "$(media_list)$(badblocks_list region)"
kill_daemon
mark_events
poison "$free" 4096 notify
start_daemon
wait_event '.incident == 8 and .type == "io.hwpoisond.repair.done"' 30 >/dev/null
check_equal "all of it, while nobody looked: the third" \
	"poison.found poison.resolved repair.planned repair.done" "$(story 8)"
check_equal "ends the first" poison.gone "$(story 6)"
check_equal "and the second" poison.gone "$(story 7)"
check_equal "which were repaired" "repaired repaired" \
	"$(ctl list --all --json | jq -r '[.incidents[] | select(.incident == (6, 7)).state] | join(" ")')"
check_equal "the media are clean once more" "" "$(media_list)$(badblocks_list region)"

# --- a range of which the rule takes one page and leaves the other

reload_daemon '[Rule media]' 'Repair=clear'
mark_events
xfs_io -f -c 'falloc 0 64k' -c 'pwrite -S 7 0 4096' -c fsync $MNT/half >/dev/null
half=$(phys_of $MNT/half 0)
poison "$half" 8192 notify
wait_event '.incident == 9 and .type == "io.hwpoisond.repair.done"' 30 >/dev/null
check_json "$(ctl show 9 --json)" "done, but for what the rule leaves" \
	'.state == "left" and (.repair | .state == "done" and .reason == "rule")'
check_equal "of which nothing was written" "$(printf '%#x 4096' "$half")" "$(media_list)"
check_equal "and which is told once" "poison.found poison.resolved repair.planned repair.done" "$(story 9)"

done_checks
