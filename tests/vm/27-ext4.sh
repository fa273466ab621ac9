# SPDX-License-Identifier: GPL-2.0-or-later
#
# ext4 with DAX has no reverse map: who has the file open is found and answered at once, the owners
# of closed files by a search, before which nothing is repaired. A search ends with the last incident
# that needs it.

. "$SRCDIR/tests/vm/lib.sh"

bed_up ext4
make_file $MNT/opened 64K
make_file $MNT/closed 64K
make_file $MNT/gone 64K
ln $MNT/closed $MNT/again
sync
opened=$(phys_of $MNT/opened 8192)
closed=$(phys_of $MNT/closed 8192)
free=$(phys_of $MNT/gone 8192)
rm $MNT/gone
sync

start_daemon '[Rule all]' 'Repair=zero' 'Holders=signal' 'Openers=signal' 'Signal=SIGUSR1'
hold reader sleep --offset 8192 $MNT/opened

# --- a file that a process maps

poison "$opened" 512 notify
found=$(wait_event '.type == "io.hwpoisond.poison.resolved"' 30)
check_json "$found" \
	"the file is named" ".data.owners[0].paths == [\"$MNT/opened\"]" \
	"with the place in it" '.data.owners[0].file_offset_bytes == 8192' \
	"it is ext4's, found by looking at inodes" \
	'.data.owners[0].filesystem == "ext4" and .data.owners[0].method == "scan"' \
	"as its block is no other file's, that is the whole answer" \
	'.data.owners_complete and (.data | has("owners_searching") | not)' \
	"and its holder is known" ".data.holders | map(.pid) == [$(held reader)]"
wait_event '.type == "io.hwpoisond.holder.signalled"' 20 >/dev/null &&
	pass "who is answered at once"
repaired=$(wait_event '.type == "io.hwpoisond.repair.done"' 30)
check_json "$repaired" \
	"its page is written in place" '.data.repair | .method == "rewrite" and .zeroed_bytes == 512'
let_go reader

# --- one that nobody has open

mark_events
poison "$closed" 512 notify
first=$(wait_event '.type == "io.hwpoisond.poison.resolved"' 30)
check_json "$first" \
	"a closed file is not known at once" '.data.owners[0].kind == "unknown" and (.data.owners_complete | not)' \
	"and is searched for" '.data.owners_searching'
second=$(wait_event '.type == "io.hwpoisond.poison.resolved" and (.data.owners_searching | not)' 30)
check_json "$second" \
	"the search finds it, with both names" \
	"(.data.owners[0].paths | sort) == [\"$MNT/again\", \"$MNT/closed\"] and .data.owners_complete" \
	"of the same incident" ".incident == $(jq .incident <<<"$first")"
wait_event '.type == "io.hwpoisond.repair.done"' 30 >/dev/null
check_events "no repair was begun before the search was over" \
	'map(.type) | index("io.hwpoisond.repair.planned") > (to_entries | map(select(.value == "io.hwpoisond.poison.resolved")) | .[1].key)'

# --- free space

mark_events
poison "$free" 512 notify
resolved=$(wait_event '.type == "io.hwpoisond.poison.resolved"' 30)
check_json "$resolved" \
	"free space is known without a search" \
	'.data.owners[0].kind == "free" and .data.owners_complete and .data.owners[0].method == "fsmap"'
wait_event '.type == "io.hwpoisond.repair.done" or .type == "io.hwpoisond.poison.gone"' 30 >/dev/null &&
	pass "and is cleared"

# --- asked without a daemon

check_json "$(ctl resolve --phys "$closed" 4096 --json)" \
	"hwpoisonctl searches by itself" \
	"(.ranges[0].owners[0].paths | sort) == [\"$MNT/again\", \"$MNT/closed\"] and .ranges[0].owners_complete"

# --- a search that nobody needs any more

# An XFS without a reverse map, since a search there opens every file: a lease on one holds it up.
umount $MNT
mkfs.xfs -q -f -m reflink=1,rmapbt=0 $PMEM > "$HWP/mkfs.out" 2>&1 || die "mkfs.xfs works" "$(< "$HWP/mkfs.out")"
mount -t xfs -o dax=always $PMEM $MNT || die "$MNT is mounted"
make_file $MNT/leased 4K
make_file $MNT/closed 64K
sync
lost=$(phys_of $MNT/closed 8192)
python3 -c "
import fcntl, signal, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
f = open('$MNT/leased', 'r+')
fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK)
open('$HWP/leased', 'w').close()
time.sleep(1000)" &
leaser=$!
wait_until 60 test -e $HWP/leased || die "there is a lease"

# Without a fork in a round: the search is held up for a second.
searcher() {
	local pid children comm
	children=$(< /proc/$DAEMON_PID/task/$DAEMON_PID/children)
	for pid in $children; do
		read -r comm < /proc/"$pid"/comm && [ "$comm" = hwp-search ] && kill -STOP "$pid" || continue
		search=$pid
		return
	done 2>/dev/null
	return 1
}
mark_events
poison "$lost" 512 notify
deadline=$((SECONDS + 60))
until searcher || [ $SECONDS -ge $deadline ]; do
	:
done
check "a search runs, and is stopped" test -n "$search"
check_json "$(wait_event '.type == "io.hwpoisond.poison.resolved"' 30)" "it is needed" '.data.owners_searching'
check "its owner writes the page anew" write_page $MNT/closed 8192
wait_event '.type == "io.hwpoisond.poison.gone"' 30 >/dev/null && pass "and the incident is over"
check "with its incident the search ends, and is reaped" wait_until 30 test ! -e /proc/"$search"
check "nobody says that it failed" ! grep -q 'search for owners failed' $HWP/daemon.log
kill $leaser
mark_events
poison "$(phys_of $MNT/closed 12288)" 512 notify
wait_event '.type == "io.hwpoisond.repair.done"' 60 >/dev/null && pass "the next one finds its file"
umount $MNT
stop_daemon
done_checks
