# SPDX-License-Identifier: GPL-2.0-or-later
#
# Under lockdown=integrity all is heard. Under lockdown=confidentiality BPF may
# not read the kernel's memory by address, nor may anybody else: what goes without
# is heard, and what does not is said.

. "$SRCDIR/tests/vm/lib.sh"

LOCKDOWN=/sys/kernel/security/lockdown

# one_failure N NAME: a lost page of a file that this process has mapped.
one_failure() {
	local phys

	phys=$(phys_of $MNT/data $((4096 * $1)))
	mce_srao "$phys"
	check "$2: the holder is found" wait_event \
		".type == \"io.hwpoisond.holder.reported\" and .data.holder.pid == $(held early)" 30
	check_events \
		"$2: there is one incident, heard in all ways" \
		"[.[] | select(.type == \"io.hwpoisond.poison.resolved\").data] | length == 1 and
			.[0].phys_start == \"$phys\" and .[0].owners[0].paths == [\"$MNT/data\"] and
			(.[0].sources | sort) == [\"badblocks\", \"mce\", \"memory_failure\"]" \
		"$2: the failure is told, with the file" \
		"[.[] | select(.type == \"io.hwpoisond.kernel.memory_failure\").data] | length == 1 and
			(.[0] | .phys_start == \"$phys\" and .page_type == \"dax\" and .result == \"recovered\" and
			[.files[].inode] == [$(stat -c %i $MNT/data)])" \
		"$2: the signal is told, with the address and the name of who got it" \
		"[.[] | select(.type == \"io.hwpoisond.kernel.signalled\").data] | length == 1 and
			(.[0] | .pid == $(held early) and .comm == \"holdfile\" and
			.virt_start == \"$(printf '0x%x' $((base + 4096 * $1)))\")"
}

bed_up
make_file $MNT/data 64K
hold early sleep --early-kill --length 65536 $MNT/data
base=$(hold_log early | sed -n 's/^ready //p')
kill -USR2 "$(held early)"			# it touches them all
mountpoint -q /sys/kernel/security || mount -t securityfs none /sys/kernel/security
[ -w $LOCKDOWN ] || skip "this kernel has no lockdown"

check "the kernel is locked for integrity" sh -c "echo integrity > $LOCKDOWN"
start_daemon '[Rule all]' 'Holders=report'
check "nothing is degraded by that" no_event '.type == "io.hwpoisond.source.degraded"'
one_failure 2 integrity
stop_daemon

mark_events
check "the kernel is locked for confidentiality" sh -c "echo confidentiality > $LOCKDOWN"
check "which forbids what it should" ! cat /proc/kcore
start_daemon
check_events \
	"what is lost is said, once" \
	'[.[] | select(.type == "io.hwpoisond.source.degraded").data] |
		([.[].what] | sort) == ["kernel events: labels", "kernel events: pages"] and
		all(.reason | test("lockdown.*: ."))'
one_failure 4 confidentiality
ctl status > $HWP/status
check "the status tells it" grep -q '^Source kernel events: labels: degraded, .*lockdown' $HWP/status
check "and that all else is heard" grep -q '^Source kernel events: ok' $HWP/status
check "holders are found by BPF" grep -q '^Source holders by BPF: ok' $HWP/status
let_go early
stop_daemon
check "BPF that was loaded did what it is for" ! grep 'Cannot find holders by BPF' $HWP/daemon.log
done_checks
