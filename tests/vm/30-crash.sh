#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 900
#
# Claim: killed at any call that changes the disk, alone or with its worker,
# before the call or after it, the next start finishes the repair once: every
# byte is the original or a zero on record, the incident is announced once,
# nobody stays stopped, no poison and no quarantine is left.
#
# Once for a page, and once for three in a row that are repaired together. Each
# point takes other pages of the same files. Every third point of a page is taken,
# every sixth of three, and where the quarantine is emptied, and the three ways to
# die take turns; guest --append crash_all --timeout 6000 takes each way at each
# point. A worker that dies alone is the daemon's to see to.

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

# What goes bad of the pages that we use: one sector of the first; or its last,
# the second page, and the first sector of the third.
declare -A first_sector=([page]=2 [pages]=7) n_sectors=([page]=1 [pages]=10) n_losses=([page]=2 [pages]=6)
declare -A salvaged_bytes=([page]=3584 [pages]=7168)

# poison_pages page|pages N: of the n-th that we use, and what the files shall
# hold then.
poison_pages() {
	local at=$((8192 + $2 * 16384 + ${first_sector[$1]} * 512)) phys

	phys=$(phys_of $MNT/data $at)
	dd if=/dev/zero of="$HWP/want" bs=512 seek=$((at / 512)) count="${n_sectors[$1]}" conv=notrunc status=none
	poison "$phys" $((${n_sectors[$1]} * 512)) notify
	where=$phys
}

# count_points page|pages N: the crash log of one undisturbed repair tells how
# many points there are. With a reader as well, as its file gets a spare of its own.
count_points() {
	export CRASH_LOG=$HWP/crash.log.$1
	HWPOISOND=$HWP/crashing start_daemon "${conf[@]}"
	mark_events
	hold reader sleep --map shared --offset $((8192 + $2 * 16384)) --length 4096 $MNT/data
	poison_pages "$1" "$2"
	wait_event '.type == "io.hwpoisond.poison.gone"' 60 >/dev/null
	let_go reader
	stop_daemon
	n_points=$(wc -l < "$CRASH_LOG")
	emptied=$(awk '$2 == "truncate" { last = $1 } END { print last }' "$CRASH_LOG")
	cleared=$(awk '$2 == "pwrite" { last = $1 } END { print last }' "$CRASH_LOG")
	check "a repair has points to crash at" [ "$n_points" -ge 10 ]
	sed 's/^/# /' "$CRASH_LOG"
	unset CRASH_LOG
}

crash_at() {	# POINT WHOM WHEN PAGE page|pages
	local claim="$5, killed $3 call $1 ($2)" state

	mark_events
	CRASH_AT=$1 CRASH_WHOM=$2 CRASH_WHEN=$3 HWPOISOND=$HWP/crashing start_daemon
	# Its page alone is mapped by a reader: a mapper of all would be paused by all.
	hold reader sleep --map shared --offset $((8192 + $4 * 16384)) --length 4096 $MNT/data
	poison_pages "$5" "$4"
	if [ "$2" != worker ]; then
		wait_until 60 eval '! daemon_runs' || fail "$claim: it was killed"
		kill_daemon
		start_daemon
	fi
	wait_event '.type == "io.hwpoisond.poison.gone" and .data.phys_start == "'"$where"'"' 60 >/dev/null
	events '.data.phys_start == "'"$where"'"' > "$HWP/story"
	check_equal "$claim: announced once" 1 "$(grep -c 'poison.found' "$HWP/story")"
	check "$claim: repaired" grep -q '"io.hwpoisond.poison.gone".*"state":"repaired"' "$HWP/story"
	check "$claim: all losses are on record" \
		jq -se --argjson zeroed $((${n_sectors[$5]} * 512)) --argjson salvaged "${salvaged_bytes[$5]}" \
		--argjson losses "${n_losses[$5]}" '
		map(select(.type == "io.hwpoisond.poison.gone")) | last | .data.repair
			| .zeroed_bytes == $zeroed and .salvaged_bytes == $salvaged
			and (.losses | length) == $losses and ([.losses[].length_bytes] | add) == 2 * $zeroed' "$HWP/story"
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

page_number=0
ways=('both before' 'daemon after' 'both after')
all=no
grep -q 'crash_all' /proc/cmdline && all=yes

crash_everywhere() {	# page|pages EVERY WHICH
	local point way

	count_points "$1" $page_number
	page_number=$((page_number + 1))
	for ((point = 1; point <= n_points; point++)); do
		for way in "${ways[@]}"; do
			if [ $all = no ]; then
				if [ "$point" -eq "$emptied" ]; then
					[ "$way" = 'both after' ] || continue
				else
					[ $((point % $2)) -eq "$3" ] || continue
					[ "$way" = "${ways[page_number % 3]}" ] || continue
				fi
			fi
			# shellcheck disable=SC2086
			crash_at $point $way $page_number "$1"
			page_number=$((page_number + 1))
			[ $all = yes ] || break
		done
	done
	# The worker alone, when nothing is bad any more: that its work has no end yet only the ledger
	# knows. The next one counts anew; where it has each page to finish, it gets to that call, too.
	for point in "$cleared" "$emptied"; do
		[ "$1 $point" != "pages $cleared" ] || continue
		crash_at "$point" worker after $page_number "$1"
		page_number=$((page_number + 1))
	done
	echo "# $1: $n_points points"
}

crash_everywhere page 3 1
crash_everywhere pages 6 2
check "three pages in a row were repaired together" test "$(sqlite3 "$HWP/state/ledger.sqlite" "SELECT count(*) FROM
	intent WHERE step = 'remap' AND json_extract(detail, '\$.length_bytes') = 12288")" -gt $((n_points / 6 - 1))
echo "# $((page_number - 2)) crashes"
done_checks
