#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --systemd --timeout 500
#
# Claim: under the unit as it is installed a hook is a service of its own, with a
# user, limits and the network, none of which the daemon has; what it gives comes
# into the file, and one that hangs is ended by systemd with all that it started.

. "$SRCDIR/tests/vm/lib.sh"

unit=$BUILDDIR/systemd/hwpoisond.service
sbin=$(sed -n 's,^ExecStart=\(.*\)/hwpoisond$,\1,p' "$unit")
install -D "$HWPOISOND" "$sbin/hwpoisond"
install -D -m 0644 "$unit" /usr/lib/systemd/system/hwpoisond.service
mkdir -p /etc/hwpoisond/hwpoisond.conf.d /run/hooks
systemctl start dbus.socket dbus.service || die "there is a system bus"

bed_up
make_file $MNT/data 64K
keep $MNT/data data
cp $MNT/data /run/replica
chmod 0644 /run/replica
touch /run/hook-said && chmod 0666 /run/hook-said

cat > /run/hooks/give <<'HOOK'
#!/usr/bin/python3
import json, os, socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
incident = json.load(open(0))
with open("/run/hook-said", "w") as said:
    print(os.getuid(), open("/proc/self/cgroup").read().strip().split("/")[-1], file=said)
    print(open("/sys/fs/cgroup" + open("/proc/self/cgroup").read().strip()[3:] + "/memory.max").read(), file=said)
for item in incident["restore"]["ranges"]:
    with open("/run/replica", "rb") as replica, \
         open(os.path.join(incident["restore"]["directory"], item["name"]), "wb") as out:
        replica.seek(item["files"][0]["file_offset_bytes"])
        out.write(replica.read(item["length_bytes"]))
HOOK
printf '#!/bin/sh\nsleep 1000 & setsid sleep 1001 &\ntrap "" TERM\nwhile :; do sleep 1; done\n' > /run/hooks/hang
chmod 0755 /run/hooks/*

cat > /etc/hwpoisond/hwpoisond.conf.d/site.conf <<CONF
[Feed]
File=/var/log/hwpoisond/events.jsonl
[Rule hangs]
Path=$MNT/hangs
Repair=zero
Hook=/run/hooks/hang
HookTimeoutSec=4
[Rule all]
Path=$MNT/**
Repair=zero
Hook=/run/hooks/give
HookUser=nobody
HookTimeoutSec=60
CONF
mkdir -p /var/log/hwpoisond
touch /var/log/hwpoisond/events.jsonl
ln -s /var/log/hwpoisond/events.jsonl $HWP/events.jsonl
make_file $MNT/hangs 64K
systemctl daemon-reload
check "the service starts" systemctl start hwpoisond.service

poison "$(phys_of $MNT/data 8192)" 512 notify
event=$(wait_event '.type == "io.hwpoisond.repair.done"' 90)
check_equal "the hook's bytes are taken" "0 512 restored" \
	"$(jq -r '.data.repair | "\(.zeroed_bytes) \(.restored_bytes) \(.hook_outcome)"' <<< "$event")"
check "and the file is what it was" intact $MNT/data data
check "it ran as its user in a unit of its own" grep -Eq '^65534 hwpoisond-hook-1-[0-9]+\.service$' /run/hook-said
check "with its limit" grep -qx 536870912 /run/hook-said
check "of which nothing is left" ! systemctl -q is-active 'hwpoisond-hook-*'

mark_events
poison "$(phys_of $MNT/hangs 8192)" 512 notify
event=$(wait_event '.type == "io.hwpoisond.repair.done"' 90)
check_equal "one that hangs is ended, and zeros stay zeros" "512 timeout" \
	"$(jq -r '.data.repair | "\(.zeroed_bytes) \(.hook_outcome)"' <<< "$event")"
check "with all that it started" ! pgrep -f 'sleep 100[01]'
check "the service manager refused us nothing" \
	! journalctl -q -u hwpoisond.service --grep 'not permitted|Permission denied|Access denied'
systemctl stop hwpoisond.service
done_checks
