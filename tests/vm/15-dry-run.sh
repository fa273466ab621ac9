#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A dry run says what it would do and does none of it: no signal, no byte on the
# media or in a file, whether the configuration or the command line asks for it,
# and not by an administrator's order either.

. "$SRCDIR/tests/vm/lib.sh"

bed_up
for name in ask tell strike; do
	make_file $MNT/$name 64K
done
declare -A phys before
for name in ask tell strike; do
	phys[$name]=$(phys_of $MNT/$name)
done
make_file $MNT/gone 64K				# what is free later
free=$(phys_of $MNT/gone)
rm $MNT/gone
sync -f $MNT

hold ask sleep $MNT/ask
hold tell sleep $MNT/tell
hold strike open $MNT/strike

# state: all that a dry run must leave as it is. Of a file that is every byte but
# those of the bad page, which nobody can read.
state() {
	local name

	media_list
	badblocks_list
	knob n_clear_error
	ls -lAR --time-style=full-iso $MNT
	for name in ask tell strike; do
		phys_of $MNT/$name
		tail -c +4097 $MNT/$name | cksum
	done
}

nobody_harmed() {
	local name

	for name in ask tell strike; do
		check "$name lives" holds $name
		check "$name got no signal" ! grep -q '^signal' $HWP/hold.$name
	done
}

rules=(
	'[Rule ask]' "Path=$MNT/ask" 'Holders=terminate' 'GraceSec=1' 'Repair=zero'
	'[Rule tell]' "Path=$MNT/tell" 'Holders=signal' 'Repair=zero'
	'[Rule strike]' "Path=$MNT/strike" 'Holders=kill' 'Openers=kill' 'Repair=zero'
	'[Rule rest]' 'Repair=clear'
)

for name in ask tell strike; do
	poison "${phys[$name]}" 512 notify
done
poison "$free" 512 notify
state > $HWP/before

# --- by the configuration

start_daemon '[Daemon]' 'DryRun=yes' "${rules[@]}"
for name in ask tell strike; do
	check "a repair of $name is planned" wait_event ".type == \"io.hwpoisond.repair.planned\" and
		.data.reason == \"dry-run\" and .data.phys_start == \"${phys[$name]}\"" 20
done
check "and that of free space" wait_event ".type == \"io.hwpoisond.repair.planned\" and
	.data.reason == \"dry-run\" and .data.phys_start == \"$free\"" 20

# would NAME WORDS: the event about this process says what it was spared.
would() {
	check "$1: $2" jq -se "any(.[]; .type == \"io.hwpoisond.holder.reported\" and
		.data.holder.pid == $(held "$1") and .data.holder.outcome == \"dry-run\" and
		(.data.holder.reason | contains(\"$2\")))" $HWP/events.jsonl
}
would ask "would send SIGTERM, then SIGKILL after 1 s"
would tell "would send signal 10"
would strike "would send SIGKILL"
check "it said at once that this is a dry run" jq -se '
	.[0].type == "io.hwpoisond.daemon.started" and .[0].data.dry_run' $HWP/events.jsonl

said=$(ctl repair 1 2>&1)
check_equal "an order is refused" 1 $?
check_equal "with one clear sentence" \
	"Incident 1 was not repaired: dry-run (DryRun=yes is in force, nothing is repaired)." "${said#*: }"
ctl list --json > $HWP/list.json
number=$(jq ".incidents[] | select(.phys_start == \"${phys[ask]}\") | .incident" $HWP/list.json)
ctl repair "$number" --dry-run --json > $HWP/plan.json
check "a plan can be asked for, which zeroes one sector and salvages seven" jq -se '
	.[0].zeroed_bytes == 512 and .[0].salvaged_bytes == 3584 and .[0].pages[0].method == "remap"' $HWP/plan.json

sleep 2						# the grace period would be over
no_event '.type | test("repair\\.(done|failed|waiting)|holder\\.(terminated|signalled|survived)|poison\\.gone")' &&
	pass "no event tells of a deed"
nobody_harmed
state > $HWP/after
check "nothing was written" diff $HWP/before $HWP/after
check "all four are left" jq -e '[.incidents[].state] == ["left", "left", "left", "left"]' $HWP/list.json
stop_daemon

# --- by the command line, with a ledger that knows nothing; a reload does not end it

rm -r $HWP/state
mark_events
DAEMON_OPTIONS=--dry-run start_daemon "${rules[@]}"
check "the option is as good as the setting" wait_event '
	.type == "io.hwpoisond.daemon.started" and .data.dry_run' 20
check "the repair is only planned" wait_event "
	.type == \"io.hwpoisond.repair.planned\" and .data.reason == \"dry-run\" and
	.data.phys_start == \"$free\"" 20
kill -HUP "$DAEMON_PID"
wait_until 10 grep -q 'Configuration read anew' $HWP/daemon.log
check "after a reload too, an order is refused" ! ctl repair 1
check "status says so" grep -q 'dry run' <<< "$(ctl status)"
nobody_harmed
state > $HWP/after
check "and nothing was written" diff $HWP/before $HWP/after
stop_daemon

# --- without it, the next start judges what was left anew, and does it

mark_events
for name in ask tell strike; do
	let_go $name
done
start_daemon "${rules[@]}"
check "the bytes are lost now, 512 of them" wait_event "
	.type == \"io.hwpoisond.repair.done\" and .data.incident == $number and
	.data.repair.zeroed_bytes == 512" 60
check "the file can be read" reads $MNT/ask 0
stop_daemon
done_checks
