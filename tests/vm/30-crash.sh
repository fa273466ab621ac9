#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 900
#
# Claim: killed at any call that changes the disk, alone or with its worker,
# before the call or after it, the next start finishes the repair once: every
# byte is the original or a zero on record, the incident is announced once,
# nobody stays stopped, no poison and no quarantine is left.
#
# Each point takes another page of the same files. Every third point is taken,
# and where the quarantine is emptied, and the three ways to die take turns; guest --append crash_all
# --timeout 3000 takes each way at each point. A worker that dies alone is the daemon's to see to.

. "$SRCDIR/tests/vm/lib.sh"

bed_up
make_file $MNT/data 4M
cp --reflink=always $MNT/data $MNT/clone
cp $MNT/data "$HWP/want"
conf=('[Rule all]' "Path=$MNT/**" 'Repair=zero')

cat > "$HWP/crashing" <<'SH'
#!/bin/bash
exec env LD_PRELOAD="$VM_CACHE/crashpoint.so" "$BUILDDIR/hwpoisond" "$@"
SH
chmod +x "$HWP/crashing"

# poison_page N: one sector of the n-th page that we use, and what the files
# shall hold then.
poison_page() {
	page=$((8192 + $1 * 16384))
	phys=$(phys_of $MNT/data $page)
	dd if=/dev/zero of="$HWP/want" bs=512 seek=$((page / 512 + 2)) count=1 conv=notrunc status=none
	poison $((phys + 1024)) 256 notify
	where=$(printf '0x%x' $((phys + 1024)))
}

# The crash log of one undisturbed repair tells how many points there are. With a reader as well, as
# its file gets a spare of its own.
export CRASH_LOG=$HWP/crash.log
HWPOISOND=$HWP/crashing start_daemon "${conf[@]}"
hold reader sleep --map shared --offset 8192 --length 4096 $MNT/data
poison_page 0
wait_event '.type == "io.hwpoisond.poison.gone"' 60 >/dev/null
let_go reader
stop_daemon
n_points=$(wc -l < "$CRASH_LOG")
emptied=$(awk '$2 == "truncate" { last = $1 } END { print last }' "$CRASH_LOG")
cleared=$(awk '$2 == "pwrite" { last = $1 } END { print last }' "$CRASH_LOG")
check "a repair has points to crash at" [ "$n_points" -ge 10 ]
sed 's/^/# /' "$CRASH_LOG"
unset CRASH_LOG

crash_at() {	# POINT WHOM WHEN PAGE
	local claim="killed $3 call $1 ($2)" state

	mark_events
	CRASH_AT=$1 CRASH_WHOM=$2 CRASH_WHEN=$3 HWPOISOND=$HWP/crashing start_daemon
	# Its page alone is mapped by a reader: a mapper of all would be paused by all.
	hold reader sleep --map shared --offset $((8192 + $4 * 16384)) --length 4096 $MNT/data
	poison_page "$4"
	if [ "$2" != worker ]; then
		wait_until 60 eval '! daemon_runs' || fail "$claim: it was killed"
		kill_daemon
		start_daemon
	fi
	wait_event '.type == "io.hwpoisond.poison.gone" and .data.phys_start == "'"$where"'"' 60 >/dev/null
	events '.data.phys_start == "'"$where"'"' > "$HWP/story"
	check_equal "$claim: announced once" 1 "$(grep -c 'poison.found' "$HWP/story")"
	check "$claim: repaired" grep -q '"io.hwpoisond.poison.gone".*"state":"repaired"' "$HWP/story"
	check "$claim: both losses are on record" \
		jq -se 'map(select(.type == "io.hwpoisond.poison.gone")) | last | .data.repair
			| .zeroed_bytes == 512 and .salvaged_bytes == 3584
			and (.losses | length) == 2 and all(.losses[]; .length_bytes == 512)' "$HWP/story"
	state=$(awk '/^State:/ { print $2 }' "/proc/$(held reader)/status")
	check_equal "$claim: the reader runs" S "$state"
	check_equal "$claim: the reader saw no signal" 0 "$(hold_log reader | grep -c SIGBUS)"
	let_go reader
	check "$claim: data" cmp "$HWP/want" $MNT/data
	check "$claim: clone" cmp "$HWP/want" $MNT/clone
	check_equal "$claim: media" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
	check "$claim: no quarantine" [ ! -e $MNT/.hwpoisond ]
	stop_daemon
}

page_number=1
ways=('both before' 'daemon after' 'both after')
all=no
grep -q 'crash_all' /proc/cmdline && all=yes
for ((point = 1; point <= n_points; point++)); do
	for way in "${ways[@]}"; do
		if [ $all = no ]; then
			if [ "$point" -eq "$emptied" ]; then
				[ "$way" = 'both after' ] || continue
			else
				[ $((point % 3)) -eq 1 ] || continue
				[ "$way" = "${ways[page_number % 3]}" ] || continue
			fi
		fi
		# shellcheck disable=SC2086
		crash_at $point $way $page_number
		page_number=$((page_number + 1))
		[ $all = yes ] || break
	done
done
# The worker alone, when nothing is bad any more: that its work has no end yet only the ledger knows.
for point in "$cleared" "$emptied"; do
	crash_at "$point" worker after $page_number
	page_number=$((page_number + 1))
done
echo "# $n_points points, $((page_number - 1)) crashes"
done_checks
