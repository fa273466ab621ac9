#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 400
#
# Claim: rules that have a mistake never replace those in force; rules that have
# none give every open incident a new verdict, and only then is anybody acted
# upon; so does a start with other rules. An unlinked file keeps its attribute.

. "$SRCDIR/tests/vm/lib.sh"

bed_up
make_file $MNT/data 64K
make_file $MNT/other 64K
keep $MNT/data data
make_file $MNT/gone 64K
setfattr -n user.hwpoisond.avoid -v 1 $MNT/gone
start_daemon

hold reader sleep --offset 8192 $MNT/data
hold keeper sleep --offset 4096 $MNT/gone
phys_gone=$(phys_of $MNT/gone 4096)
rm $MNT/gone
poison "$(phys_of $MNT/data 8192)" 512 notify
wait_state 1 left
check_equal "without a rule it is only told" "report reported" \
	"$(ctl show 1 --json | jq -r '.holders[0] | "\(.action) \(.outcome)"')"

# --- mistakes

mark_events
write_conf '[Rule all]' "Path=$MNT/**" 'Holders=kill' 'Repair=zero' '[Rule late]' 'Pth=/x'
ctl reload >$HWP/said 2>&1
check_equal "a file with a mistake is refused" 1 $?
check "with its line" grep -q 'hwpoisond.conf:6: unknown key Pth=' $HWP/said
check "and what that means" grep -q 'the configuration in force stays' $HWP/said
ctl reload --json >$HWP/said 2>/dev/null
check "as JSON too" jq -e '.problems | length == 1' $HWP/said
check "monitoring hears of it" wait_event '.type == "io.hwpoisond.source.degraded" and .data.what == "configuration"'
kill -HUP "$DAEMON_PID"
check "nobody is acted upon by half of it" no_event '.data.holder or (.type | contains("repair"))' 2
check "the reader lives" holds reader
check "nothing was repaired" test -n "$(media_list)"
check "an ordinary user can't reload" ! setpriv --reuid=65534 --regid=65534 --clear-groups \
	"$HWPOISONCTL" --socket $HWP/run/io.hwpoisond reload

# --- a dry run first

mark_events
write_conf '[Daemon]' 'DryRun=yes' '[Rule all]' "Path=$MNT/**" 'Holders=terminate' 'Repair=zero'
check "a good file is taken" ctl reload
check "the trouble is over" wait_event '.type == "io.hwpoisond.source.restored" and .data.what == "configuration"'
event=$(wait_event '.type == "io.hwpoisond.poison.resolved"')
check_equal "the incident that was left is judged anew" "1 rules-changed terminate all zero" \
	"$(jq -r '"\(.incident) \(.data.reason) \(.data.holders[0].action) \(.data.repair.rule) \(.data.repair.wish)"' <<< "$event")"
check "the reader would be terminated" wait_event '.data.holder.outcome == "dry-run"'
check "and the file be repaired" wait_event '.type == "io.hwpoisond.repair.planned" and .data.reason == "dry-run"'
wait_state 1 left
check "but the reader lives" holds reader
check "and the media are as they were" test -n "$(media_list)"

# The same rules again, as after a rotated log: nothing to judge.
mark_events
printf '# only a comment\n' >> $HWP/hwpoisond.conf
check "the same rules are taken" ctl reload
check "and judge nothing anew" no_event '.type | test("[.](poison|holder|repair)[.]")' 2

# --- in force

mark_events
write_conf '[Rule all]' "Path=$MNT/**" 'Holders=terminate' 'Repair=zero' \
	'[Rule gone]' "Mountpoint=$MNT" 'Holders=kill' 'Repair=zero' '[Rule never]' "Path=$MNT/a*"
ctl reload >$HWP/said 2>&1
check_equal "a rule that can never match is no mistake" 0 $?
check "but told" grep -q 'rule "never" can never match' $HWP/said
check "the reader is terminated" wait_event '.data.holder.outcome == "terminated"'
check "the file is repaired" wait_event '.type == "io.hwpoisond.poison.gone" and .data.state == "repaired"' 30
check "one sector is zeros, the rest as it was" lost $MNT/data data 8192 512

# --- a file without a name

mark_events
poison "$phys_gone" 512 notify
wait_state 2 left
check_equal "no Path matches it, the attribute still spares its holder" "gone report true" \
	"$(ctl show 2 --json | jq -r '.owners[0] as $o | .holders[0] |
		"\(.rule) \(.action) \($o.unlinked)"')"
check "and the reason says so" grep -q 'the file has the attribute' <<< \
	"$(ctl show 2 --json | jq -r '.holders[0].reason')"
check "it lives" holds keeper

ctl policy explain --pid "$(held keeper)" --json > $HWP/explained
check_json "$(< $HWP/explained)" \
	"a process is explained by each file that it holds" \
	'[.files[] | select(.file | endswith("gone (deleted)"))] | length == 1 and .[0].rule == "gone" and .[0].action == "report"' \
	"with what the rules say of it" '[.rules[].matches] == [true, true, true]' \
	"and who it is" ".comm == \"holdfile\" and .pid == $(held keeper)"
check_equal "a file that it does not hold is explained as if it did" "terminate all" \
	"$(ctl policy explain $MNT/other --pid "$(held keeper)" --json | jq -r '.holders[0] | "\(.action) \(.rule)"')"
check "in words too" grep -q 'rule "all" says Holders=terminate' <<< \
	"$(ctl policy explain $MNT/other --pid "$(held keeper)")"
check_equal "the daemon is not needed for it" "terminate" \
	"$("$HWPOISONCTL" --socket /none policy explain $MNT/other --pid "$(held keeper)" \
		--config $HWP/hwpoisond.conf --json | jq -r '.holders[0].action')"
check_equal "no such process" 1 "$(status_code ctl policy explain --pid 999999)"
check_equal "neither file nor process: usage" 2 "$(status_code ctl policy explain)"

# --- a start with other rules

stop_daemon
mark_events
start_daemon
check "a start with the same rules judges nothing anew" no_event '.type | test("[.](poison|holder|repair)[.]")' 2
stop_daemon
mark_events
start_daemon '[Rule gone]' "Mountpoint=$MNT" 'Openers=report' 'Device=none' '[Rule free]' 'Owner=free' 'Repair=clear'
check "one with other rules does" wait_event \
	'.type == "io.hwpoisond.poison.resolved" and .incident == 2 and .data.reason == "rules-changed"'
let_go keeper
stop_daemon
done_checks
