#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 900
#
# Claim: where files can't share extents, a page that a real machine check has hit is written whole in
# place as well, by the bytes that a hook gave, or by zeros that are on record: all of it, since nothing
# of it is read through the block device. The rest of the file is as it was, the kernel reaches the
# page again, and does not oops. A page that is written through the block device alone, the last one
# of a file, is left.

. "$SRCDIR/tests/vm/lib.sh"

# healed "claim" PHYS: by each list, and by what reads there.
healed() {
	check "$1: nobody read the block device there" ! bios
	check_equal "$1: no list has anything" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
	[ -z "$2" ] || check "$1: the device can be read again" read_device "$2"
}

# on_record N FILE OFFSET: the ledger lists all of the page as lost, and nothing else.
on_record() {
	check_equal "the bytes that ${2##*/} has lost are on record" "$(stat -c %i "$2") $3 4096" \
		"$(sqlite3 -separator ' ' "$HWP/state/ledger.sqlite" "SELECT inode, file_offset_bytes, length_bytes
			FROM loss WHERE incident = $1")"
}

bed_up ext4
mkdir -p /run/replica /etc/hwpoisond /run/hooks
install -m 0755 "$SRCDIR/conf/hooks/restore-from-replica" /run/hooks/replica
echo "$MNT /run/replica" > /etc/hwpoisond/replicas
for name in data cold late given; do
	make_file $MNT/$name 1M
	keep $MNT/$name $name
done
cp -p $MNT/given /run/replica/
make_file $MNT/tail 10000
keep $MNT/tail tail
start_daemon '[Rule given]' "Path=$MNT/given" 'Repair=zero' 'Hook=/run/hooks/replica' 'HookTimeoutSec=60' \
	'[Rule all]' "Path=$MNT/**" 'Holders=report' 'Repair=zero'

# --- ext4, mapped by one who stores into the page's other sectors, and by one who reads

hold storer sleep --write --offset 8192 $MNT/data
hold reader sleep --offset 8192 $MNT/data
phys=$(phys_of $MNT/data 8192)
watch_page "$phys"
mce_srao $((phys + 1024)) 6
gone=$(repaired 1)
check_json "$gone" "a page that processes map is repaired" '.data.state == "repaired"' \
	"by a write in place" '.data.repair.method == "rewrite"' \
	"all of it is lost" '.data.repair | .zeroed_bytes == 4096 and .salvaged_bytes == 0' \
	"for one file" ".data.repair.losses | length == 1 and
		(.[0] | .paths == [\"$MNT/data\"] and .file_offset_bytes == 8192 and .length_bytes == 4096)" \
	"both processes hold it" "([.data.holders[].pid] | sort) == ([$(held storer), $(held reader)] | sort)"
on_record 1 $MNT/data 8192
check "it is zeros, all else is as it was" lost $MNT/data data 8192 4096
check_equal "it is where it was" "$phys" "$(phys_of $MNT/data 8192)"
check "both processes live" eval 'holds storer && holds reader'
check "and run" eval '! grep -q "^State:.T" /proc/$(held storer)/status /proc/$(held reader)/status'
healed "ext4, mapped" "$phys"
let_go storer
let_go reader

# --- ext4, a page that nobody had mapped: the kernel does not give it up, and has it in its map

mark_events
phys=$(phys_of $MNT/cold 8192)
watch_page "$phys"
mce_srao "$phys" 6
check_json "$(repaired 2)" "a page that nobody had mapped is repaired" '.data.state == "repaired"' \
	"none of it is salvaged, since a machine check was there" \
	'.data.repair | .zeroed_bytes == 4096 and .salvaged_bytes == 0'
on_record 2 $MNT/cold 8192
check "it is zeros, all else is as it was" lost $MNT/cold cold 8192 4096
healed "ext4, not mapped" "$phys"

# --- the bytes come from a hook

mark_events
hold reader sleep --offset 16384 $MNT/given
phys=$(phys_of $MNT/given 16384)
watch_page "$phys"
mce_srao $((phys + 512)) 6
check_json "$(repaired 3)" "a page whose bytes a hook has is repaired" '.data.state == "repaired"' \
	"with all of them" '.data.repair | .zeroed_bytes == 0 and .salvaged_bytes == 0 and .restored_bytes == 4096 and
		.losses == []'
check "the file is what it was" intact $MNT/given given
healed "ext4, by a hook" "$phys"
let_go reader

# --- while no daemon runs

stop_daemon
hold mapper sleep --offset 4096 $MNT/late
phys=$(phys_of $MNT/late 4096)
watch_page "$phys"
mce_srao $((phys + 512)) 6
check "badblocks has it" wait_until 10 eval 'grep -q "^$(($(sector_of "$phys") + 1)) " /sys/block/pmem0/badblocks'
mark_events
start_daemon
check_json "$(repaired 4)" "a daemon that starts later knows from the kernel's log" \
	'.data.repair | .zeroed_bytes == 4096 and .salvaged_bytes == 0'
check "the page is zeros, all else is as it was" lost $MNT/late late 4096 4096
healed "ext4, later" "$phys"
let_go mapper

# --- the last page of a file, which only a write through the block device leaves as long as it is

mark_events
hold mapper sleep --offset 8192 --length 1808 $MNT/tail
phys=$(phys_of $MNT/tail 8192)
watch_page "$phys"
mce_srao "$phys" 6
check_json "$(wait_event '.incident == 5 and .type == "io.hwpoisond.repair.failed"' 40)" \
	"the last page of a file is left" '.data.reason == "machine-check"' \
	"with nothing lost" '.data.repair | .zeroed_bytes == 0 and .losses == []'
check "an order does not change that" ! ctl repair 5
check "nobody read or wrote the block device there" ! bios
check "it stays on the list" eval '[ -n "$(badblocks_list)" ]'
check "the rest of the file can be read" cmp -n 8192 $MNT/tail "$HWP/kept.tail"
check_equal "it is as long as it was" 10000 "$(stat -c %s $MNT/tail)"
let_go mapper
write_page $MNT/tail 8192			# the way out: it grows
truncate -s 10000 $MNT/tail
check "who writes it whole ends the incident" repaired 5
healed "ext4, the last page" "$phys"

# --- ext4 through the page cache: the kernel has the page in its map

umount $MNT
mount -o dax=never $PMEM $MNT || die "$MNT is mounted"
make_file $MNT/paged 1M
keep $MNT/paged paged
echo 3 > /proc/sys/vm/drop_caches
mark_events
phys=$(phys_of $MNT/paged 8192)
watch_page $(($(pmem_start) + (256 << 20)))	# what is written there is the page cache's
mce_srao "$phys" 6
check_json "$(repaired 6)" "so is a page of a file without DAX" '.data.state == "repaired"' \
	"with all of it lost" '.data.repair | .method == "rewrite" and .zeroed_bytes == 4096'
check "it is zeros, all else is as it was" lost $MNT/paged paged 8192 4096
echo 3 > /proc/sys/vm/drop_caches
check "on the media, too" lost $MNT/paged paged 8192 4096
healed "ext4 without DAX" ""

# --- XFS without reflink, and without a reverse map

xfs_with reflink=0,rmapbt=1
for name in plain untouched; do
	make_file $MNT/$name 1M
	keep $MNT/$name $name
done
mark_events
hold mapper sleep --write --offset 8192 $MNT/plain
phys=$(phys_of $MNT/plain 8192)
watch_page "$phys"
mce_srao "$phys" 6
check_json "$(repaired 7)" "XFS without reflink is written in place" '.data.state == "repaired"' \
	"all of the page is lost" '.data.repair | .method == "rewrite" and .zeroed_bytes == 4096'
on_record 7 $MNT/plain 8192
check "it is zeros, all else is as it was" lost $MNT/plain plain 8192 4096
healed "XFS without reflink" "$phys"
let_go mapper

# With a reverse map the kernel gives up a page that nobody had mapped, too, and can't reach it then:
# the first write empties the lists, and nothing reads the page any more.
mark_events
phys=$(phys_of $MNT/untouched 8192)
watch_page "$phys"
mce_srao $((phys + 1024)) 6
check_json "$(repaired 8)" "a page that the kernel can't reach is repaired" '.data.state == "repaired"' \
	"all of it is lost" '.data.repair | .zeroed_bytes == 4096 and (.losses | length) == 1'
check_equal "each step is on record" "write -14, offline 0, list 0, write 0" "$(sqlite3 "$HWP/state/ledger.sqlite" \
	"SELECT group_concat(step || ' ' || result, ', ') FROM (SELECT * FROM intent WHERE incident = 8 AND
		step IN ('write', 'offline', 'list') ORDER BY id)")"
on_record 8 $MNT/untouched 8192
check "it is zeros, all else is as it was" lost $MNT/untouched untouched 8192 4096
healed "XFS without reflink, not mapped" "$phys"

mark_events
hold early sleep --early-kill --no-touch --offset 65536 $MNT/untouched
keep $MNT/untouched untouched
phys=$(phys_of $MNT/untouched 65536)
watch_page "$phys"
mce_srao $((phys + 1024)) 6
check_json "$(wait_event '.incident == 9 and .type == "io.hwpoisond.repair.failed"' 60)" \
	"while somebody has it mapped, who might be signalled for it, it is not" '.data.reason == "out-of-reach"'
check "no list has it" eval '[ -z "$(media_list)$(badblocks_list)$(badblocks_list region)" ]'
check "nothing reads it" ! reads $MNT/untouched 65536
check_json "$(ctl show 9 --json)" "and the incident stays open" '.state == "left" and .repair.reason == "out-of-reach"'
kill_daemon
start_daemon
check_json "$(ctl show 9 --json)" "over a restart" '.state == "left" and .repair.reason == "out-of-reach"'
check "who has it mapped saw nothing" ! grep sigbus "$HWP/hold.early"
let_go early
check "without them an order repairs it" ctl repair 9
check "that ends it" repaired 9
on_record 9 $MNT/untouched 65536
check "it is zeros, all else is as it was" lost $MNT/untouched untouched 65536 4096
healed "XFS without reflink, by order" "$phys"

xfs_with reflink=1,rmapbt=0
make_file $MNT/alone 1M
keep $MNT/alone alone
mark_events
hold mapper sleep --offset 8192 $MNT/alone
phys=$(phys_of $MNT/alone 8192)
watch_page "$phys"
mce_srao "$phys" 6
check_json "$(repaired 10)" "so is XFS without a reverse map" '.data.state == "repaired"' \
	"all of the page is lost" '.data.repair | .method == "rewrite" and .zeroed_bytes == 4096'
check "it is zeros, all else is as it was" lost $MNT/alone alone 8192 4096
healed "XFS without a reverse map" "$phys"
let_go mapper

stop_daemon
! dmesg | grep -Eq 'Oops|Call Trace' || fail "the kernel has nothing to complain of" "$(dmesg | tail -n 40)"
done_checks
