#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 600
#
# No room for the ledger: alerts go on, it is told, and nothing is done that can't
# be undone, until there is room again. A ledger that is garbage is set aside. A
# feed file that can't grow has a gap, which is counted.

. "$SRCDIR/tests/vm/lib.sh"

# fill DIR, make_room DIR: of its tmpfs.
fill() {
	head -c 16M /dev/zero > "$1/ballast" 2>/dev/null
	! echo x > "$1/more" 2>/dev/null || die "$1 is full"
	rm -f "$1/more"
}

make_room() {
	rm "$1/ballast"
}

media_clean() {
	[ -z "$(media_list)" ]
}

bed_up
mkdir -p $HWP/state $HWP/feed
mount -t tmpfs -o size=2M small $HWP/state || die "a small filesystem"
mount -t tmpfs -o size=64K small $HWP/feed || die "a smaller one"
for name in one two three four; do
	make_file $MNT/$name 64K
done
rules=('[Rule all]' "Path=$MNT/**" 'Holders=kill' 'Repair=zero')

# --- it fills up while the daemon runs

start_daemon "${rules[@]}"
hold one sleep $MNT/one
fill $HWP/state
poison "$(phys_of $MNT/one)" 512 notify
check "the alert comes" wait_event '.type == "io.hwpoisond.poison.found" and .incident == 1' 20
check "with owners and holders" wait_event '.type == "io.hwpoisond.poison.resolved" and
	.data.owners[0].paths == ["'$MNT'/one"] and .data.holders[0].pid == '"$(held one)" 20
check "it says that the ledger can't be written" wait_event '
	.type == "io.hwpoisond.source.degraded" and .data.what == "ledger"' 20
check "who would be killed is only reported" wait_event '
	.type == "io.hwpoisond.holder.reported" and .data.holder.pid == '"$(held one)" 20
check "and lives" holds one
check "the repair waits for the ledger" wait_event '
	.type == "io.hwpoisond.repair.waiting" and .data.reason == "ledger"' 20
check_equal "the media are as they were" 1 "$(media_list | wc -l)"
check_equal "no clear was tried" 0 "$(knob n_clear_error)"
check "the file has lost nothing yet, and keeps its block" ! reads $MNT/one 0
check "nothing is left in its filesystem" test ! -e $MNT/.hwpoisond
check "status says so" grep -q '^Source ledger: degraded' <<< "$(ctl status)"
check "an order fails as well" ! ctl repair 1
check "and the holder still lives" holds one

make_room $HWP/state
mark_events
poison "$(phys_of $MNT/two)" 512 notify
check "with room, the next incident is repaired" wait_event '.type == "io.hwpoisond.repair.done" and .incident == 2' 30
check "and the ledger is told to be back" wait_event '
	.type == "io.hwpoisond.source.restored" and .data.what == "ledger"' 20
check "the first one is repaired on order" ctl repair 1
check "its file can be read" reads $MNT/one 0
check_equal "nothing is bad any more" "" "$(media_list)$(badblocks_list)"
check "its holder was not killed late" holds one
let_go one
ctl list --all --json > $HWP/list.json
check "both are on record" jq -e '[.incidents[] | [.incident, .state]] ==
	[[1, "repaired"], [2, "repaired"]]' $HWP/list.json
stop_daemon

# --- it is full when the daemon starts

fill $HWP/state
mark_events
start_daemon
check "it starts all the same" ctl list
poison "$(phys_of $MNT/three)" 512 notify
check "the alert comes" wait_event '.type == "io.hwpoisond.poison.resolved" and
	.data.owners[0].paths == ["'$MNT'/three"]' 20
check "it is told that the ledger can't be written" wait_event '
	.type == "io.hwpoisond.source.degraded" and .data.what == "ledger"' 20
check "the repair waits" wait_event '.type == "io.hwpoisond.repair.waiting" and .data.reason == "ledger"' 20
check_equal "nothing was cleared" 1 "$(media_list | wc -l)"
check "the ledger was not taken for a damaged one" ! ls $HWP/state/*damaged*
make_room $HWP/state
stop_daemon
mark_events
start_daemon
check "after a restart with room it is repaired" wait_event '.type == "io.hwpoisond.repair.done"' 30
check_equal "nothing is bad" "" "$(media_list)"
ctl list --all --json > $HWP/list.json
check "what was recorded before is still there" jq -e '[.incidents[].incident] | length == 3 and .[:2] == [1, 2]' $HWP/list.json
check "numbers of events only grow" jq -se '[.[].seq] | . == sort' $HWP/events.jsonl
stop_daemon

# --- it is garbage

rm -f $HWP/state/ledger.sqlite-*
head -c 40000 /dev/urandom > $HWP/state/ledger.sqlite
cp $HWP/state/ledger.sqlite $HWP/garbage
mark_events
start_daemon
check "the log says where the old one is" grep -q 'damaged or not ours, it is now .*damaged-20' $HWP/daemon.log
check "it is there, byte for byte" cmp $HWP/garbage $HWP/state/ledger.sqlite.damaged-20??-??-??
check "it is told in the feed" wait_event '
	.type == "io.hwpoisond.source.degraded" and .data.what == "history" and (.data.reason | contains("damaged-20"))' 10
poison "$(phys_of $MNT/four)" 512 notify
check "and the new one serves" wait_event '.type == "io.hwpoisond.repair.done"' 30
stop_daemon

# --- the feed file can't grow

rm -f $HWP/events.socket.jsonl
start_daemon "${rules[@]}" '[Feed]' "File=$HWP/feed/events.jsonl"
fill $HWP/feed
poison "$(phys_of $MNT/four 8192)" 512 notify
check "the repair is not kept up by it" wait_until 20 media_clean
wait_until 20 grep -q poison.gone $HWP/events.socket.jsonl
n=$(wc -l < $HWP/feed/events.jsonl)		# what still fitted into its last page
check_equal "no line is half written" "" "$(tail -c 1 $HWP/feed/events.jsonl | tr -d '\n')"
make_room $HWP/feed
poison "$(phys_of $MNT/four 16384)" 512 notify
check "then it goes on" wait_until 20 grep -q poison.gone $HWP/feed/events.jsonl
check "every line of it is whole, and the gap is told and counted" jq -se --argjson n "$n" '
	.[$n].type == "io.hwpoisond.feed.gap" and .[$n].data.dropped == .[$n].seq - .[$n - 1].seq and
	.[$n + 1].seq > .[$n].seq and .[$n + 1].type == "io.hwpoisond.poison.found"' $HWP/feed/events.jsonl
check_equal "the log told it once" 1 "$(grep -c '^Cannot write events to the file' $HWP/daemon.log)"
stop_daemon
done_checks
