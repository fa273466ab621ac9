#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 600
#
# Claim: killed at any call of a rewrite that changes the disk, alone or with its worker, before the
# call or after it, the next start ends the repair: every byte is the original or a zero on record,
# the incident is announced once, and nobody stays stopped.
#
# The ways to die take turns, and so do a page in the middle and the last one; guest --append
# crash_all --timeout 2400 takes each way at each point.

. "$SRCDIR/tests/vm/lib.sh"

bed_up ext4
for n in {0..15}; do
	make_file $MNT/data$n 10000
	keep $MNT/data$n data$n
done

cat > "$HWP/crashing" <<'SH'
#!/bin/bash
exec env LD_PRELOAD="$VM_CACHE/crashpoint.so" "$BUILDDIR/hwpoisond" "$@"
SH
chmod +x "$HWP/crashing"

# poison_page FILE-NUMBER: one sector of the page, which is every other time the last of its file.
poison_page() {
	page=$((4096 + ($1 & 1) * 4096))
	phys=$(phys_of $MNT/data$1 $page)
	where=$(printf '0x%x' $((phys + 1024)))
	poison "$where" 256 notify
}

# The crash log of one undisturbed repair tells how many points there are.
export CRASH_LOG=$HWP/crash.log
HWPOISOND=$HWP/crashing start_daemon '[Rule all]' "Path=$MNT/**" 'Repair=zero'
poison_page 0
wait_event '.type == "io.hwpoisond.poison.gone"' 60 >/dev/null
stop_daemon
n_points=$(wc -l < "$CRASH_LOG")
check "a rewrite has points to crash at" [ "$n_points" -ge 3 ]
sed 's/^/# /' "$CRASH_LOG"
unset CRASH_LOG

crash_at() {	# POINT WHOM WHEN FILE-NUMBER
	local claim="killed $3 call $1 ($2), $4" state

	mark_events
	CRASH_AT=$1 CRASH_WHOM=$2 CRASH_WHEN=$3 HWPOISOND=$HWP/crashing start_daemon
	hold reader sleep --map shared --offset $((4096 + ($4 & 1) * 4096)) --length 1808 $MNT/data$4
	poison_page "$4"
	wait_until 60 eval '! daemon_runs' || fail "$claim: it was killed"
	kill_daemon

	start_daemon
	wait_event '.type == "io.hwpoisond.poison.gone" and .data.phys_start == "'"$where"'"' 60 >/dev/null
	events '.data.phys_start == "'"$where"'"' > "$HWP/story"
	check_equal "$claim: announced once" 1 "$(grep -c 'poison.found' "$HWP/story")"
	check "$claim: repaired, and the loss is on record" \
		jq -se --argjson at $((page + 1024)) 'map(select(.type == "io.hwpoisond.poison.gone")) | last | .data
			| .state == "repaired" and (.repair | .zeroed_bytes == 512 and (.losses | length == 1
			and .[0].length_bytes == 512 and .[0].file_offset_bytes == $at))' "$HWP/story"
	state=$(awk '/^State:/ { print $2 }' "/proc/$(held reader)/status")
	check_equal "$claim: the reader runs" S "$state"
	let_go reader
	check "$claim: data" lost $MNT/data$4 data$4 $((page + 1024)) 512
	check_equal "$claim: its size" 10000 "$(stat -c %s $MNT/data$4)"
	check_equal "$claim: media" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
	stop_daemon
}

file=1
ways=('both before' 'daemon after' 'both after')
all=no
grep -q 'crash_all' /proc/cmdline && all=yes
for ((point = 1; point <= n_points; point++)); do
	for way in "${ways[@]}"; do
		[ $all = yes ] || [ "$way" = "${ways[file % 3]}" ] || continue
		# shellcheck disable=SC2086
		crash_at $point $way $file
		file=$((file + 1))
		[ $all = yes ] || break
	done
done
echo "# $n_points points, $((file - 1)) crashes"
done_checks
