# SPDX-License-Identifier: GPL-2.0-or-later
#
# From the file to what it lost: now, by the kernel's lists, without a daemon;
# and in the past, by the ledger, with one, beside one, and when it is gone.

. "$SRCDIR/tests/vm/lib.sh"

bed_up
make_file $MNT/data 4M
cp --reflink=always $MNT/data $MNT/clone
make_file $MNT/other 1M
keep $MNT/data data
phys=$(phys_of $MNT/data 8192)

files() {
	"$HWPOISONCTL" --socket "$HWP/run/io.hwpoisond" files --json "$@"
}

# status_of COMMAND...: its output stays in $HWP/answer
status_of() {
	local r
	"$@" > "$HWP/answer"
	r=$?
	echo $r
}

# --- no daemon ever ran

check_equal "sound files are fine" 0 "$(status_of files --state-dir /none $MNT/data $MNT/other)"
poison $((phys + 1024)) 256 notify
check_equal "a file that has lost bytes is told by its status" 4 \
	"$(status_of files --state-dir /none $MNT/data $MNT/other)"
check_json "$(cat "$HWP/answer")" \
	"to the byte, with its place in memory" \
	".files[0] | .lost_bytes == 512 and .complete and .device == \"pmem0\" and .device_has_list and
		(.bad | length == 1) and (.bad[0] | .kind == \"file-data\" and .file_offset_bytes == 9216 and
		.length_bytes == 512 and .phys_start == \"$(printf '0x%x' $((phys + 1024)))\") and
		.history == [] and .history_complete"
check_json "$(cat "$HWP/answer")" "the other is sound" '.files[1] | .lost_bytes == 0 and .bad == [] and .complete'
check_equal "its reflinked copy has lost the same" 4 "$(status_of files --state-dir /none $MNT/clone)"
check "in words" grep -q "^$MNT/data: 512 bytes are lost" <<< "$("$HWPOISONCTL" --socket /none files $MNT/data)"

# --- a daemon that only tells

start_daemon
wait_event '.type == "io.hwpoisond.poison.resolved"' 30 > $HWP/resolved
check_equal "the daemon says the same" 4 "$(status_of files $MNT/data)"
check_json "$(cat "$HWP/answer")" "and that it has an incident of it" \
	'.files[0] | .lost_bytes == 512 and (.history | length == 1) and (.history[0] |
		.incident == 1 and .open and .same_file and .lost_for_good == [] and
		.bytes[0].file_offset_bytes == 9216 and .found_usec > 0)'

# --- repaired

ctl repair 1 > /dev/null
wait_event '.type == "io.hwpoisond.poison.gone"' 30 > $HWP/gone
check_equal "after a repair nothing is lost now" 0 "$(status_of files $MNT/data $MNT/other)"
remembers='.files[0] | .lost_bytes == 0 and .bad == [] and (.history | length == 1) and (.history[0] |
	.incident == 1 and .state == "repaired" and (.open | not) and .repair_method == "remap" and
	(.lost_for_good | length == 1) and (.lost_for_good[0] | .file_offset_bytes == 9216 and
	.length_bytes == 512 and .lost_usec > 0))'
check_json "$(cat "$HWP/answer")" "but what was is remembered" "$remembers"
check_json "$(cat "$HWP/answer")" "of a file that never lost anything, nothing" '.files[1].history == []'
check_equal "a reader beside the daemon finds the same" 0 "$(status_of files --state-dir "$HWP/state" $MNT/data)"
check_json "$(cat "$HWP/answer")" "in the ledger itself" "$remembers"
mv $MNT/data $MNT/moved
check_equal "a new name does not hide it" 1 "$(files $MNT/moved | jq '.files[0].history | length')"
cp $MNT/other $MNT/data
check_json "$(files $MNT/data)" "a new file of the old name is told from it" \
	'.files[0].history | length == 1 and (.[0].same_file | not)'
check "in words" grep -q "another file of this name" <<< "$(ctl files $MNT/data)"
rm $MNT/data
check_equal "one that is no more is not called sound" 1 "$(status_of files $MNT/data)"
check_json "$(cat "$HWP/answer")" "but remembered" '.files[0].history[0].lost_for_good[0].file_offset_bytes == 9216'
check "in words as well" grep -q "^    lost for good: 512 bytes at offset 9216" <<< "$(ctl files $MNT/data)"
stop_daemon
check_equal "the ledger outlives the daemon" 0 "$(status_of files --state-dir "$HWP/state" $MNT/moved)"
check_json "$(cat "$HWP/answer")" "and remembers" "$remembers"
start_daemon
check_json "$(files $MNT/moved)" "which starts with it as it was" "$remembers"

done_checks
