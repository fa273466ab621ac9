#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 1200 --append "memmap=128M!0xa4000000" --qemu "-action reboot=reset"
#
# Claim: when the machine is reset in the middle of a repair, with nothing written out, the next boot
# finishes it: every byte is the original or a zero on record, the incident is not another one, no
# poison and no quarantine is left.
#
# A reset leaves the guest's memory as it is, so the bed's contents are still there, and those of a
# second device, which is the disk that the ledger lies on. What was not synced is lost, as at a power
# cut. The script is run again by each boot, and goes on by what it finds on the disk.
#
# Two calls of a repair are tried; guest --append reset_all --timeout 3000 tries them all.

. "$SRCDIR/tests/vm/lib.sh"

DISK=/mnt/disk
conf=('[Rule all]' "Path=$MNT/**" 'Repair=zero')

# The bed, and what its media remember of the time before the reset.
modprobe -qa libnvdimm nd_pmem xfs ext4
insmod "$VM_CACHE/ndbed.ko" start=0x80000000 size=0x1f000000 keep=0x9f000000 scrub_ms=20 ||
	die "ndbed loads"
wait_until 20 test -b $PMEM || die "there is $PMEM"
modprobe nd_e820
wait_until 20 test -b /dev/pmem1 || die "there is a disk for the ledger"
mkdir -p $DISK $MNT

cat > /run/crashing <<'SH'
#!/bin/bash
exec env LD_PRELOAD="$VM_CACHE/crashpoint.so" "$BUILDDIR/hwpoisond" "$@"
SH
chmod +x /run/crashing

# What is checked is counted on the disk as well.
first_boot() {
	ndctl create-namespace -f -e namespace0.0 -m fsdax -M mem >"$HWP/ndctl.out" 2>&1 ||
		die "ndctl makes a namespace" "$(< "$HWP/ndctl.out")"
	udevadm settle
	bed_fs
	mkfs.ext4 -q -F /dev/pmem1 && mount /dev/pmem1 $DISK || die "the disk has a filesystem"
	HWP=$DISK
	echo 1 > $DISK/page

	# One undisturbed repair tells how many calls there are.
	CRASH_LOG=$HWP/crash.log HWPOISOND=/run/crashing start_daemon "${conf[@]}"
	poison_page
	wait_event '.type == "io.hwpoisond.poison.gone"' 120 >/dev/null
	stop_daemon
	n_points=$(wc -l < $HWP/crash.log)
	check "a repair has calls to be cut off at" [ "$n_points" -ge 10 ]
	if grep -q reset_all /proc/cmdline; then
		seq 1 "$n_points" > $DISK/points
	else
		# After the last owner got its good block, and right before the block is cleared.
		awk '$2 == "clone" { clone = $1 } END { print clone }' $HWP/crash.log > $DISK/points
		awk '$2 == "pwrite" { clear = $1 } END { print clear }' $HWP/crash.log >> $DISK/points
	fi
	sync
}

# poison_page: one sector of two new files that share their blocks, and what they shall hold then.
# New ones, as 6.1 loads those that were shared before a boot without DAX.
poison_page() {
	local phys

	rm -f $MNT/data $MNT/clone
	make_file $MNT/data 64K
	cp --reflink=always $MNT/data $MNT/clone
	cp $MNT/data $DISK/want
	phys=$(phys_of $MNT/data 8192)
	dd if=/dev/zero of="$HWP/want" bs=512 seek=$((8192 / 512 + 2)) count=1 conv=notrunc status=none
	where=$(printf '0x%x' $((phys + 1024)))
	echo "$where" > $DISK/where
	sync
	poison "$where" 256 notify
}

# Does not come back.
reset_at_next_point() {
	local point

	point=$(sed -n "$(< $DISK/page)p" $DISK/points)
	echo "# reset at call $point: $(sed -n "${point}p" $DISK/crash.log)"
	count_incidents > $DISK/n_before
	EVENTS_FROM=$(($(wc -l < "$HWP/events.jsonl") + 1))
	CRASH_AT=$point CRASH_WHOM=machine CRASH_WHEN=$1 HWPOISOND=/run/crashing start_daemon
	poison_page
	sleep 300
	die "the machine is reset at call $point" "$(show_events)"
}

another_boot() {
	local page claim

	HWP=$DISK
	# ext4 gives zeros for what was written last and not synced.
	sed -i 's/\x00//g' $HWP/events.jsonl $HWP/daemon.log
	page=$(< $DISK/page) where=$(< $DISK/where)
	claim="reset at call $(sed -n "${page}p" $DISK/points)"
	mount -o dax=always $PMEM $MNT || die "$claim: the filesystem is mounted again"
	scrub
	rm -f "$HWP/run/"*
	check_equal "$claim: it is on record" $(($(< $DISK/n_before) + 1)) "$(count_incidents)"
	mark_events
	start_daemon
	wait_event '.type == "io.hwpoisond.poison.gone" and .data.phys_start == "'"$where"'"' 120 > $HWP/gone
	check "$claim: repaired, and both losses are on record" jq -e '.data | .state == "repaired" and
		.repair.zeroed_bytes == 512 and .repair.salvaged_bytes == 3584 and
		(.repair.losses | length) == 2 and all(.repair.losses[]; .length_bytes == 512)' $HWP/gone
	check "$claim: it is not told as new" no_event '.type == "io.hwpoisond.poison.found"'
	check "$claim: data" cmp $HWP/want $MNT/data
	check "$claim: clone" cmp $HWP/want $MNT/clone
	check_equal "$claim: media" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
	check "$claim: no quarantine" [ ! -e $MNT/.hwpoisond ]
	stop_daemon
	check_equal "$claim: it is one incident" $(($(< $DISK/n_before) + 1)) "$(count_incidents)"
	echo $((page + 1)) > $DISK/page
}

# While no daemon has the ledger.
count_incidents() {
	sqlite3 "$HWP/state/ledger.sqlite" 'SELECT count(*) FROM incident'
}

if mount /dev/pmem1 $DISK 2>/dev/null && [ -e $DISK/points ]; then
	another_boot
else
	first_boot
fi
if [ "$(< $DISK/page)" -le "$(wc -l < $DISK/points)" ]; then
	# Before one call, after the other.
	[ $(($(< $DISK/page) % 2)) = 1 ] && way=after || way=before
	reset_at_next_point $way
fi
echo "# $(wc -l < $DISK/points) resets"
done_checks
