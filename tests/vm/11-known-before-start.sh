# SPDX-License-Identifier: GPL-2.0-or-later
#
# What is bad already when the daemon starts is an incident like any other. An
# incident outlives the daemon: no restart announces it anew, whether the
# daemon was stopped or killed, and numbers of events and incidents go on.

. "$SRCDIR/tests/vm/lib.sh"

last_seq() {
	tail -n 1 "$HWP/events.jsonl" | jq .seq
}

bed_up
for file in first second third; do
	make_file $MNT/$file 64K
	keep $MNT/$file $file
done
poison $(($(phys_of $MNT/first 4096) + 1024)) 512 notify
hold opener open $MNT/first

# no rule at all
start_daemon
wait_state 1 left
check_equal "what was bad before is found and resolved" \
	"poison.found poison.resolved holder.reported" "$(story 1)"
check_events \
	"the daemon says first that it is there" '.[0] | .type == "io.hwpoisond.daemon.started" and .seq == 1' \
	"the file is named" \
	".[] | select(.type == \"io.hwpoisond.poison.resolved\").data.owners |
		length == 1 and .[0].paths == [\"$MNT/first\"] and (.[0].shared | not) and
		.[0].file_offset_bytes == 5120" \
	"without a rule nobody is acted upon and nothing repaired" \
	'.[] | select(.type == "io.hwpoisond.poison.resolved").data |
		.holders[0].action == "report" and .holders[0].rule == null and .repair.wish == "none"'
before=$(ctl show 1 --json)

# --- stopped and started

check "it stops when it is told to" stop_daemon
check_equal "and says so" '"io.hwpoisond.daemon.stopping"' "$(tail -n 1 "$HWP/events.jsonl" | jq .type)"
seq=$(last_seq)
mark_events
start_daemon
check "the open incident is not announced anew" no_event '.type != "io.hwpoisond.daemon.started"' 2
check_events "numbers of events go on" ".[0].seq == $((seq + 1))"
check_json "$(ctl list --json)" "it is there as it was" ".incidents == [$before]"
check_equal "and still poison" 4 "$(status_code ctl status)"

# --- killed, and something else is bad when it comes back

seq=$(last_seq)
kill_daemon
poison "$(phys_of $MNT/second)" 512 notify
mark_events
start_daemon
wait_state 2 left
check "the old one is not announced anew" no_event '.incident == 1'
check_equal "the new one is, once" "poison.found poison.resolved" "$(story 2)"
check_events "numbers of events still rise" ".[0].seq > $seq and (map(.seq) | . == (sort | unique))"

# --- healed while the daemon was away; another one under a rule

stop_daemon
check "a whole-page write heals the first" write_page $MNT/first 4096
poison $(($(phys_of $MNT/third) + 3584)) 512 notify
mark_events
start_daemon '[Rule third]' "Path=$MNT/third" 'Repair=zero'
wait_event '.incident == 3 and .type == "io.hwpoisond.poison.gone"' 30 >/dev/null
check_equal "what healed is told to be gone" "poison.gone" "$(story 1)"
check_equal "a rule applies to what is bad at start-up" \
	"poison.found poison.resolved repair.planned repair.done poison.gone" "$(story 3)"
wait_state 2 left
check_json "$(ctl list --all --json)" "each has its state" \
	'[.incidents[] | [.incident, .state]] == [[1, "gone"], [2, "left"], [3, "repaired"]]'
check "the third has lost its 512 bytes" lost $MNT/third third 3584 512
check "an order repairs the one that was left" ctl repair 2
check "the second has lost its 512 bytes" lost $MNT/second second 0 512
check_equal "all is well" 0 "$(status_code ctl status)"
check_equal "no list has anything" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"

# --- and again nothing is told twice

stop_daemon
mark_events
start_daemon '[Rule all]' 'Repair=zero'
check "ended incidents are not announced" no_event '.type != "io.hwpoisond.daemon.started"' 2
poison "$(phys_of $MNT/second)" 512 notify
wait_event '.type == "io.hwpoisond.poison.gone"' 30 >/dev/null
check_equal "the same place lost again is another incident" \
	"poison.found poison.resolved repair.planned repair.done poison.gone" "$(story 4)"
check_equal "of all events none has another's number" "" \
	"$(jq .seq "$HWP/events.jsonl" | sort | uniq -d)"

done_checks
