# SPDX-License-Identifier: GPL-2.0-or-later
#
# How long the repair of many pages takes, from the plan to the end, with the ledger on, beside bare
# loops that do the least of what it takes: whole-page writes, and clones. For the guest, whose clock
# is that of an emulated processor: the ratios count. It is 1000 pages, unless guest --append
# bench_pages=N says otherwise.
#
# guest: --timeout 3000

. "$SRCDIR/tests/vm/lib.sh"

echo '{"benchmark":"repair","title":"Mend many pages of a mounted filesystem"}'
N=1000
for word in $(< /proc/cmdline); do
	[ "${word%=*}" != bench_pages ] || N=${word#*=}
done
N_SCATTERED=400				# the kernel's list ends at 512 ranges
BARE=$BUILDDIR/tests/bench/repair

bed_up

# new_file NAME PAGES: in one piece.
new_file() {
	make_file "$MNT/$1" $(($2 * 4096))
	start=$(($(phys_of "$MNT/$1")))
	[ $(($(phys_of "$MNT/$1" $((($2 - 1) * 4096))))) -eq $((start + ($2 - 1) * 4096)) ] ||
		die "$1 lies in one piece"
}

# poison_pages N STRIDE HOW: those of the last new file, at most 256 KiB at a time.
poison_pages() {
	local at n

	for ((at = 0; at < $1; at += n)); do
		n=1
		[ "$2" -ne 1 ] || n=$(($1 - at < 64 ? $1 - at : 64))
		poison $((start + at * $2 * 4096)) $((n * 4096)) "$3"
	done
}

# bare ROW MODE ARGUMENT... of tests/bench/repair
bare() {
	ROW=$1 "$BARE" "${@:2}" || die "$1"
}

new_file scattered $((4 * N_SCATTERED))
poison_pages $N_SCATTERED 4 notify
bare "bare write a page, scattered" write $MNT/scattered 4 $N_SCATTERED
new_file contiguous "$N"
poison_pages "$N" 1 notify
bare "bare write a page" write $MNT/contiguous 1 "$N"
poison_pages "$N" 1 notify
bare "bare write, all at once" once $MNT/contiguous "$N"
make_file $MNT/donor 4096
poison_pages "$N" 1 notify
bare "bare FICLONERANGE a page" clone $MNT/contiguous $MNT/donor 1 "$N"
rm $MNT/contiguous
new_file contiguous "$N"
make_file $MNT/donor $((N * 4096))
poison_pages "$N" 1 notify
bare "bare FICLONERANGE, 256 pages at a time" share $MNT/contiguous $MNT/donor "$N"
mkdir "$HWP/ledger-1" "$HWP/ledger-256"
bare "ledger alone, a page at a time" ledger "$HWP/ledger-1" 1 "$N"
bare "ledger alone, 256 pages at a time" ledger "$HWP/ledger-256" 256 "$N"
# What the clones left in free space is nobody's business here.
umount $MNT
ndctl clear-errors namespace0.0 >/dev/null 2>&1
bed_fs

# rate ROW N: from the plan of the first to the end of the last, by the events' own times.
rate() {
	local n_done

	# shellcheck disable=SC2016
	wait_until 1200 eval '[ -z "$(badblocks_list)" ]' || die "$1: repaired" "$(show_events)"
	wait_until 60 eval '[ "$(ctl list --json | jq ".incidents | length")" -eq 0 ]'
	events '.type | test("repair\\.")' > "$HWP/repairs"
	n_done=$(grep -c repair.done "$HWP/repairs")
	jq -sMc --arg row "$1" --argjson n "$2" --argjson incidents "$n_done" '
		def seconds: (.[0:19] + "Z" | fromdate) + (.[19:-1] | tonumber);
		(map(.time) | sort | (.[-1] | seconds) - (.[0] | seconds)) as $sec |
		{ benchmark: "repair", row: $row, pages: $n, incidents: $incidents,
			wall_msec: ($sec * 1000), pages_per_sec: ($n / $sec) }' "$HWP/repairs"
}


# step_rows: where the time of a page goes, by what the ledger has of its last incident: "remap" is
# all of it but what the page shares with others, "swap" and "clear" are parts of that.
step_rows() {
	sqlite3 "$HWP/state/ledger.sqlite" "
		SELECT json_object('benchmark', 'repair', 'row', 'step ' || step, 'mean_usec',
			avg(ended_usec - begun_usec)) FROM intent
		WHERE incident = (SELECT max(incident) FROM intent) AND result IS NOT NULL GROUP BY step"
}

start_daemon '[Rule all]' 'Repair=zero'
mark_events
# Before anything is moved: later there are holes where the other was.
new_file scattered $((4 * N_SCATTERED))
start_scattered=$start
new_file contiguous "$N"
poison_pages "$N" 1 ""
scrub
rate "hwpoisond, one range" "$N" | tee "$HWP/row"
step_rows
jq -Mc '{ benchmark: "repair", claim: "pages mended in a second, one range", value: .pages_per_sec,
	at_least: 1000, met: (.pages_per_sec >= 1000) }' "$HWP/row"
mark_events
start=$start_scattered
poison_pages $N_SCATTERED 4 ""
scrub
rate "hwpoisond, scattered" $N_SCATTERED
done_checks
