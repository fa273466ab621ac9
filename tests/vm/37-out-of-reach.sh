#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 1200
#
# Claim: a block that the kernel can't reach since a machine check, because nobody had mapped its page
# or only as a part of a huge one, is brought back, killed at any step of that, too: before it and after
# it. Without DAX nothing is written there before the next boot, and that is told.

. "$SRCDIR/tests/vm/lib.sh"

cat > "$HWP/crashing" <<'SH'
#!/bin/bash
exec env LD_PRELOAD="$VM_CACHE/crashpoint.so" "$BUILDDIR/hwpoisond" "$@"
SH
chmod +x "$HWP/crashing"

# hit N: one sector of the n-th page that we use; what the file shall hold then is in $HWP/want.
hit() {
	local at=$((8192 + $1 * 16384))

	phys=$(phys_of $MNT/data $at)
	where=$(printf '0x%x' $((phys + 1024)))
	dd if=/dev/zero of="$HWP/want" bs=4096 seek=$((at / 4096)) count=1 conv=notrunc status=none
	mce_srao "$where" 6
}

# mended "claim": the page that was hit last, and no other.
mended() {
	wait_event '.type == "io.hwpoisond.poison.gone" and .data.phys_start == "'"$where"'"' 60 >/dev/null
	events > "$HWP/story"
	check_equal "$1: announced once" 1 "$(grep -c 'poison.found' "$HWP/story")"
	check "$1: repaired, and the loss is on record" \
		jq -se 'map(select(.type == "io.hwpoisond.poison.gone")) | last | .data | .state == "repaired" and
			(.repair | .zeroed_bytes == 4096 and (.losses | length == 1 and .[0].length_bytes == 4096))' "$HWP/story"
	check "$1: data" cmp "$HWP/want" $MNT/data
	check_equal "$1: media" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
	check "$1: no quarantine" [ ! -e $MNT/.hwpoisond ]
	check "$1: the device can be read" read_device "$phys"
}

bed_up
make_file $MNT/data 1M
cp $MNT/data "$HWP/want"

# --- killed at each step

export CRASH_LOG=$HWP/crash.log
HWPOISOND=$HWP/crashing start_daemon '[Rule all]' "Path=$MNT/**" 'Repair=zero'
mark_events
hit 0
mended "undisturbed"
stop_daemon
unset CRASH_LOG
sed 's/^/# /' "$HWP/crash.log"

# The last are: cleared in vain, once more, taken out of use, listed, cleared.
awk '$2 == "pwrite" { print $1 }' "$HWP/crash.log" | tail -n 4 > "$HWP/points"
mapfile -t points < "$HWP/points"
page=1
for each in "0 both after" "1 both before" "1 daemon after" "2 both before" "2 both after" "3 both after" "1 worker after" \
	"2 worker after"; do
	read -r step whom when <<< "$each"
	claim="killed $when call ${points[step]} ($whom)"
	mark_events
	CRASH_AT=${points[step]} CRASH_WHOM=$whom CRASH_WHEN=$when HWPOISOND=$HWP/crashing start_daemon
	hit $page
	if [ "$whom" != worker ]; then
		wait_until 60 eval '! daemon_runs' || fail "$claim: it was killed"
		kill_daemon
		start_daemon
	fi
	mended "$claim"
	stop_daemon
	page=$((page + 1))
done
umount $MNT

# --- a page in the middle of a huge one: the kernel marks the first of it

modprobe -q xfs
mkfs.xfs -q -f -m reflink=1,rmapbt=1 -d agcount=2,su=2m,sw=1 -l su=4k $PMEM || die "mkfs.xfs works"
mount -o dax=always $PMEM $MNT || die "$MNT is mounted"
fallocate -l 8M $MNT/data
head -c 8M /dev/urandom > "$HWP/want"
dd if="$HWP/want" of=$MNT/data bs=1M conv=notrunc,fsync status=none
check_equal "the file lies so that it can be mapped by huge pages" 0 $(($(phys_of $MNT/data) % (2 << 20)))
start_daemon
mark_events
hold mapper sleep --map-length $((8 << 20)) --offset $(((2 << 20) + 8192)) $MNT/data
hit 128
mended "in a huge page"
check "who has it mapped lives" holds mapper
check "and saw nothing" ! grep sigbus "$HWP/hold.mapper"
let_go mapper
stop_daemon
umount $MNT

# --- mounted without DAX since

# without_dax FEATURES PAGE ROOM: an XFS whose file, behind so much room, was hit
# there while it had DAX, and no daemon ran.
without_dax() {
	mkfs.xfs -q -f -m "$1" $PMEM || die "mkfs.xfs works"
	mount -o dax=always $PMEM $MNT || die "$MNT is mounted"
	# Who writes to a block that was hit before is an oops, be it the next mkfs.
	fallocate -l "$3" $MNT/there
	make_file $MNT/data 1M
	cp $MNT/data "$HWP/want"
	hit "$2"
	wait_until 10 eval 'grep -q "^$(($(sector_of "$phys") + 2)) " /sys/block/pmem0/badblocks' ||
		die "the block device has it on its list" "$(badblocks_list)"
	umount $MNT
	mount -o dax=never $PMEM $MNT || die "$MNT is mounted"
	watch_page "$phys"
	mark_events
	start_daemon '[Rule all]' "Path=$MNT/**" 'Repair=zero'
}

without_dax reflink=1,rmapbt=1 0 16M
waiting=$(wait_event '.type == "io.hwpoisond.repair.waiting"' 60)
check_json "$waiting" "without DAX the block waits for the next boot" '.data.reason == "machine-check"' \
	"the file does not" '.data.repair | .method == "remap" and .zeroed_bytes == 4096'
check "it is whole but for the page" cmp "$HWP/want" $MNT/data
check "its block is in quarantine" test "$(phys_of "$(echo $MNT/.hwpoisond/*.quarantine)")" = "$phys"
check "it stays on the list" eval '[ -n "$(badblocks_list)" ]'
check "an order does not change that" ! ctl repair "$(jq .incident <<< "$waiting")"
check "nobody read or wrote the block device there" ! bios
stop_daemon
umount $MNT

without_dax reflink=0,rmapbt=1 4 32M
check_json "$(wait_event '.type == "io.hwpoisond.repair.waiting" and .data.phys_start == "'"$where"'"' 60)" \
	"a page that can be written in place alone waits whole" '.data.reason == "machine-check"' \
	"and is not lost by that" '.data.repair | .method == "rewrite" and .losses == []'
check "nobody read or wrote the block device there" ! bios
stop_daemon

! dmesg | grep -Eq 'Oops|Call Trace' || fail "the kernel has nothing to complain of" "$(dmesg | tail -n 40)"
done_checks
