# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 600
#
# Without any one of its programs, and without all of them, the daemon says what
# it does not hear, and the incident comes out right: only its details are fewer.
#
# Starts of the daemon and of jq are most of the time that this takes: programs that have no part in
# a failure share one start, and all claims share one jq.

. "$SRCDIR/tests/vm/lib.sh"

page=0
lose=lose_by_kernel
stories=()					# of each start, its events as a JSON array
claims=()					# claim and filter in turn, of all stories together

# A machine check takes the way through QEMU's monitor, which takes its time.
lose_by_kernel() {
	poison "$1" 4096 mce
}

# without NAME DEGRADED SOURCES CLAIM FILTER... : skip the programs NAME, lose a
# page. DEGRADED: what it says of the kernel, as a JSON array; SOURCES likewise.
# $phys and $pid are known to the filters, which get all events.
without() {
	local name=$1 degraded=$2 sources=$3 phys pid
	shift 3

	page=$((page + 1))
	phys=$(phys_of $MNT/data $((4096 * page)))
	pid=$(held early)
	mark_events
	start_daemon '[Daemon]' "SkipBPF=$name" '[Rule all]' 'Holders=report'
	$lose "$phys"
	check "without ${name:-BTF}: the holder is found" wait_until 20 holder_is_reported "$phys"
	stop_daemon
	stories+=("[$(tail -n "+$EVENTS_FROM" $HWP/events.jsonl | paste -sd,)]")
	set -- "it says so, in a sentence, and nothing else" \
		"[.[] | select(.type == \"io.hwpoisond.source.degraded\").data] |
			([.[].what] | sort) == (
			$degraded) and all(.reason | length > 20)" \
		"there is one incident more, with file and holder" \
		"[.[] | select(.type == \"io.hwpoisond.poison.resolved\").data] |
			map(select(.phys_start == \"$phys\")) | length == 1 and (.[0] | .owners_complete and
			[.owners[].paths[]] == [\"$MNT/data\"] and [.holders[].pid] == [$pid])" \
		"heard in the other ways" \
		"[.[] | select(.type == \"io.hwpoisond.poison.resolved\").data] |
			map(select(.phys_start == \"$phys\").sources | sort) == [$sources]" \
		"$@"
	while [ $# -gt 1 ]; do
		claims+=("without ${name:-BTF}: $1" ".[$((page - 1))] | (${2//PHYS/$phys})")
		shift 2
	done
}

holder_is_reported() {
	tail -n "+$EVENTS_FROM" $HWP/events.jsonl | grep -F '"io.hwpoisond.holder.reported"' |
		grep -qF "\"phys_start\":\"$1\""
}

told='[.[] | select(.type == "io.hwpoisond.kernel.memory_failure").data]'
signalled='[.[] | select(.type == "io.hwpoisond.kernel.signalled").data]'
all='["badblocks", "memory_failure"]'

# is_told [WITHOUT]: the failure is, whole or without its files.
is_told() {
	echo "$told | length == 1 and .[0].phys_start == \"PHYS\" and .[0].result == \"recovered\" and
		(.[0].files // [] | length) == $([ $# -eq 0 ] && echo 1 || echo 0)"
}
is_signalled="$signalled | length == 1 and .[0].phys_start == \"PHYS\""

bed_up
: > $HWP/events.jsonl
make_file $MNT/data 128K
hold early sleep --early-kill --length 131072 $MNT/data
kill -USR2 "$(held early)"			# it touches them all

lose=mce_srao
without mce_record '["kernel events: mce_record"]' "$all" \
	"the failure is told" "$(is_told)" "and the signal" "$is_signalled"
lose=lose_by_kernel
without memory_failure_event '["kernel events: memory_failure_event"]' "$all" \
	"the signal is told" "$is_signalled"
without signal_generate '["kernel events: signal_generate"]' "$all" \
	"the failure is told" "$(is_told)" "no signal" "$signalled == []"
without "mc_event extlog_mem_event soft_offline_page hwpoison_filter unpoison_memory" \
	'["extlog_mem_event", "hwpoison_filter", "mc_event", "soft_offline_page", "unpoison_memory"] |
		map("kernel events: " + .)' \
	"$all" "the failure is told" "$(is_told)" "and the signal" "$is_signalled"
without memory_failure '["kernel events: memory_failure"]' "$all" \
	"the failure is told" "$(is_told without)" "and the signal" "$is_signalled"
without mf_dax_kill_procs '["kernel events: mf_dax_kill_procs"]' "$all" \
	"the failure is told" "$(is_told without)" "and the signal" "$is_signalled"
without "memory_failure mf_dax_kill_procs soft_offline_page" \
	'["kernel events: memory_failure", "kernel events: mf_dax_kill_procs", "kernel events: soft_offline_page"]' \
	"$all" "the failure is told" "$(is_told without)" "and the signal" "$is_signalled"
for name in task_vma task_file; do
	without $name '["holders by BPF"]' "$all" \
		"the failure is told" "$(is_told)" "and the signal" "$is_signalled"
done
without all '["holders by BPF", "kernel events"]' '["badblocks"]' "nothing of the kernel is told" "$told + $signalled == []"

mkdir -p $HWP/empty
mount --bind $HWP/empty /sys/kernel/btf
without "" '["holders by BPF", "kernel events"]' '["badblocks"]' "nothing of the kernel is told" "$told + $signalled == []"
umount /sys/kernel/btf

check_json "[$(IFS=,; echo "${stories[*]}")]" "${claims[@]}"

# --- a mistake

write_conf '[Daemon]' 'SkipBPF=mce_record memory_failures'
"$HWPOISOND" --check-config --config $HWP/hwpoisond.conf 2> $HWP/mistake
check_equal "a name that there is not is a mistake" 1 $?
check "in a line of the file" grep -q 'hwpoisond.conf:2: SkipBPF= must be' $HWP/mistake
let_go early
check "BPF that was loaded did what it is for" ! grep 'Cannot find holders by BPF' $HWP/daemon.log
done_checks
