# SPDX-License-Identifier: GPL-2.0-or-later
#
# ext4 with DAX has no reverse map: who has the file open is found and answered at once, the owners
# of closed files by a search, before which nothing is repaired.

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

stop_daemon
check_json "$(ctl resolve --phys "$closed" 4096 --json)" \
	"hwpoisonctl searches by itself" \
	"(.ranges[0].owners[0].paths | sort) == [\"$MNT/again\", \"$MNT/closed\"] and .ranges[0].owners_complete"
done_checks
