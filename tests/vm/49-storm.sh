# SPDX-License-Identifier: GPL-2.0-or-later
#
# However much goes bad at once, each error is in exactly one of what was told
# singly, summed up by page, summed up as "others", and counted as lost; the
# daemon stays small, and answers meanwhile. tests/bench/storm.sh is the same
# with more of everything.
#
# guest: --timeout 600

. "$SRCDIR/tests/vm/lib.sh"

N_CORRECTED=${N_CORRECTED:-50000}	# in each of two storms: in one page, and in a thousand
N_FAILURES=${N_FAILURES:-2000}
MAX_RSS_KB=24576
MAX_ANSWER_MSEC=10000			# a third of what the watchdog waits, on an emulated processor
STORM=$VM_CACHE/storm

# The most that it had in memory since the last call of forget_peak.
forget_peak() {
	echo 5 > "/proc/$DAEMON_PID/clear_refs"
}

peak_kb() {
	awk '$1 == "VmHWM:" { print $2 }' "/proc/$DAEMON_PID/status"
}

# during COMMAND...: how long it took goes to $storm_sec, and how long the slowest of
# many answers of the daemon took meanwhile to $slowest_msec.
during() {
	local asker begun

	"$STORM" ask "$HWP/run/io.hwpoisond" > "$HWP/asked" &
	asker=$!
	begun=$EPOCHREALTIME
	"$@"
	storm_sec=$(awk -v a="$begun" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }')
	sleep "${LINGER_SEC:-2}"
	kill "$asker"
	wait "$asker"
	read -r _ n_asked slowest_msec < "$HWP/asked"
}

# corrected: "SINGLY BY-PAGE OTHERS LOST", from all kernel.corrected since the mark.
corrected_sums() {
	events '.type == "io.hwpoisond.kernel.corrected"' | jq -r '.data | "\(.label) \(.count)"' | awk '
		$1 == "lost"		{ lost += $2; next }
		$1 == "others"		{ others += $2; next }
		$2 == 1			{ singly++; next }
					{ by_page += $2 }
		END			{ print singly + 0, by_page + 0, others + 0, lost + 0 }'
}

# failures: "SINGLY TOGETHER LOST BYTES".
failure_sums() {
	local lost

	lost=$(events '.type == "io.hwpoisond.source.degraded" and .data.lost' | tail -n 1 |
		jq .data.lost.memory_failures)
	events '.type == "io.hwpoisond.kernel.memory_failure"' |
		jq -r '.data | "\(.count) \(.length_bytes)"' | awk -v lost="${lost:-0}" '
		$1 == 1	{ singly++ }
		$1 > 1	{ together += $1 }
			{ bytes += $2 }
		END	{ print singly + 0, together + 0, lost, bytes + 0 }'
}

# measured NAME GENERATED SINGLY TOGETHER OTHERS LOST SECONDS: a row and claims for
# tests/bench/run, where that is asked for.
measured() {
	[ -n "${BENCH-}" ] || return 0
	awk -v name="$1" -v n="$2" -v singly="$3" -v together="$4" -v others="$5" -v lost="$6" \
		-v sec="$7" -v peak="$peak" -v answer="$slowest_msec" '
		function claim(text, value, bound, limit, met) {
			printf "{\"benchmark\":\"storm\",\"claim\":\"%s: %s\",\"value\":%s,\"%s\":%s,\"met\":%s}\n",
				name, text, value, bound, limit, met ? "true" : "false"
		}
		BEGIN {
			rate = int((n - lost) / sec)
			printf "{\"benchmark\":\"storm\",\"row\":\"%s\",\"generated\":%d,\"singly\":%d,", name, n, singly
			printf "\"together\":%d,\"others\":%d,\"lost\":%d,\"seconds\":%s,", together, others, lost, sec
			printf "\"taken_per_second\":%d,\"peak_kb\":%d,\"slowest_answer_msec\":%d}\n", rate, peak, answer
			claim("in no sum", n - singly - together - others - lost, "at_most", 0,
				n == singly + together + others + lost)
			claim("taken in a second", rate, "at_least", 10000, rate >= 10000)
			claim("peak, kB", peak, "at_most", 24576, peak <= 24576)
			claim("slowest answer, ms", answer, "at_most", 1000, answer <= 1000)
		}'
}

# corrected_storm NAME N_PAGES
corrected_storm() {
	local singly by_page others lost

	start_daemon '[Feed]' 'Journal=no'
	forget_peak
	# shellcheck disable=SC2317
	fire() {
		echo "$N_CORRECTED $1" > /sys/kernel/debug/edacbed/fire
	}
	during fire "$2"
	peak=$(peak_kb)
	check "$1: it has ended in good order" stop_daemon
	read -r singly by_page others lost <<< "$(corrected_sums)"
	echo "# $1: $N_CORRECTED = $singly singly + $by_page by page + $others others + $lost lost;" \
		"$storm_sec s, peak $peak kB, slowest of $n_asked answers $slowest_msec ms"
	check_equal "$1: every error is in one sum" "$N_CORRECTED" $((singly + by_page + others + lost))
	check_equal "$1: none is lost: the kernel adds them up" 0 "$lost"
	check "$1: the first are told singly" test "$singly" -ge 1
	check "$1: it stays small" test "$peak" -lt $MAX_RSS_KB
	check "$1: it answers meanwhile" test "$slowest_msec" -lt $MAX_ANSWER_MSEC
	measured "$1" "$N_CORRECTED" "$singly" "$by_page" "$others" "$lost" "$storm_sec"
	mark_events
}

failure_storm() {
	local singly together lost bytes n_lost sec

	start_daemon '[Feed]' 'Journal=no'
	forget_peak
	# shellcheck disable=SC2317
	lose() {
		"$STORM" pages "$N_FAILURES" > "$HWP/pages"
	}
	during lose
	read -r _ n_lost sec < "$HWP/pages"
	peak=$(peak_kb)
	check "failures: it has ended in good order" stop_daemon
	read -r singly together lost bytes <<< "$(failure_sums)"
	echo "# failures: $n_lost = $singly singly + $together together + $lost lost; $sec s," \
		"peak $peak kB, slowest of $n_asked answers $slowest_msec ms," \
		"$(wc -l < "$HWP/events.jsonl") events, ledger $(stat -c %s "$HWP/state/ledger.sqlite") bytes"
	check_equal "failures: as many pages were lost as were to be" "$N_FAILURES" "$n_lost"
	check_equal "failures: each is in one sum" "$n_lost" $((singly + together + lost))
	check_equal "failures: the address of each that was heard is told" \
		$(((singly + together) * 4096)) "$bytes"
	check "failures: the first are told singly" test "$singly" -ge 1
	check "failures: it stays small" test "$peak" -lt $MAX_RSS_KB
	check "failures: it answers meanwhile" test "$slowest_msec" -lt $MAX_ANSWER_MSEC
	measured "lost pages" "$n_lost" "$singly" "$together" 0 "$lost" "$sec"
}

insmod "$VM_CACHE/edacbed.ko" || die "edacbed loads"
corrected_storm "errors in one page" 1
corrected_storm "errors in a thousand pages" 1000
failure_storm
done_checks
