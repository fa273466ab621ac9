#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 900
#
# Claim: a repair that waits for what is no event anywhere goes on by itself soon after that is
# over, and tells nothing of the tries in between: a process that let the page go and lives on, a
# swap file, a file that can't be written, a frozen filesystem, blocks that XFS keeps for copies. A
# quota that is used up, and a filesystem that shut down, are in the way of no repair for good.

. "$SRCDIR/tests/vm/lib.sh"

# waits NUMBER REASON: by its story, the repair began to wait for that, once.
waits() {
	check_equal "incident $1 waits: $2" "waiting $2" \
		"$(wait_event ".incident == $1 and (.type | test(\"repair.(waiting|failed)\"))" 60 |
			jq -r '.data.repair.state + " " + .data.reason')"
}

# goes_on NUMBER STORY: by one of the next tries, and in silence until then.
goes_on() {
	check "incident $1 goes on by itself" \
		wait_event ".incident == $1 and .type == \"io.hwpoisond.poison.gone\"" 120
	check_equal "it is told without the tries in between" "$2" "$(story "$1")"
}

bed_up
for file in held fixed frozen swap full shut; do
	make_file $MNT/$file 1M
	keep $MNT/$file $file
done
start_daemon '[Rule gentle]' "Path=$MNT/**" 'Repair=zero' 'PauseHolders=no' \
	'[Rule rest]' 'Repair=clear'

# --- two that wait side by side

hold mapper sleep --map shared --write --release-on-term --offset 8192 $MNT/held
poison $(($(phys_of $MNT/held 8192) + 512)) 512 notify
waits 1 held

chattr +i $MNT/fixed
poison "$(phys_of $MNT/fixed 4096)" 512 notify
waits 2 immutable
media=$(media_list)

# Past the first try of each.
sleep 20
check_equal "nothing was done to the media" "$media" "$(media_list)"
check "the plan of one that waits can be seen at any time" ctl repair 1 --dry-run
check_equal "and nothing more was told" "waiting waiting" \
	"$(events '.type == "io.hwpoisond.repair.waiting"' | jq -r .data.repair.state | paste -sd' ')"

kill -TERM "$(held mapper)"
chattr -i $MNT/fixed
goes_on 1 "poison.found poison.resolved holder.reported repair.planned repair.waiting repair.done poison.gone"
goes_on 2 "poison.found poison.resolved repair.planned repair.waiting repair.done poison.gone"
check "the process that let go lives" holds mapper
check "what was held has lost 512 bytes" lost $MNT/held held 8704 512
check "what was fixed, too" lost $MNT/fixed fixed 4096 512

# --- frozen, and the daemon restarted meanwhile

phys=$(phys_of $MNT/frozen)
fsfreeze -f $MNT
poison "$phys" 512 notify
waits 3 frozen
check "the daemon ends while it waits" stop_daemon
start_daemon
check_equal "an order does not wait" 1 "$(status_code ctl repair 3)"
fsfreeze -u $MNT
goes_on 3 "poison.found poison.resolved repair.planned repair.waiting repair.planned repair.waiting repair.done poison.gone"
check "what was frozen has lost 512 bytes" lost $MNT/frozen frozen 0 512

# --- blocks that are nobody's yet

make_file $MNT/source 1M
clone_range $MNT/source 0 1048576 $MNT/copied 0
xfs_io -c 'cowextsize 256k' $MNT/copied
xfs_io -c 'pwrite -q 65536 4096' -c fsync $MNT/copied
reserve=$(xfs_io -r -c fsmap $MNT | sed -n '/cow/ { s/.*\[\([0-9]*\)\.\..*/\1/p; q; }')
check "XFS keeps blocks for copies on write" test -n "$reserve"
poison $(($(pmem_start) + reserve * 512)) 512 notify
check_equal "of a block of these nobody can say whose it is" "failed owner-unknown" \
	"$(wait_event '.incident == 4 and .type == "io.hwpoisond.repair.failed"' 60 |
		jq -r '.data.repair.state + " " + .data.reason')"
poison $(($(pmem_start) + (reserve + 64) * 512)) 512 notify
wait_event '.incident == 5 and .type == "io.hwpoisond.repair.failed"' 60 >/dev/null
check "it lets go of them" xfs_spaceman -c 'prealloc -s' $MNT
check "one is repaired by order, whose owner it was stays unknown" ctl repair 5
by_order=$(story 5)
check "their block is repaired" wait_event '.incident == 4 and .type == "io.hwpoisond.repair.done"' 120
repaired="poison.found poison.resolved repair.planned repair.failed poison.resolved repair.planned repair.done"
check_equal "it is told when it has an owner" "$repaired" "$(story 4)"
check_equal "the media are clean" "" "$(media_list)"

# --- a swap file, which can be none with DAX

stop_daemon
umount $MNT
mount -o dax=never $PMEM $MNT
chmod 600 $MNT/swap
mkswap $MNT/swap && swapon $MNT/swap || die "there is a swap file"
start_daemon
poison $(($(phys_of $MNT/swap 524288) + 512)) 512 notify
waits 6 swap-file
check "the swap file is given up" swapoff $MNT/swap
goes_on 6 "poison.found poison.resolved repair.planned repair.waiting repair.done poison.gone"

# --- a quota that is used up

stop_daemon
umount $MNT
mount -o dax=always,uquota $PMEM $MNT
chown nobody $MNT/full
xfs_quota -x -c 'limit -u bhard=1m nobody' $MNT
check "there is room for not a block more" ! setpriv --reuid nobody --clear-groups \
	xfs_io -c 'pwrite -q 1048576 4096' $MNT/full
start_daemon
poison "$(phys_of $MNT/full 524288)" 512 notify
state=$(wait_event '.incident == 7 and (.type | test("repair.(done|waiting|failed)"))' 60 |
	jq -r '.data.repair.state + " " + (.data.reason // "")')
check "the page is repaired, or waits for room" grep -Eqx 'done |waiting no-space' <<< "$state"
xfs_quota -x -c 'limit -u bhard=2m nobody' $MNT
check "with room it is" wait_event '.incident == 7 and .type == "io.hwpoisond.poison.gone"' 120
check "it has lost 512 bytes" lost $MNT/full full 524288 512
check_equal "it is as long as it was" 1048576 "$(stat -c %s $MNT/full)"

# --- a filesystem that shut down

phys=$(phys_of $MNT/shut)
xfs_io -x -c shutdown $MNT
poison "$phys" 512 notify
resolved=$(wait_event '.incident == 8 and .type == "io.hwpoisond.poison.resolved"' 60)
check_json "$resolved" "whose page it is nobody can say now, and that is told" '.data.owners_complete == false'
check_equal "nothing is done to its media" "$phys 512" "$(media_list)"
umount $MNT
mount -o dax=always $PMEM $MNT
check "mounted again it is repaired" \
	wait_event '.incident == 8 and .type == "io.hwpoisond.poison.gone"' 120
check "with 512 bytes lost" lost $MNT/shut shut 0 512
check_equal "what was done long ago is not begun again" "$by_order" "$(story 5)"
done_checks
