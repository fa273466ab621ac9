# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the kernel reports of one failure belongs to one incident: the machine
# check, the page, the files and processes that it tried. What a process forges
# is nothing. Corrected errors are counted. And who listens sleeps.

. "$SRCDIR/tests/vm/lib.sh"

# The sum of how often its threads went to sleep: each time, something had woken it.
wakeups() {
	awk '/^(non)?voluntary_ctxt_switches/ { n += $2 } END { print n }' "/proc/$DAEMON_PID"/task/*/status
}

bed_up
make_file $MNT/data 1M
make_file $MNT/quiet 1M
cp --reflink=always $MNT/data $MNT/clone
sync -f $MNT
phys=$(phys_of $MNT/data 8192)
start_daemon '[Rule quiet]' "Path=$MNT/quiet" 'Holders=report' \
	'[Rule all]' "Path=$MNT/**" 'Holders=terminate' 'GraceSec=3'
check "this kernel has all that we listen to" no_event \
	'.type == "io.hwpoisond.source.degraded" and (.data.what | startswith("kernel events"))'

# --- idle

sleep 3
echo "# $(grep VmRSS "/proc/$DAEMON_PID/status" | tr -s '\t ' ' ') after start"
before=$(wakeups)
sleep 5
check_equal "nothing wakes it" "$before" "$(wakeups)"

# --- one failure

hold default sleep --offset 8192 $MNT/data
hold early sleep --early-kill --offset 8192 $MNT/data
hold mortal sleep --early-kill --die --offset 8192 $MNT/data
mce_srao "$phys"
check "the holders are answered" wait_event \
	".type == \"io.hwpoisond.holder.terminated\" and .data.holder.pid == $(held early)" 30
check "both of them" wait_event \
	".type == \"io.hwpoisond.holder.terminated\" and .data.holder.pid == $(held default)" 30
# Of the processes that map one shared page, 6.12 signals those alone that have it in their page
# tables, and a fault of one takes it out of the other's.
signalled=$(dmesg | sed -n 's/.*Sending SIGBUS to holdfile:\([0-9]*\) .*/\1/p' | jq -sc sort)
case $(uname -r) in
6.1.*)	check_equal "the kernel signals who wants it early" \
		"$(jq -nc "[$(held early), $(held mortal)] | sort")" "$signalled" ;;
*)	check "the kernel signals somebody" test "$signalled" != "[]" ;;
esac
check_json "$(ctl show 1 --json)" \
	"the incident knows its sources" '(.sources | sort) == ["badblocks", "mce", "memory_failure"]' \
	"who was signalled by the kernel keeps that" \
	".holders | map(select(.pid | IN($signalled[]))) |
		all(.reason | startswith(\"signalled by the kernel (BUS_MCEERR_AO)\"))" \
	"whom the kernel left alone was not" \
	".holders[] | select(.pid == $(held default)) | .reason | test(\"signalled\") | not" \
	"the rule applied to it" \
	".holders[] | select(.pid == $(held default)) | .outcome == \"terminated\""
check_events \
	"there is one incident" \
	'[.[] | select(.type == "io.hwpoisond.poison.found")] | length == 1' \
	"the failure is told once, with both files that the kernel tried" \
	"[.[] | select(.type == \"io.hwpoisond.kernel.memory_failure\").data] | length == 1 and
		(.[0] | .phys_start == \"$phys\" and .page_type == \"dax\" and .result == \"recovered\" and
		([.files[].inode] | sort) == ([$(stat -c %i $MNT/data), $(stat -c %i $MNT/clone)] | sort) and
		(.files | all(.file_offset_bytes == 8192 and .length_bytes == 4096)))" \
	"and the signals, each once" \
	"[.[] | select(.type == \"io.hwpoisond.kernel.signalled\").data] |
		([.[].pid] | sort) == $signalled and
		all(.code == \"BUS_MCEERR_AO\" and .comm == \"holdfile\" and .phys_start == \"$phys\")" \
	"whom it killed is not acted upon" \
	"[.[] | select(.data.holder.pid | IN($signalled[] | select(. == $(held mortal)))) |
		.data.holder.outcome] - [\"exited\"] == []" \
	"their processes are those that they were" \
	'([.[] | select(.type == "io.hwpoisond.poison.resolved").data.holders[] |
		{ key: "\(.pid)", value: .start_ticks }] | from_entries) as $start |
		[.[] | select(.type == "io.hwpoisond.kernel.signalled").data] |
		all(.start_ticks == ($start["\(.pid)"] // .start_ticks))'
check "that one lives no more" ! holds mortal
let_go default
let_go early

# --- forged

mark_events
forge="setpriv --reuid=65534 --regid=65534 --clear-groups $HOLDFILE forge /etc/passwd"
check "an ordinary user can forge the signal" $forge
check "which is nothing" no_event '.type | startswith("io.hwpoisond.holder") or
	startswith("io.hwpoisond.kernel") or startswith("io.hwpoisond.poison")' 2
quiet=$(phys_of $MNT/quiet 4096)
hold second sleep --early-kill --offset 4096 $MNT/quiet
(while :; do $forge; done) &
forger=$!
mce_srao "$quiet"
check "a real one is heard among forged ones" wait_event ".type == \"io.hwpoisond.kernel.signalled\"" 20
check "the incident is resolved" wait_event '.type == "io.hwpoisond.holder.reported" and .incident == 2' 20
kill $forger
wait $forger 2>/dev/null
check_events \
	"and is the only one" \
	"[.[] | select(.type == \"io.hwpoisond.kernel.signalled\").data] |
		length == 1 and .[0].pid == $(held second)" \
	"nothing was lost" \
	'[.[] | select(.type == "io.hwpoisond.source.degraded")] == []'

# --- corrected

mark_events
soft=
for ((at = 0x50000000; at < 0x60000000 && ! ${#soft}; at += 0x1000000)); do
	echo "$(printf '0x%x' $at)" > /sys/devices/system/memory/soft_offline_page && soft=$(printf '0x%x' $at)
done 2>/dev/null
check "a page can be taken out of use" test -n "$soft"
check "which is told as corrected" wait_event \
	".type == \"io.hwpoisond.kernel.corrected\" and .data.label == \"soft-offline\" and
		.data.phys_start == \"$soft\" and .data.count == 1" 10

# Banks are polled for corrected errors, by a timer.
for file in /sys/devices/system/machinecheck/machinecheck*/check_interval; do
	echo 1 > "$file"
done
monitor "mce 0 9 0x9c000000000000c0 0x0 0x51000000 0x8c"
check "so is an error that was corrected by the hardware" wait_event \
	'.type == "io.hwpoisond.kernel.corrected" and .data.phys_start == "0x51000000" and
		.data.label == "machine check bank 9"' 20
check "neither is an incident" no_event '.type == "io.hwpoisond.poison.found"'

let_go second
stop_daemon
done_checks
