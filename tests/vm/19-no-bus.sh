#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --no-bus
#
# A machine without persistent memory: the service starts, says what it can't
# hear, hears the rest, and sleeps: no thread of it runs until something happens.
# So it does as an ordinary user, who may hear even less.

. "$SRCDIR/tests/vm/lib.sh"

# n_switches PID: how often any of its threads was given or left a processor.
n_switches() {
	local status key n sum=0

	for status in /proc/"$1"/task/*/status; do
		while read -r key n; do
			case $key in
			*voluntary_ctxt_switches:)	sum=$((sum + n)) ;;
			esac
		done < "$status"
	done
	echo $sum
}

# cpu_ticks PID
cpu_ticks() {
	local -a fields
	read -r -a fields < "/proc/$1/stat"
	echo $((fields[13] + fields[14]))
}

# sleeps SECONDS: with nobody connected.
sleeps() {
	local before ticks

	before=$(n_switches "$DAEMON_PID") ticks=$(cpu_ticks "$DAEMON_PID")
	sleep "$1"
	check_equal "no thread runs within $1 s" "$before" "$(n_switches "$DAEMON_PID")"
	check_equal "and no tick is spent" "$ticks" "$(cpu_ticks "$DAEMON_PID")"
}

start_daemon
reader=$!
check "it says that there is no bus" wait_event '
	.type == "io.hwpoisond.source.degraded" and .data.what == "nvdimm"'
check "it starts" wait_event '.type == "io.hwpoisond.daemon.started" and (.data.sources.nvdimm | not)'
ctl status > $HWP/status
check_equal "status is fine: nothing is poisoned" 0 $?
check "and tells what can't be heard" grep -q '^Source nvdimm: degraded, .' $HWP/status
check "what does not need a bus is heard" grep -q '^Source mounts: ok' $HWP/status
check "nothing is listed" test "$(ctl list --json | tr -d '[:space:]')" = '{"incidents":[]}'
check "a scrub has nothing to run on" ! ctl scrub start --wait
check "an address is nobody's, or RAM" ctl resolve --phys 0x1000

kill $reader
wait $reader 2>/dev/null
sleep 3
sleeps 15
check_equal "it has no children" "" "$(cat /proc/"$DAEMON_PID"/task/*/children)"
grep -E '^(VmHWM|VmRSS|RssAnon|RssFile|Threads):' /proc/"$DAEMON_PID"/status | sed 's/^/# /'
check "it needs less than 32 MB" test "$(awk '/^VmHWM:/ { print $2 }' /proc/"$DAEMON_PID"/status)" -lt 32768
check "a mount is heard" mount -t tmpfs none /mnt
umount /mnt
sleep 1
check "and it answers as before" ctl status
check "it ends well" stop_daemon
check "and says so" wait_event '.type == "io.hwpoisond.daemon.stopping"'

# --- an ordinary user

cat > $HWP/as-nobody <<SH
#!/bin/sh
exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all $HWPOISOND "\$@"
SH
chmod +x $HWP/as-nobody
rm -rf $HWP/state $HWP/run
mkdir $HWP/state $HWP/run
chown -R 65534:65534 $HWP/state $HWP/run $HWP/events.jsonl
mark_events
HWPOISOND=$HWP/as-nobody start_daemon
reader=$!
check "an ordinary user can run it" wait_event '.type == "io.hwpoisond.daemon.started"'
check "and is told what that costs" wait_event '
	.type == "io.hwpoisond.source.degraded" and .data.what == "privileges"'
check "kernel events are among it" wait_event '
	.type == "io.hwpoisond.source.degraded" and .data.what == "kernel events"'
check "it answers root" ctl status
kill $reader
wait $reader 2>/dev/null
sleep 2
sleeps 5
stop_daemon

# --- root of a container that gives it no capabilities

cat > $HWP/as-bare-root <<SH
#!/bin/sh
exec setpriv --inh-caps=-all --bounding-set=-all $HWPOISOND "\$@"
SH
chmod +x $HWP/as-bare-root
rm -rf $HWP/state $HWP/run
chown 0:0 $HWP/events.jsonl
mark_events
HWPOISOND=$HWP/as-bare-root start_daemon
check "so can root without capabilities" wait_event '.type == "io.hwpoisond.daemon.started"'
check_events \
	"who is told what that costs, in a sentence each" \
	'[.[] | select(.type == "io.hwpoisond.source.degraded").data] |
		([.[].what] - ["nvdimm", "machine check history"] | sort) == ["holders by BPF", "kernel events", "privileges"] and
		all(.reason | length > 20)'
check "it answers" ctl status
stop_daemon
done_checks
