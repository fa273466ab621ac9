#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 600
#
# Claim: bad pages in a row are remapped in one go, with the same bytes lost, saved and on record as
# page by page: of two owners, with a page that is bad in parts, under a process that reads and one
# that stores all the time. Where the platform refuses to clear, or no room is free in one piece, each
# goes by itself, and nothing is counted twice.

. "$SRCDIR/tests/vm/lib.sh"

bed_up
make_file $MNT/data 256K
cp --reflink=always $MNT/data $MNT/clone
make_file $MNT/own 256K
make_file $MNT/refused 130000
sync -f $MNT
for name in data own refused; do
	keep $MNT/$name $name
done
data=$(phys_of $MNT/data)
own=$(phys_of $MNT/own)
refused=$(phys_of $MNT/refused)
for file in data:258048 own:258048 refused:126976; do
	start=$(phys_of "$MNT/${file%:*}") end=$(phys_of "$MNT/${file%:*}" "${file#*:}")
	check_equal "${file%:*} lies in one piece" $((start + ${file#*:})) $((end))
done

# steps INCIDENT STEP: how many of them are about several pages, and how many about one.
steps() {
	sqlite3 "$HWP/state/ledger.sqlite" "SELECT count(json_extract(detail, '\$.length_bytes')) || ' ' ||
		sum(json_extract(detail, '\$.length_bytes') IS NULL) FROM intent WHERE incident = $1 AND step = '$2'"
}

# goes PHYS LENGTH: in how many; none is about pages on both sides of a multiple of a MiB.
goes() {
	echo $((($1 + $2 - 1) / 1048576 - $1 / 1048576 + 1))
}

# incident_at PHYS: the number of the one that begins there.
incident_at() {
	wait_event '.type == "io.hwpoisond.poison.found" and .data.phys_start == "'"$(printf '0x%x' $(($1)))"'"' 30 |
		jq .incident
}

# lists FILE INCIDENT OFFSET LENGTH...: the ledger lists exactly these bytes of it as lost, page by page.
lists() {
	local inode
	inode=$(stat -c %i "$1")

	check_equal "the bytes that ${1##*/} has lost are on record" "$(printf '%s %s\n' "${@:3}")" \
		"$(sqlite3 -separator ' ' "$HWP/state/ledger.sqlite" "SELECT file_offset_bytes, length_bytes FROM loss
			WHERE incident = $2 AND inode = $inode ORDER BY file_offset_bytes")"
}

# pages FROM TO: offset and length of each.
pages() {
	local at

	for ((at = $1; at < $2; at++)); do
		echo $((at * 4096)) 4096
	done
}

start_daemon '[Rule all]' "Path=$MNT/**" 'Repair=zero'
mark_events

# --- two owners: pages 4 to 43 whole, and two sectors of 44

hold reader check --offset 16384 --length 4096 $MNT/clone
hold watcher sleep --offset $((60 * 4096)) $MNT/data
poison $((data + 4 * 4096)) $((40 * 4096 + 1024)) notify
n=$(incident_at $((data + 4 * 4096)))
outcome=$(repaired "$n")
check_json "$outcome" "repaired" '.data.state == "repaired" and .data.repair.state == "done"' \
	"with as many bytes lost and saved as page by page" \
	'.data.repair.zeroed_bytes == 40 * 4096 + 1024 and .data.repair.salvaged_bytes == 3072' \
	"each page is listed for each owner" '.data.repair.losses | length == 82' \
	"page after page, and in each owner after owner" \
	'[.data.repair.losses[].file_offset_bytes] | . == sort'
go=$(goes $((data + 4 * 4096)) $((41 * 4096)))
check_equal "in one go" "$go 0" "$(steps "$n" remap)"
check_equal "a swap for each owner" "$((2 * go)) 0" "$(steps "$n" swap)"
check_equal "and one clear" "$go 0" "$(steps "$n" clear)"
for name in data clone; do
	check "$name has lost these bytes and no others" lost $MNT/$name data $((4 * 4096)) $((40 * 4096 + 1024))
	# shellcheck disable=SC2046
	lists $MNT/$name "$n" $(pages 4 44) $((44 * 4096)) 1024
done
check "nobody saw a signal" ! grep -i sigbus "$HWP/hold.reader" "$HWP/hold.watcher"
check_equal "the reader runs" S "$(awk '/^State:/ { print $2 }' "/proc/$(held watcher)/status")"
let_go reader
let_go watcher

# --- a process that stores all the time into a sector that is good, of a page in the middle

hold storer store --offset $((20 * 4096)) --slots 1024:2560 $MNT/own
poison $((own + 10 * 4096)) $((10 * 4096 + 1024)) ""
poison $((own + 21 * 4096 - 1536)) $((10 * 4096 + 1536)) ""
scrub
n=$(incident_at $((own + 10 * 4096)))
m=$(incident_at $((own + 21 * 4096 - 1536)))
check_json "[$(repaired "$n"), $(repaired "$m")]" "both ranges are repaired" 'all(.[]; .data.state == "repaired")' \
	"each byte of both counts once" \
	'([.[].data.repair.zeroed_bytes] | add) == 20 * 4096 + 2560 and ([.[].data.repair.salvaged_bytes] | add) == 1536'
check_equal "each in one go" "$(goes $((own + 10 * 4096)) $((11 * 4096))) 0 $(goes $((own + 21 * 4096)) $((10 * 4096))) 0" \
	"$(steps "$n" remap) $(steps "$m" remap)"
check "no store was lost" ! grep -Ei 'sigbus|lost slot' "$HWP/hold.storer"
let_go storer
# What it stored into its slots is there, and not what was kept.
dd if=$MNT/own of="$HWP/kept.own" bs=512 skip=162 seek=162 count=3 conv=notrunc status=none
check "the bytes around it are what they were" lost $MNT/own own $((10 * 4096)) $((10 * 4096 + 1024)) \
	$((21 * 4096 - 1536)) $((10 * 4096 + 1536))

# --- the platform refuses a page; the end of the file is no page's

knob clear_fail 1000
poison $((refused + 24 * 4096)) $((8 * 4096)) notify
n=$(incident_at $((refused + 24 * 4096)))
check "a clear that is refused is told" wait_event '
	.type == "io.hwpoisond.repair.failed" and .data.reason == "clear-refused" and .incident == '"$n" 60
check_equal "tried in one go, and then one by one" "$(goes $((refused + 24 * 4096)) $((8 * 4096))) 8" \
	"$(steps "$n" clear)"
check "the file has lost these bytes and no others" lost $MNT/refused refused $((24 * 4096)) $((130000 - 24 * 4096))
check_equal "the media are as they were" $((8 * 8)) "$(badblocks_list | awk '{ n += $2 } END { print n }')"
check_equal "one file holds them all" 1 "$(find $MNT/.hwpoisond -name '*.quarantine' | wc -l)"
kill_daemon
knob clear_fail 0
mark_events
start_daemon
check "an order finishes it" ctl repair "$n"
outcome=$(repaired "$n")
check_json "$outcome" "with the bytes that were lost the first time" \
	'.data.repair.zeroed_bytes == 130000 - 24 * 4096 and ([.data.repair.losses[].length_bytes] | add) == 130000 - 24 * 4096'
# shellcheck disable=SC2046
lists $MNT/refused "$n" $(pages 24 31) $((31 * 4096)) $((130000 - 31 * 4096))
check "what was lost is lost, and no more" lost $MNT/refused refused $((24 * 4096)) $((130000 - 24 * 4096))
check_equal "the media are clean" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
check "no quarantine is left" [ ! -e $MNT/.hwpoisond ]

# --- all that is free are single blocks

keep $MNT/own own
xfs_io -x -c 'resblks 0' $MNT
fill_up 32M
for file in $MNT/fill.32M.*; do
	for ((i = 0; i < 800; i += 2)); do
		echo "fpunch $((i * 4096)) 4096"
	done | xfs_io "$file"
done
# XFS keeps some room for its own trees, which is free in one piece: until there are as many blocks here
# and there as it wants.
longest=0
for ((i = 0; i < 20; i++)); do
	sync -f $MNT
	xfs_io -r -c fsmap $MNT |
		awk '/free space/ { if ($NF > l) l = $NF; n++ } END { print n + 0, l + 0 }' > "$HWP/free"
	read -r n_free longest < "$HWP/free"
	[ "$longest" -gt 8 ] || break
	fallocate -l $((longest * 512)) $MNT/more.$i
done
check_equal "there is room for a block here and a block there" 8 "$longest"
check "and for many" [ "$n_free" -gt 64 ]
mark_events
hold reader check --offset $((40 * 4096)) --length 4096 $MNT/own
hold watcher sleep --offset $((55 * 4096)) $MNT/own
poison $((own + 41 * 4096)) $((10 * 4096 + 1024)) notify
n=$(incident_at $((own + 41 * 4096)))
check_json "$(repaired "$n")" "pages in a row are repaired there" '.data.state == "repaired"' \
	"with as many bytes lost and saved" '.data.repair.zeroed_bytes == 10 * 4096 + 1024 and .data.repair.salvaged_bytes == 3072' \
	"each is listed once" '.data.repair.losses | length == 11'
check_equal "tried in one go, and then one by one" "$(goes $((own + 41 * 4096)) $((11 * 4096))) 11" "$(steps "$n" remap)"
check_equal "swapped one by one" "0 11" "$(steps "$n" swap)"
check "the file has lost these bytes and no others" lost $MNT/own own $((41 * 4096)) $((10 * 4096 + 1024))
# shellcheck disable=SC2046
lists $MNT/own "$n" $(pages 41 51) $((51 * 4096)) 1024
check "nobody saw a signal" ! grep -i sigbus "$HWP/hold.reader" "$HWP/hold.watcher"
check_equal "the media are clean" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
check "no quarantine is left" [ ! -e $MNT/.hwpoisond ]
let_go reader
let_go watcher
stop_daemon
done_checks
