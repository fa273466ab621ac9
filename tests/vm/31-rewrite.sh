#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 600
#
# Claim: where files can't share extents a bad page is written whole where it lies: every byte is the
# original or a zero on record, sizes stay, stores of a process that maps the page are all there, and
# what can't be written waits.

. "$SRCDIR/tests/vm/lib.sh"

clean() {
	check_equal "$1: no list has anything" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
}

bed_up ext4
for name in data immutable frozen full refused; do
	make_file $MNT/$name 64K
	keep $MNT/$name $name
done
make_file $MNT/tail 10000
keep $MNT/tail tail

# --- ext4 with DAX: what an order would do, and does

start_daemon '[Rule look]' 'Holders=report'
phys=$(phys_of $MNT/data 8192)
poison $((phys + 512)) 1024 notify
wait_event '.type == "io.hwpoisond.poison.resolved" and (.data.owners_searching | not)' 30 >/dev/null
wait_state 1 left
ctl repair 1 --dry-run > "$HWP/plan"
check "the plan names the method" grep -q "^$phys: rewrite" "$HWP/plan"
check "its steps" grep -q 'step write the page whole, in place' "$HWP/plan"
check "the file" grep -q "$MNT/data" "$HWP/plan"
check "and what is saved and lost" grep -q '^3072 bytes would be salvaged, 1024 zeroed' "$HWP/plan"
check "a plan changes nothing" [ -n "$(media_list)" ]
check "an order repairs" ctl repair 1
done1=$(wait_event '.incident == 1 and .type == "io.hwpoisond.repair.done"' 10)
check_json "$done1" "by a write in place" \
	'.data.repair | .method == "rewrite" and .zeroed_bytes == 1024 and .salvaged_bytes == 3072' \
	"two sectors are on record" ".data.repair.losses | length == 1 and
		(.[0] | .paths == [\"$MNT/data\"] and .file_offset_bytes == 8704 and .length_bytes == 1024)"
repaired 1 >/dev/null
check "these are lost, and no other byte" lost $MNT/data data 8704 1024
check_equal "the page is where it was" "$phys" "$(phys_of $MNT/data 8192)"
clean "ext4"

# --- the last page of a file, and a process that stores into the page

reload_daemon '[Rule all]' 'Repair=zero'
mark_events
poison $(($(phys_of $MNT/tail 8192) + 512)) 512 notify
check_json "$(repaired 2)" "the last page of a file is repaired" '.data.state == "repaired"' \
	"with its own bytes on record" '.data.repair | .zeroed_bytes == 512 and .salvaged_bytes == 1296'
check "it lost one sector" lost $MNT/tail tail 8704 512
check_equal "and keeps its size" 10000 "$(stat -c %s $MNT/tail)"
clean "the last page"

mark_events
keep $MNT/data data
hold storer store --slots 1024:4096 --offset 16384 $MNT/data
hold_says storer ^working 20
poison "$(phys_of $MNT/data 16384)" 512 notify
check_json "$(repaired 3)" "a page that a process stores into is repaired" '.data.state == "repaired"'
kill -TERM "$(held storer)"
hold_says storer ^done 20
check "it lost no store and saw no SIGBUS" grep -Eq '^done rounds=[0-9]+ lost=0 sigbus=0' "$HWP/hold.storer"
check "what it did not store to is as it was, but for one sector" \
	eval 'dd if=/dev/zero of="$HWP/kept.data" bs=512 seek=32 count=1 conv=notrunc status=none &&
	cmp -n 17408 $MNT/data "$HWP/kept.data" && cmp -i 20480 $MNT/data "$HWP/kept.data"'

# --- files that can't be written, a filesystem that is full or frozen

mark_events
chattr +i $MNT/immutable
poison "$(phys_of $MNT/immutable 4096)" 512 notify
check_json "$(wait_event '.type == "io.hwpoisond.repair.waiting"' 30)" \
	"an immutable file waits" '.data.reason == "immutable" and .incident == 4'
chattr -i $MNT/immutable
chattr +a $MNT/immutable
check "so does one that can only be appended to" ! ctl repair 4
check_json "$(ctl show 4 --json)" "and is told from it" '.repair.reason == "append-only"'
chattr -a $MNT/immutable
check "when it can be written, an order repairs it" ctl repair 4
check "with 512 bytes lost" lost $MNT/immutable immutable 4096 512

mark_events
fallocate -l 1G $MNT/fill 2>/dev/null
dd if=/dev/zero of=$MNT/fill2 bs=1M 2>/dev/null
check "there is no room" ! dd if=/dev/zero of=$MNT/fill3 bs=64K count=1
poison "$(phys_of $MNT/full 4096)" 512 notify
check_json "$(repaired 5)" "a write in place wants no room" '.data.state == "repaired"'
check "512 bytes are lost" lost $MNT/full full 4096 512
rm -f $MNT/fill $MNT/fill2 $MNT/fill3

mark_events
phys=$(phys_of $MNT/frozen 4096)
xfs_freeze -f $MNT
poison "$phys" 512 notify
check_json "$(wait_event '.type == "io.hwpoisond.repair.waiting"' 40)" \
	"a frozen filesystem waits" '.data.reason == "frozen" and .incident == 6'
check_equal "the daemon answers" 4 "$(status_code ctl status)"
xfs_freeze -u $MNT
check "when it is thawed, an order repairs" ctl repair 6
check "with 512 bytes lost" lost $MNT/frozen frozen 4096 512
clean "all of these"

# --- a platform that does not clear, or only a part

mark_events
phys=$(phys_of $MNT/refused 4096)
knob clear_fail 1000
poison "$phys" 1536 notify
check_json "$(wait_event '.type == "io.hwpoisond.repair.failed"' 30)" \
	"a platform that refuses is told" '.data.reason == "clear-refused" and .incident == 7' \
	"nothing is lost by that" '.data.repair.zeroed_bytes == 0 and .data.repair.losses == []'
check_equal "the media are as they were" "$phys 1536" "$(media_list)"
knob clear_fail 0
knob clear_max 512
check "so is one that clears the first sector alone" ! ctl repair 7
check_equal "which is on no list any more" "$(printf '0x%x 1024' $((phys + 512)))" "$(media_list)"
knob clear_max 0
check "when all is cleared, an order repairs" ctl repair 7
check "and what the platform left in that sector is not taken for the file's" lost $MNT/refused refused 4096 1536
check_json "$(ctl show 7 --json)" "three sectors are on record" '.repair.zeroed_bytes == 1536'
clean "after short clears"

! dmesg | grep -q 'Call Trace' || fail "the kernel has nothing to complain of" "$(dmesg | tail -n 40)"
done_checks
