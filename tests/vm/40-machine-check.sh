# SPDX-License-Identifier: GPL-2.0-or-later
#
# Real machine checks on persistent memory. The kernel drops the whole page from
# its own map then: a read of the block device there is an oops, so nothing of
# the page is saved, however few bytes are bad. A block that the kernel can't even
# write, since nobody had it mapped, is brought back into its reach, or else stays
# in quarantine.

. "$SRCDIR/tests/vm/lib.sh"

bed_up
for name in data cold late out; do
	make_file $MNT/$name 1M
	keep $MNT/$name $name
done
cp --reflink=always $MNT/data $MNT/clone
sync -f $MNT
free=$(printf '0x%x' $(($(pmem_start) + (48 << 20))))
start_daemon '[Rule all]' "Path=$MNT/**" 'Holders=report' 'Repair=zero' \
	'[Rule media]' 'Repair=clear'

watch_page "$(phys_of $MNT/data 65536)"
read_device "$(phys_of $MNT/data 65536)" > /dev/null
check "a read of the block device would be seen" bios

# --- mapped by one who hears of it early and by one who does not

hold default sleep --offset 8192 $MNT/data
hold early sleep --early-kill --offset 8192 $MNT/clone
phys=$(phys_of $MNT/data 8192)
watch_page "$phys"
mce_srao $((phys + 1024)) 6
gone=$(wait_event '.type == "io.hwpoisond.poison.gone"' 40)
check_equal "the events come in order" \
	"poison.found poison.resolved holder.reported holder.reported repair.planned repair.done poison.gone" \
	"$(story 1)"
check_events \
	"64 bytes were lost, so a sector is bad" \
	"$(printf '.[] | select(.type == "io.hwpoisond.poison.found").data |
		.phys_start == "0x%x" and .length_bytes == 512' $((phys + 1024)))" \
	"both files own it" \
	".[] | select(.type == \"io.hwpoisond.poison.resolved\").data | .owners_complete and
		([.owners[].paths[]] | sort) == [\"$MNT/clone\", \"$MNT/data\"]" \
	"both processes hold it" \
	".[] | select(.type == \"io.hwpoisond.poison.resolved\").data |
		([.holders[].pid] | sort) == ([$(held default), $(held early)] | sort) and
		(.holders | all(.how == [\"mapped\", \"open\"] or (.how | index(\"mapped\") != null)))" \
	"the page is lost whole" \
	'.[] | select(.type == "io.hwpoisond.repair.done").data.repair | .method == "remap" and
		.zeroed_bytes == 4096 and .salvaged_bytes == 0' \
	"in both files" \
	".[] | select(.type == \"io.hwpoisond.repair.done\").data.repair.losses |
		([.[].paths[]] | sort) == [\"$MNT/clone\", \"$MNT/data\"] and
		all(.file_offset_bytes == 8192 and .length_bytes == 4096)" \
	"the kernel's own outcome is told" \
	"any(.[]; .type == \"io.hwpoisond.kernel.memory_failure\" and
		.data.phys_start == \"$phys\" and .data.page_type == \"dax\")"
check_json "$gone" "the incident ended as repaired" '.data.state == "repaired"' \
	"with the kernel as a source" '.data.sources | index("memory_failure") != null'
check "nobody read the block device there" ! bios
check "the file can be read, with 4096 zeros" lost $MNT/data data 8192 4096
check "so can its clone" lost $MNT/clone data 8192 4096
check "who wanted to know was told by the kernel" hold_says early '^sigbus code=5 '
check "who did not was not" ! grep sigbus "$HWP/hold.default"
check "both live" eval 'holds default && holds early'
check_equal "the media are clean" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
check "nothing is left in quarantine" test ! -e $MNT/.hwpoisond
let_go default
let_go early

# --- never mapped: the first write can't reach it, and empties the lists

hold early sleep --early-kill --no-touch --offset 8192 $MNT/out
mark_events
phys=$(phys_of $MNT/out 8192)
watch_page "$phys"
mce_srao $((phys + 1024)) 6
check_json "$(wait_event '.type == "io.hwpoisond.poison.gone" and .incident == 2' 60)" \
	"a page that nobody had mapped is repaired" '.data.state == "repaired"' \
	"it is lost whole" '.data.repair | .method == "remap" and .zeroed_bytes == 4096 and .salvaged_bytes == 0'
check_equal "each step is on record" "clear -14, offline 0, list 0, clear 0" "$(sqlite3 "$HWP/state/ledger.sqlite" \
	"SELECT group_concat(step || ' ' || result, ', ') FROM (SELECT * FROM intent WHERE incident = 2 AND
		step IN ('clear', 'offline', 'list') ORDER BY id)")"
check_equal "nothing else was found" "" "$(events '.type == "io.hwpoisond.poison.found" and .incident != 2')"
check "the file is elsewhere, with 4096 zeros" lost $MNT/out out 8192 4096
check "nobody read the block device there" ! bios
check "which can be read now" read_device "$phys"
check_equal "the media are clean" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
check "nothing is left in quarantine" test ! -e $MNT/.hwpoisond
check "who has the file mapped saw nothing" ! grep sigbus "$HWP/hold.early"
check "and can store where it was" write_page $MNT/out 8192
let_go early

# --- the same where the kernel does not let anybody take memory out of use

mkdir $HWP/none
mount --bind $HWP/none /sys/devices/system/memory
mark_events
phys=$(phys_of $MNT/cold 8192)
watch_page "$phys"
mce_srao "$phys" 6
check "a block that can't be written is not called clean" wait_event '
	.type == "io.hwpoisond.repair.failed" and .incident == 3 and .data.reason == "clear-refused"' 40
check "the file is elsewhere, with 4096 zeros" lost $MNT/cold cold 8192 4096
quarantine=$(echo $MNT/.hwpoisond/3-*.quarantine)
check "the block is in quarantine" test "$(phys_of "$quarantine")" = "$phys"
check_equal "though no list has it" "" "$(badblocks_list)$(badblocks_list region)"
check "an order fails as well" ! ctl repair 3
check "and keeps it there" test "$(phys_of "$quarantine")" = "$phys"
check_json "$(ctl show 3 --json)" "why is told" '.repair.detail | test("can.t reach the block since a machine check")' \
	"the incident stays open" '.state == "left" and .repair.state == "failed" and .repair.zeroed_bytes == 4096 and .repair.salvaged_bytes == 0'
check "nobody read the block device there" ! bios

# --- in free space

mark_events
watch_page "$free"
mce_srao "$free" 6
check "free space is not cleared by command" wait_event '
	.type == "io.hwpoisond.repair.waiting" and .incident == 4 and .data.reason == "machine-check"' 40
check_events "it is nobody's" '.[] | select(.type == "io.hwpoisond.poison.resolved" and .incident == 4).data |
	.owners_complete and (.owners | all(.kind == "free"))'
check "nobody read the block device there" ! bios

# --- while no daemon runs

stop_daemon
hold mapper sleep --offset 4096 $MNT/late
phys=$(phys_of $MNT/late 4096)
watch_page "$phys"
mce_srao $((phys + 512)) 6
check "badblocks has it" wait_until 10 eval 'grep -q "^$(($(sector_of "$phys") + 1)) " /sys/block/pmem0/badblocks'
mark_events
start_daemon
wait_event '.type == "io.hwpoisond.poison.gone" and .incident == 5' 40 > /dev/null
check_events "a daemon that starts later knows from the kernel's log" \
	'.[] | select(.type == "io.hwpoisond.repair.done" and .incident == 5).data.repair |
		.zeroed_bytes == 4096 and .salvaged_bytes == 0'
check "nobody read the block device there" ! bios
check "the page is zeros, all else is as it was" lost $MNT/late late 4096 4096
check "what is in quarantine is still there" test "$(phys_of "$quarantine")" != ""
check_json "$(ctl show 3 --json)" "and its incident open" '.state == "left"'
umount /sys/devices/system/memory
phys=$(phys_of "$quarantine")
check "when the kernel lets us, an order repairs it" ctl repair 3
check "that ends it" wait_event '.type == "io.hwpoisond.poison.gone" and .incident == 3' 20
check "nothing is left in quarantine" test ! -e $MNT/.hwpoisond
check "its block can be read" read_device "$phys"
check "with no more of the file lost" lost $MNT/cold cold 8192 4096
let_go mapper
check "the kernel did not oops" eval '! dmesg | grep -Eq "Oops|BUG:"'
stop_daemon
done_checks
