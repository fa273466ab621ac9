# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 900
#
# More bad ranges than the kernel keeps (512), shows (a page of text) or the platform reports at once
# (128): what can be known is an incident each, that it is not all is said, and when the first are
# healed the next scrub brings the rest. Nothing is announced twice.

. "$SRCDIR/tests/vm/lib.sh"

bed_up
make_file $MNT/data 8M
start=$(($(phys_of $MNT/data 0)))
check_equal "the file lies in one piece" "$(printf '0x%x' $((start + 8 * 1048576 - 4096)))" \
	"$(phys_of $MNT/data $((8 * 1048576 - 4096)))"
start_daemon '[Rule all]' 'Repair=none'
mark_events

n=600
for ((i = 0; i < n; i++)); do
	echo "$((start + i * 8192)) 512" > $BED/poison
done
check_equal "$n ranges are bad" $n "$(media_list | wc -l)"
scrub
check "that not all can be known is said" wait_event '
	.type == "io.hwpoisond.source.degraded" and .data.what == "badblocks"' 30
all_resolved() {
	[ "$(grep -c '"io.hwpoisond.poison.resolved"' "$HWP/events.jsonl")" -eq \
		"$(grep -c '"io.hwpoisond.poison.found"' "$HWP/events.jsonl")" ]
}
wait_until 60 all_resolved
events '.type == "io.hwpoisond.poison.resolved"' > "$HWP/resolved"
n_first=$(wc -l < "$HWP/resolved")
check "what is shown is an incident each ($n_first)" test "$n_first" -ge 300 -a "$n_first" -lt $n
check_json "$(jq -sc . "$HWP/resolved")" "of one sector, of this file, at the right offset" \
	"all(.[]; .data.length_bytes == 512 and .data.owners[0].paths == [\"$MNT/data\"] and .data.owners_complete and
		.data.owners[0].file_offset_bytes % 8192 == 0)" \
	"each of them once" "[.[].data.phys_start] | length == (unique | length)"
grep -E '^(VmHWM|VmRSS):' /proc/"$DAEMON_PID"/status | sed 's/^/# /'

# --- a scrub tells nothing new about what is known

mark_events
scrub
sleep 2
check "known ranges are not found again" no_event '.type == "io.hwpoisond.poison.found" and
	.data.phys_start == "'"$(jq -r .data.phys_start "$HWP/resolved" | head -n 1)"'"'

# --- the file is written anew: what was known is whole, and a scrub brings the rest to light

write_anew() {
	xfs_io -c "pwrite -q -b 4M 0 8M" -c fsync $MNT/data
}
none_open() {
	[ "$(ctl list --json | jq '.incidents | length')" -eq 0 ]
}
mark_events
write_anew
check "healed, all incidents end" wait_until 60 none_open
check_equal "what nobody knew is bad still" $((n - n_first)) "$(media_list | wc -l)"
check "that all is known again is said" wait_event '
	.type == "io.hwpoisond.source.restored" and .data.what == "badblocks"' 30
mark_events
scrub
n_resolved() {
	[ "$(events '.type == "io.hwpoisond.poison.resolved"' | wc -l)" -eq $((n - n_first)) ]
}
check "a scrub finds the rest" wait_until 60 n_resolved
check_json "$(events '.type == "io.hwpoisond.poison.found"' | jq -sc --slurpfile first "$HWP/resolved" '[., $first]')" \
	"each once, and none that was known before" "map([.[].data.phys_start]) |
		(.[0] | length == $((n - n_first)) and length == (unique | length)) and .[0] - .[1] == .[0]"
write_anew
check "healed, these end too" wait_until 60 none_open
check_equal "the media are clean" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
done_checks
