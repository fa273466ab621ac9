#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --systemd --timeout 500
#
# Claim: the unit of a process that holds lost bytes is stopped by systemd, the
# file is repaired, and the unit is started again, also when the daemon dies in
# between. A unit with somebody in it who must not be touched is left alone.

. "$SRCDIR/tests/vm/lib.sh"

systemctl start dbus.socket dbus.service || die "there is a system bus"
bed_up
make_file $MNT/data 64K
make_file $MNT/slow 64K
make_file $MNT/shield 64K
keep $MNT/data data

# property UNIT NAME
property() {
	systemctl show --value -p "$2" "$1"
}

# unit NAME FILE [PROPERTY...]: a service that holds the first page of the file.
unit() {
	local name=$1 file=$2
	shift 2
	{
		printf '[Service]\nExecStart=%s sleep --log %s %s\n' "$HOLDFILE" "$HWP/hold.$name" "$file"
		[ $# -eq 0 ] || printf '%s\n' "$@"
	} > /run/systemd/system/"$name".service
	systemctl daemon-reload
	systemctl start "$name" || die "$name.service starts"
	wait_until 30 grep -q ^ready "$HWP/hold.$name" || die "$name holds its file"
}

unit db $MNT/data "ExecStopPost=/usr/bin/touch $HWP/db-stopped"
unit idler $MNT/shield
unit slow $MNT/slow 'TimeoutStopSec=600' "ExecStop=/bin/sleep 30"
main=$(property db MainPID)

start_daemon '[Rule db]' 'Unit=db.service' 'Holders=stop-unit' 'GraceSec=30' 'RestartUnit=yes' 'Repair=zero' \
	'[Rule slow]' 'Unit=slow.service' 'Holders=stop-unit' 'GraceSec=2' \
	'[Rule rest]' "Path=$MNT/**" 'Holders=stop-unit' 'Repair=zero'

# --- stopped, repaired, started again

poison "$(phys_of $MNT/data)" 512 notify
event=$(wait_event '.type == "io.hwpoisond.holder.terminated"' 40)
check_equal "the process ended with its unit" "$main db.service stop-unit stopped" \
	"$(jq -r '.data.holder | "\(.pid) \(.unit) \(.action) \(.outcome)"' <<< "$event")"
check "in the way that the unit ends" [ -e $HWP/db-stopped ]
check "the file is repaired" wait_event '.type == "io.hwpoisond.repair.done"' 40
event=$(wait_event '.data.holder.outcome == "restarted"' 40)
check "then the unit is started again, and that is told" grep -q 'its unit was started again' <<< "$event"
check "it runs" wait_until 10 eval '[ "$(property db ActiveState)" = active ]'
check "as another process" [ "$(property db MainPID)" != "$main" ]
check "one sector is zeros, the rest as it was" lost $MNT/data data 0 512
check "in this order" test "$(story 1)" = \
	"poison.found poison.resolved holder.terminated repair.planned repair.done poison.gone holder.reported"
check "the ledger has it to its end" jq -e '[.steps[]? | select(.step == "stop-unit")] | length == 1 and .[0].finished' \
	<<< "$(printf '{"method":"io.hwpoisond.Show","parameters":{"incident":1}}\0' |
		socat -t 5 - "UNIX-CONNECT:$HWP/run/io.hwpoisond" | tr '\0' '\n' | jq .parameters)"

# --- a client of the control socket in the unit: what one may not touch, the unit is not

mark_events
systemd-run -q --unit=watched "$HWPOISONCTL" --socket $HWP/run/io.hwpoisond watch
wait_until 20 eval '[ "$(property watched ActiveState)" = active ]'
sleep 2
echo "$(property idler MainPID)" > /sys/fs/cgroup/system.slice/watched.service/cgroup.procs
poison "$(phys_of $MNT/shield)" 512 notify
event=$(wait_event '.type == "io.hwpoisond.holder.reported"' 20)
check_equal "its unit is left alone" "watched.service report" \
	"$(jq -r '.data.holder | "\(.unit) \(.action)"' <<< "$event")"
check "and the reason said" grep -q 'another process in its unit must not be acted upon' <<< "$event"
check_equal "it runs on" active "$(property watched ActiveState)"

# --- one that takes longer than our patience

mark_events
poison "$(phys_of $MNT/slow)" 512 notify
event=$(wait_event '.type == "io.hwpoisond.holder.survived"' 20)
check_equal "what has not stopped in time is told" "slow.service failed" \
	"$(jq -r '.data.holder | "\(.unit) \(.outcome)"' <<< "$event")"
check_equal "and killed by nobody" deactivating "$(property slow ActiveState)"

# --- the daemon dies while the unit is down

rm -f $HWP/db-stopped
mark_events
chattr +i $MNT/data			# so that the repair waits
poison "$(phys_of $MNT/data)" 512 notify
check "the unit is stopped again" wait_event '.type == "io.hwpoisond.holder.terminated"' 40
check "the repair waits" wait_event '.type == "io.hwpoisond.repair.waiting" and .data.reason == "immutable"' 30
kill_daemon
check_equal "the unit is down" inactive "$(property db ActiveState)"
start_daemon
sleep 2
check_equal "and stays down, since its file is not whole" inactive "$(property db ActiveState)"
chattr -i $MNT/data
number=$(ctl list --json | jq -r '.incidents[] | select(.owners[0].paths[0] == "'$MNT/data'") | .incident')
check "the repair is ordered" ctl repair "$number"
check "then it is started again" wait_until 30 eval '[ "$(property db ActiveState)" = active ]'
check "once: nothing is left to do" wait_until 10 eval \
	'[ "$(sqlite3 $HWP/state/ledger.sqlite "SELECT count(*) FROM intent WHERE step = '\''stop-unit'\'' AND result IS NULL")" = 0 ]'
systemctl kill -s KILL slow 2>/dev/null
stop_daemon
done_checks
