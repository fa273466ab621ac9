# SPDX-License-Identifier: GPL-2.0-or-later
#
# A rule that asks for no repair leaves media and files as they were, a plan
# changes nothing either, and an administrator's order repairs.

. "$SRCDIR/tests/vm/lib.sh"

bed_up
make_file $MNT/data 64K
cp --reflink=always $MNT/data $MNT/clone
keep $MNT/data data
phys=$(phys_of $MNT/data 8192)
start_daemon '[Rule look]' "Path=$MNT/**" 'Holders=report' 'Repair=none'
hold reader check --offset 8192 $MNT/data
check_equal "status is content" 0 "$(status_code ctl status)"

poison $((phys + 1024)) 256 notify
wait_state 1 left
lists=$(media_list; badblocks_list; badblocks_list region)
commands=$(knob n_clear_error)

# unchanged: nothing happened to media, files or processes.
unchanged() {
	[ "$lists" = "$(media_list; badblocks_list; badblocks_list region)" ] &&
	[ "$commands" = "$(knob n_clear_error)" ] &&
	[ "$phys" = "$(phys_of $MNT/data 8192)" ] &&
	[ "$phys" = "$(phys_of $MNT/clone 8192)" ] &&
	[ ! -e $MNT/.hwpoisond ] &&
	! grep -E 'sigbus|changed|signal' "$HWP/hold.reader" &&
	cmp -n 8192 $MNT/data "$HWP/kept.data" &&
	cmp -i 12288 $MNT/data "$HWP/kept.data"
}

# --- left

check_equal "the poison is told, and no more" "poison.found poison.resolved holder.reported" "$(story 1)"
check "nothing else comes" no_event '.type | test("repair|gone")' 2
check "media, files and processes are as they were" unchanged
check "the page still can't be read" ! reads $MNT/data 8192
check_equal "status says so" 4 "$(status_code ctl status)"
check_json "$(ctl status --json)" "with numbers" \
	'.open_incidents == 1 and .open_bytes == 512 and .by_state == {"left": 1}'
check_json "$(ctl show 1 --json)" "by this rule" \
	'.state == "left" and .repair.wish == "none" and .repair.rule == "look" and .repair.state == "none"'

# --- planned

mark_events
check_json "$(ctl repair 1 --dry-run --json)" \
	"the plan names the method" \
	".incident == 1 and .method == \"remap\" and (.pages | length) == 1 and
		.pages[0].phys_start == \"$phys\" and .pages[0].method == \"remap\" and (.pages[0].steps | length) > 3" \
	"and both files" \
	"([.pages[0].owners[].paths[]] | sort) == [\"$MNT/clone\", \"$MNT/data\"]" \
	"and what is lost" '.zeroed_bytes == 512 and .salvaged_bytes == 3584 and .waits_for == []'
check "the plan can be read" grep -q '3584 bytes would be salvaged, 512 zeroed' <<< "$(ctl repair 1 --dry-run)"
check "nothing comes of a plan" no_event true 1
check "media, files and processes are as they were" unchanged
wait_state 1 left

# --- ordered

repaired=$(ctl repair 1 --json)
check_equal "the order succeeds" 0 "$?"
check_json "$repaired" "and shows what it did" \
	'.incident == 1 and .repair.state == "done" and .repair.method == "remap" and
		.repair.zeroed_bytes == 512 and .repair.salvaged_bytes == 3584 and (.repair | has("rule") | not)'
wait_event '.type == "io.hwpoisond.poison.gone"' 10 >/dev/null
check_equal "the feed tells" "repair.planned repair.done poison.gone" "$(story 1)"
check_equal "status is content" 0 "$(status_code ctl status)"
check "the file has lost 512 bytes" lost $MNT/data data 9216 512
check "its clone too" lost $MNT/clone data 9216 512
check_equal "no list has anything" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
check "the reader saw no SIGBUS" ! grep sigbus "$HWP/hold.reader"
check_equal "but the zeros" 1 "$(grep -c ^changed "$HWP/hold.reader")"
check "nothing is left in quarantine" test ! -e $MNT/.hwpoisond

check_equal "what is over can't be repaired again" 1 "$(status_code ctl repair 1)"
check_equal "nor what never was" 1 "$(status_code ctl repair 7)"
check_equal "nor what is no number" 2 "$(status_code ctl repair one)"

done_checks
