# SPDX-License-Identifier: GPL-2.0-or-later
#
# Pages that are not like others: the last one of a file, one that a running
# program is made of, one of an immutable file, many at once, and a range that
# belongs to several owners and to nobody.

. "$SRCDIR/tests/vm/lib.sh"

bed_up
make_file $MNT/tail 10000
make_file $MNT/beyond 10000
make_file $MNT/many 64K
make_file $MNT/mixed 64K
make_file $MNT/immutable 64K
cp /bin/sleep $MNT/program
sync $MNT/program
for file in tail beyond many mixed immutable program; do
	keep $MNT/$file $file
done
start_daemon '[Rule all]' 'Repair=zero'

# --- the end of a file

poison "$(phys_of $MNT/tail 8192)" 4096 notify
wait_event '.incident == 1 and .type == "io.hwpoisond.poison.gone"' 30 >/dev/null
check_equal "the last page is repaired" "poison.found poison.resolved repair.planned repair.done poison.gone" "$(story 1)"
check_equal "the file keeps its size" 10000 "$(stat -c %s $MNT/tail)"
check "its last 1808 bytes are zeros, all others as they were" lost $MNT/tail tail 8192 1808
check_json "$(ctl show 1 --json)" "no more than these are on record" \
	'.repair.losses | length == 1 and .[0].file_offset_bytes == 8192 and .[0].length_bytes == 1808'

poison $(($(phys_of $MNT/beyond 8192) + 3584)) 512 notify
wait_event '.incident == 2 and .type == "io.hwpoisond.poison.gone"' 30 >/dev/null
check "poison behind the end costs nothing" intact $MNT/beyond beyond
check_equal "and not a byte more" 10000 "$(stat -c %s $MNT/beyond)"
check_json "$(ctl show 2 --json)" "nor is a loss on record" '.state == "repaired" and .repair.losses == []'
check_equal "no list has anything" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"

# --- many pages at once

mark_events
phys=$(phys_of $MNT/many)
ranges=()
for ((i = 0; i < 16; i++)); do
	poison $((phys + i * 4096 + 1536)) 512 notify
	ranges+=($((i * 4096 + 1536)) 512)
done
check "sixteen pages are repaired" wait_until 60 \
	eval '[ "$(tail -n "+$EVENTS_FROM" "$HWP/events.jsonl" | grep -c poison.gone)" -eq 16 ]'
check "each has lost its 512 bytes" lost $MNT/many many "${ranges[@]}"
check_events \
	"each is told once" \
	'[.[] | select(.type == "io.hwpoisond.poison.found").data.phys_start] | length == 16 and (unique | length) == 16'
check_equal "no list has anything" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"

# --- one range: shared, not shared, and nobody's

mark_events
phys=$(phys_of $MNT/mixed)
check "the file lies in one piece" test "$(phys_of $MNT/mixed 61440)" = "$(printf '0x%x' $((phys + 61440)))"
clone_range $MNT/mixed 0 16384 $MNT/other 0
xfs_io -c 'fpunch 32768 16384' -c fsync $MNT/mixed
keep $MNT/mixed mixed
keep $MNT/other other
poison $((phys + 12288)) 32768 notify
incident=$(wait_event '.type == "io.hwpoisond.poison.found"' | jq .incident)
wait_event '.type | test("repair.(done|failed|waiting)")' 60 >/dev/null
check_events \
	"all owners of the range are found" \
	'.[] | select(.type == "io.hwpoisond.poison.resolved").data | .length_bytes == 32768 and
		.owners_complete and ([.owners[].kind] | unique) == ["file-data", "free"] and
		([.owners[] | select(.kind == "file-data") | [.paths[0], .file_offset_bytes, .length_bytes, .shared]] | sort) ==
			[["/mnt/x/mixed", 12288, 4096, true], ["/mnt/x/mixed", 16384, 16384, false],
			 ["/mnt/x/other", 12288, 4096, true]]' \
	"the repair is done" '.[] | select(.type | test("repair.(done|failed|waiting)")) | .type == "io.hwpoisond.repair.done"' \
	"and tells each page of each file" \
	'.[] | select(.type == "io.hwpoisond.repair.done").data.repair | .zeroed_bytes == 20480 and
		([.losses[] | .paths[0] + " " + (.file_offset_bytes | tostring)] | sort) ==
			(["/mnt/x/other 12288"] + [range(12288; 32768; 4096) | "/mnt/x/mixed " + tostring] | sort)'
check "what was data is zeros" lost $MNT/mixed mixed 12288 20480
check "in the clone too" lost $MNT/other other 12288 4096
check_equal "the media are clean" "" "$(media_list)$(badblocks_list region)"
check "what is left on the block device's list was nobody's" eval \
	'[ -z "$(badblocks_list)" ] || ctl show '"$incident"' --json | jq -e ".state == \"left\" and .repair.state == \"done\""'

# --- a program that runs

"$MNT/program" 1000 &
program=$!
mark_events
size=$(stat -c %s $MNT/program)
last=$(((size - 1) / 4096 * 4096))
poison "$(phys_of $MNT/program $last)" 512 notify
waiting=$(wait_event '.type == "io.hwpoisond.repair.waiting"' 30)
incident=$(jq .incident <<< "$waiting")
check_json "$waiting" "a running program's page waits" \
	'.data.reason == "text-busy" and .data.repair.state == "waiting" and (.data.repair.detail | length) > 10'
check "the program runs on" kill -0 $program
check_equal "an order fails as well" 1 "$(status_code ctl repair "$incident")"
check_equal "its media are as they were" "$(printf '%s 512' "$(phys_of $MNT/program $last)")" "$(media_list)"
kill $program
wait $program 2>/dev/null
check "when it has ended, the repair goes on by itself" \
	wait_event ".incident == $incident and .type == \"io.hwpoisond.poison.gone\"" 30
check_equal "and is told in order" "poison.found poison.resolved holder.reported repair.planned \
repair.waiting repair.planned repair.waiting repair.planned repair.done poison.gone" "$(story "$incident")"
lost_bytes=$((size - last < 512 ? size - last : 512))
check "with that sector lost" lost $MNT/program program $last $lost_bytes

# --- an immutable file

chattr +i $MNT/immutable
mark_events
phys=$(phys_of $MNT/immutable 4096)
poison "$phys" 512 notify
waiting=$(wait_event '.type == "io.hwpoisond.repair.waiting"' 30)
incident=$(jq .incident <<< "$waiting")
check_json "$waiting" "an immutable file waits" '.data.reason == "immutable"'
check_equal "its page is where it was" "$phys" "$(phys_of $MNT/immutable 4096)"
check "it is still immutable" grep -q '^....i' <<< "$(lsattr $MNT/immutable)"
chattr -i $MNT/immutable
check "when it is not any more, an order repairs" ctl repair "$incident"
check "with 512 bytes lost" lost $MNT/immutable immutable 4096 512
check "nothing is left in quarantine" test ! -e $MNT/.hwpoisond

done_checks
