#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --systemd --timeout 600
#
# The service as it is installed, under systemd as pid 1, with nothing but its
# unit's capabilities and filters: it hears, tells the journal, terminates a unit's
# process, repairs, is reloaded, comes back after a crash, and ends in good order.

. "$SRCDIR/tests/vm/lib.sh"

# --- install

unit=$BUILDDIR/systemd/hwpoisond.service
[ -r "$unit" ] || die "the unit is built" "$unit"
sbin=$(sed -n 's,^ExecStart=\(.*\)/hwpoisond$,\1,p' "$unit")
install -D "$HWPOISOND" "$sbin/hwpoisond"
install -D "$HWPOISONCTL" /usr/bin/hwpoisonctl
install -D -m 0644 "$unit" /usr/lib/systemd/system/hwpoisond.service
install -D -m 0644 "$SRCDIR/systemd/sysusers.d/hwpoisond.conf" /usr/lib/sysusers.d/hwpoisond.conf
install -D -m 0644 "$SRCDIR/systemd/tmpfiles.d/hwpoisond.conf" /usr/lib/tmpfiles.d/hwpoisond.conf
install -D -m 0644 "$SRCDIR/conf/hwpoisond.conf" /etc/hwpoisond/hwpoisond.conf
check "systemd-sysusers makes the group" systemd-sysusers /usr/lib/sysusers.d/hwpoisond.conf
check "systemd-tmpfiles the directories" systemd-tmpfiles --create /usr/lib/tmpfiles.d/hwpoisond.conf
check "the unit is flawless" systemd-analyze verify --man=no /usr/lib/systemd/system/hwpoisond.service
check "so is the configuration that comes with it" hwpoisonctl policy check

cat > /etc/hwpoisond/hwpoisond.conf.d/site.conf <<CONF
[Feed]
File=/var/log/hwpoisond/events.jsonl
[Rule victim]
Unit=victim.service
Holders=terminate
GraceSec=5
Repair=zero
[Rule keep]
Path=$MNT/keep
[Rule all]
Path=$MNT/**
Openers=kill
Repair=zero
CONF
touch /var/log/hwpoisond/events.jsonl
ln -s /var/log/hwpoisond/events.jsonl $HWP/events.jsonl	# for wait_event

ctl() {
	hwpoisonctl "$@"
}

# property NAME: of the unit.
property() {
	systemctl show --value -p "$1" hwpoisond.service
}

bed_up
make_file $MNT/data 64K
make_file $MNT/keep 64K

# --- start

systemctl daemon-reload
check "it reaches READY" systemctl start hwpoisond.service
check_equal "and is active" active "$(property ActiveState)"
main=$(property MainPID)
check_equal "its main process is the daemon" "$(realpath "$sbin/hwpoisond")" "$(readlink /proc/"$main"/exe)"
check_equal "the watchdog watches" 30s "$(property WatchdogUSec)"
check_equal "the control socket is for root and the group" "root:hwpoisond 660" \
	"$(stat -c '%U:%G %a' /run/hwpoisond/io.hwpoisond)"
check_equal "the events as well" "root:hwpoisond 660" "$(stat -c '%U:%G %a' /run/hwpoisond/events)"
check_equal "the ledger is for root" "600 700" "$(stat -c %a /var/lib/hwpoisond/ledger.sqlite /var/lib/hwpoisond | xargs)"
ctl status > $HWP/status
check_equal "nothing is poisoned" 0 $?
cat $HWP/status
check "it hears all that root hears" ! grep degraded $HWP/status

# --- what it keeps of root's power

declare -A now
while read -r key value; do
	now[${key%:}]=$value
done < /proc/"$main"/status
# DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SYS_PTRACE SYS_ADMIN LEASE
wanted=0
for bit in 1 2 3 4 5 19 21 28; do
	wanted=$((wanted | 1 << bit))
done
wanted=$(printf '%016x' $wanted)
check_equal "it has eight capabilities, and can't get more" "$wanted $wanted $wanted" \
	"${now[CapEff]} ${now[CapPrm]} ${now[CapBnd]}"
check_equal "and hands none on" "0000000000000000 0000000000000000" "${now[CapInh]} ${now[CapAmb]}"
check_equal "its system calls are filtered" "1 2" "${now[NoNewPrivs]} ${now[Seccomp]}"

# --- asleep

# switches: how often any of its threads was given or left a processor.
switches() {
	awk '/ctxt_switches/ { n += $2 } END { print n }' /proc/"$main"/task/*/status
}
is_small() {
	[ "$(awk '/^VmRSS:/ { print $2 }' /proc/"$main"/status)" -lt 8192 ]
}
sleep 2
before=$(switches)
sleep 20
after=$(switches)
grep -E '^(VmHWM|VmRSS|RssAnon):' /proc/"$main"/status | sed 's/^/# /'
check "with all of BPF attached, less than 8 MiB of it are in memory" is_small
# The watchdog is fed every 15 seconds or so, which is one awakening.
check "nothing but the watchdog wakes it within 20 s ($before, $after)" test $((after - before)) -le 4
check_equal "it has no children" "" "$(cat /proc/"$main"/task/*/children)"

# --- the whole story

pid1_holds() {
	readlink /proc/1/fd/* | grep -qx $MNT/data
}

# pid 1 holds it as well, for a service that asked it to.
if type -P python3 >/dev/null; then
	systemd-run -q --unit=keeper -p NotifyAccess=all -p FileDescriptorStoreMax=1 python3 -c "
import os, socket, time
fd = os.open('$MNT/data', os.O_RDONLY)
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ['NOTIFY_SOCKET'])
socket.send_fds(s, [b'FDSTORE=1'], [fd])
os.close(fd)
time.sleep(1000)"
	wait_until 60 pid1_holds || die "pid 1 keeps a descriptor" "$(journalctl -u keeper.service)"
fi
systemd-run -q --unit=victim "$HOLDFILE" sleep --log $HWP/hold.victim $MNT/data
wait_until 20 grep -q ^ready $HWP/hold.victim || die "the victim runs"
victim=$(systemctl show --value -p MainPID victim.service)
cp $MNT/data $HWP/before

poison "$(phys_of $MNT/data)" 512
scrub
event=$(wait_event '.type == "io.hwpoisond.holder.terminated"' 30)
check_equal "the victim is named by its unit, and terminated" "$victim victim.service terminated" \
	"$(jq -r '.data.holder | "\(.pid) \(.unit) \(.outcome)"' <<< "$event")"
check_equal "systemd knows how it ended" inactive "$(systemctl show --value -p ActiveState victim.service)"
event=$(wait_event '.type == "io.hwpoisond.repair.done"' 30)
check_equal "the file is repaired" "512 3584" "$(jq -r '.data.repair | "\(.zeroed_bytes) \(.salvaged_bytes)"' <<< "$event")"
check "it lost 512 bytes" cmp -n 512 $MNT/data /dev/zero
check "and no more" cmp -i 512 $MNT/data $HWP/before
check_equal "the media are clean" "" "$(media_list)$(badblocks_list)"
if type -P python3 >/dev/null; then
	check "pid 1 was seen, and left alone" jq -e '[.data.holders[] | select(.pid == 1)] |
		length == 1 and .[0].outcome == "reported" and (.[0].reason | contains("pid 1"))' <<< "$event"
fi

journalctl --sync
journalctl -o json -u hwpoisond.service HWPOISOND_INCIDENT=1 > $HWP/journal.jsonl
check "the journal has it, found by the incident's number" jq -se '
	[.[].HWPOISOND_TYPE | ltrimstr("io.hwpoisond.")] | index("poison.found") != null and
	index("poison.resolved") != null and index("holder.terminated") != null and
	index("repair.done") != null' $HWP/journal.jsonl
journalctl -u hwpoisond.service -o cat HWPOISOND_INCIDENT=1 | sed 's/^/# /'
check "each with a line to read" jq -se 'all(.[]; .MESSAGE | strings | length > 10)' $HWP/journal.jsonl

# --- a page that the kernel can't reach, for which the service writes in /sys

mark_events
phys=$(phys_of $MNT/data 16384)
mce_srao "$phys" 6
check_json "$(wait_event '.type == "io.hwpoisond.poison.gone"' 60)" "a machine check on a page that nobody has mapped is repaired" \
	'.data.state == "repaired"' "with all of it lost" '.data.repair.zeroed_bytes == 4096'
check_equal "the media are clean" "" "$(media_list)$(badblocks_list)"
check "the device can be read there" read_device "$phys"

# --- reload

mark_events
poison "$(phys_of $MNT/keep)" 512 notify
wait_event '.type == "io.hwpoisond.poison.resolved" and .incident == 3' 20 >/dev/null
mv /var/log/hwpoisond/events.jsonl /var/log/hwpoisond/events.jsonl.1
EVENTS_FROM=1
sed -i "s,^Path=$MNT/keep,&\nHolders=signal," /etc/hwpoisond/hwpoisond.conf.d/site.conf
check "it can be reloaded" systemctl reload hwpoisond.service
check_equal "which is the same process" "$main" "$(property MainPID)"
has_read_anew() {
	journalctl -u hwpoisond.service -o cat | grep -q 'Configuration read anew'
}
check "it has read its configuration anew" wait_until 10 has_read_anew
check "and a new file for events" wait_until 10 test -e /var/log/hwpoisond/events.jsonl

# --- a crash

check "it is killed" systemctl kill -s KILL --kill-whom=main hwpoisond.service
check "it comes back" wait_until 40 eval '[ "$(property NRestarts)" = 1 ] && [ "$(property ActiveState)" = active ]'
check "into the same file" wait_event '.type == "io.hwpoisond.daemon.started"' 20
check "the open incident is not announced again" no_event '.type | test("poison\\.found|holder")' 2
check_equal "and not forgotten" 4 "$(ctl status >/dev/null; echo $?)"

# --- without DAX

systemctl stop keeper.service
umount $MNT && mount -o dax=never $PMEM $MNT || die "$MNT is mounted without DAX"
make_file $MNT/cached 64K
keep $MNT/cached cached
mark_events
poison "$(phys_of $MNT/cached 4096)" 4096 notify
check_json "$(wait_event '.type == "io.hwpoisond.poison.gone"' 60)" "what the page cache has is not lost" \
	'.data.state == "repaired" and .data.repair.zeroed_bytes == 0 and .data.repair.losses == []'
check "the file is whole" intact $MNT/cached cached

# --- the end

check "it can be stopped" systemctl stop hwpoisond.service
check_equal "in good order" "inactive success 0" "$(property ActiveState) $(property Result) $(property ExecMainStatus)"
check "it said so" wait_event '.type == "io.hwpoisond.daemon.stopping"'
check "its sockets are gone" ! test -e /run/hwpoisond/io.hwpoisond
check "nothing of it is left" ! pgrep -x hwpoisond
check "holders were found by BPF, without the capabilities to load it" ! journalctl -q -u hwpoisond.service --grep 'Cannot find holders by BPF'
check "the service manager saw no refused call" ! journalctl -q -u hwpoisond.service --grep 'not permitted|Permission denied'
systemd-analyze security --no-pager hwpoisond.service 2>/dev/null | tail -n 1 | sed 's/^/# /'
done_checks
