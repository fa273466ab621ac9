#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 600
#
# Claim: of many pages that are lost in many places, each incident is planned, repaired and told as if
# it was alone, one after the other, though one process asks for all who has them; what was changed
# meanwhile holds for those that have not begun; and where that process is killed, one repair is cut
# off, and ends well with all others.

. "$SRCDIR/tests/vm/lib.sh"

N=24
FORKS=$TRACE/events/sched/sched_process_fork

bed_up
for name in data left stays; do
	make_file $MNT/$name $((4 * N * 4096))
	keep $MNT/$name $name
done
chattr +i $MNT/stays
none_open() {
	[ "$(ctl list --json | jq '.incidents | length')" -eq "${1:-0}" ]
}

# scattered N [PAGE]: where a sector of that many pages is, every fourth from that one on.
scattered() {
	local i

	for ((i = 0; i < $1; i++)); do
		echo $(((${2:-0} + i * 4) * 4096)) 512
	done
}

# scatter FILE N [PAGE]: lose them.
scatter() {
	local at length

	scattered "${@:2}" | while read -r at length; do
		poison "$(phys_of "$MNT/$1" "$at")" "$length" ""
	done
}

# --- one after the other

start_daemon '[Rule left]' "Path=$MNT/left" 'Repair=none' '[Rule all]' "Path=$MNT/**" 'Repair=zero'
mark_events
scatter data $N
scatter stays 1 2
scatter left 1 2
echo > $TRACE/trace
echo 1 > $FORKS/enable
scrub
check "all but two end" wait_until 120 none_open 2
echo 0 > $FORKS/enable
n_forks=$(grep -c 'sched_process_fork: comm=hwpoisond ' $TRACE/trace)
check "it took fewer processes than there were incidents ($n_forks)" test "$n_forks" -gt 0 -a "$n_forks" -lt $N
# shellcheck disable=SC2046
check "the file has lost those sectors and no others" lost $MNT/data data $(scattered $N)
check_events "each is planned, and repaired before the next is planned" '
	map(select(.type | test("[.]repair[.]"))) | [.[range(0; length; 2)].incident] as $planned |
	all(.[range(0; length; 2)]; .type == "io.hwpoisond.repair.planned") and
	[.[range(1; length; 2)].incident] == $planned and ($planned | unique | length) == '$((N + 1))
check_events "each has lost its own sector" '
	[.[] | select(.type == "io.hwpoisond.repair.done") | .data] | length == '$N' and
	all(.[]; .repair.zeroed_bytes == 512 and .repair.salvaged_bytes == 3584 and
		(.repair.losses | length) == 1 and
		.repair.losses[0].file_offset_bytes == .owners[0].file_offset_bytes)'
check_events "the file that may not be written waits" '
	[.[] | select(.type == "io.hwpoisond.repair.waiting") | .data.reason] == ["immutable"]'
check "nothing is left in the store" test ! -e $MNT/.hwpoisond
check_equal "what a rule leaves alone is bad still, as is what waits" 2 "$(media_list | wc -l)"

# --- while one is repaired, the rules change for those that wait

mkdir -p /run/hooks
cat > /run/hooks/holds-up <<'HOOK'
#!/bin/bash
for n in 1 2; do
	mkdir /run/begun.$n 2>/dev/null && break
done
until [ -e /run/go.$n ]; do
	sleep 0.1
done
HOOK
chmod 0755 /run/hooks/holds-up
keep $MNT/data data
mkdir $MNT/held
make_file $MNT/held/first 64K
make_file $MNT/held/second 64K
hold_up() {
	rm -rf /run/begun.* /run/go.*
	reload_daemon '[Rule held-up]' "Path=$MNT/held/*" 'Repair=zero' 'Hook=/run/hooks/holds-up' \
		'HookTimeoutSec=200' '[Rule left]' "Path=$MNT/left" 'Repair=none' \
		'[Rule all]' "Path=$MNT/data" 'Repair=zero'
}
incident_at() {
	ctl list --json | jq --arg at "$(phys_of "$MNT/$1" "$2")" '.incidents[] | select(.phys_start == $at) | .incident'
}

hold_up
mark_events
poison "$(phys_of $MNT/held/first)" 512 notify
check "the first is under way" wait_until 60 test -e /run/begun.1
poison "$(phys_of $MNT/held/second)" 512 notify
wait_event '.type == "io.hwpoisond.poison.resolved" and .data.owners[0].paths == ["'$MNT/held/second'"]' 30 >/dev/null
scatter data 6 1
scrub
are_resolved() {
	[ "$(ctl list --json | jq '[.incidents[] | select(.state == "resolved")] | length')" -eq "$1" ]
}
check "seven wait for it" wait_until 60 are_resolved 7
n_left=$(incident_at left 8192)
ctl repair "$n_left" > "$HWP/ordered" 2>&1 &
ordered=$!
sleep 3
mark_events
touch /run/go.1
check "what was ordered meanwhile is done" wait "$ordered"
check_equal "before all others" "$n_left" "$(events '.type == "io.hwpoisond.repair.planned"' | head -n 1 | jq .incident)"
check "the second is under way" wait_until 60 test -e /run/begun.2
reload_daemon '[Rule all]' "Path=$MNT/data" 'Repair=none'
touch /run/go.2
check "it is repaired" wait_until 60 eval '[ "$(events ".type == \"io.hwpoisond.repair.done\"" | wc -l)" -ge 3 ]'
sleep 3
check_equal "no other is" 3 "$(events '.type == "io.hwpoisond.repair.done"' | wc -l)"

# --- the process is killed

rm -rf /run/begun.* /run/go.*
reload_daemon '[Rule all]' "Path=$MNT/data" 'Repair=zero' 'Hook=/run/hooks/holds-up' 'HookTimeoutSec=200'
check "their repair begins" wait_until 60 test -e /run/begun.1
check "and is killed" pkill -KILL -x hwp-repair
touch /run/go.1 /run/go.2
check "all of them end" wait_until 120 none_open 1
# shellcheck disable=SC2046
check "the file has lost those sectors and no others" lost $MNT/data data $(scattered 6 1)
check_equal "the media of all of them are clean" 1 "$(media_list | wc -l)"
check_equal "one of them was cut off" worker "$(events '.type == "io.hwpoisond.repair.failed"' | jq -r .data.reason)"
check_equal "each was repaired" 0 "$(events '.type == "io.hwpoisond.poison.gone" and .data.state != "repaired"' | wc -l)"

# --- an order that a dry run overtakes is answered

hold_up
poison "$(phys_of $MNT/held/first 8192)" 512 notify
wait_until 60 test -e /run/begun.1 || die "a repair is held up"
ctl repair "$(incident_at stays 8192)" > "$HWP/ordered" 2>&1 &
ordered=$!
sleep 3
reload_daemon '[Daemon]' 'DryRun=yes' '[Rule all]' "Path=$MNT/data" 'Repair=zero'
check "what was ordered comes to an end" wait_until 10 eval "! kill -0 $ordered"
check "which is told" grep -q 'DryRun=yes is in force, nothing is repaired' "$HWP/ordered"
touch /run/go.1
stop_daemon
done_checks
