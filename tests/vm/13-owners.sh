# SPDX-License-Identifier: GPL-2.0-or-later
#
# One block with three owners: one with two names, one whose name is gone, names
# with a newline and with bytes that are no UTF-8. All are found, all are named,
# all are repaired.

. "$SRCDIR/tests/vm/lib.sh"

line=$MNT/a/$'new\nline'
bytes=$MNT/b/$'bad\xff\xfename'
bytes_hex=$(printf '%s' "$bytes" | od -An -v -tx1 | tr -d ' \n')

bed_up
mkdir -p $MNT/a $MNT/b/deeper $MNT/c
make_file "$line" 64K
cp --reflink=always "$line" "$bytes"
ln "$bytes" $MNT/b/deeper/again
cp --reflink=always "$line" $MNT/c/orphan
keep "$line" data
phys=$(phys_of "$line" 8192)
orphan=
hold mapper sleep --offset 8192 "$line"
hold elsewhere sleep --offset 0 "$line"
hold orphan open $MNT/c/orphan
inodes=$(stat -c %i "$line" "$bytes" $MNT/c/orphan | sort -n | jq -sc .)
rm $MNT/c/orphan
sync
for fd in /proc/"$(held orphan)"/fd/*; do
	[[ $(readlink "$fd") == *orphan* ]] && orphan=$fd
done

# The same of an event's data and of a range of resolve.
owners_claims=(
	"three owners are found, and no more"
	"(.owners | length) == 3 and .owners_complete and ([.owners[].inode] | sort) == $inodes"
	"all share the block"
	'.owners | all(.kind == "file-data" and .shared and .file_offset_bytes == 9216 and .length_bytes == 512)'
	"a newline in a name is a character like others"
	".owners[] | select(.paths[0] // \"\" | test(\"/a/\")) | .paths == [\"$MNT/a/new\\nline\"]"
	"both hard links are named"
	'.owners[] | select(.paths | length == 2) | .paths | any(. == "/mnt/x/b/deeper/again")'
	"bytes that are no UTF-8 are replaced"
	'.owners[] | select(.paths | length == 2) | .paths | any(. == "/mnt/x/b/bad\ufffd\ufffdname")'
	"and are beside it in hex"
	".owners[] | select(.paths | length == 2) | (.paths_hex | length == 2) and
		(.paths_hex | any(. == \"$bytes_hex\"))"
	"what has no name is an owner all the same"
	'.owners[] | select(.unlinked) | .paths == [] and .inode > 0'
)

start_daemon '[Rule elsewhere]' 'Path=/nowhere/**' 'Holders=kill' 'Openers=kill' \
	'[Rule all]' 'Holders=report' 'Repair=zero'

# --- asked

check_json "$(ctl resolve --phys $((phys + 1024)) 512 --json | jq -c '.ranges[0]')" "${owners_claims[@]}"
check_equal "asked by the device it is the same" \
	"$(ctl resolve --phys $((phys + 1024)) 512 --json)" \
	"$(ctl resolve --device pmem0 --sector $(($(sector_of "$phys") + 2)) --count 1 --json)"
mv "$HWP/run/io.hwpoisond" "$HWP/run/away"
check_json "$(ctl resolve --phys $((phys + 1024)) --json)" "and without the daemon" '.ranges[0].owners | length == 3'
mv "$HWP/run/away" "$HWP/run/io.hwpoisond"
check_equal "to read, each owner is one line" 2 \
	"$(ctl resolve --phys "$phys" | grep -Fc -e "$MNT/a/new\\x0aline" -e "$MNT/b/bad\\xff\\xfename")"
check_json "$(ctl holders "$line" --json)" "both mappers hold the file" \
	"([.holders[].pid] | sort) == ([$(held mapper), $(held elsewhere)] | sort)"
check_json "$(ctl holders "$line" --offset 8192 --length 4096 --json)" "one maps the page" \
	"[.holders[] | select(.how | index(\"mapped\") != null).pid] == [$(held mapper)]"
check_json "$(ctl holders "$bytes" --json)" "nobody holds the clone" '.holders == []'
check_equal "a file that is not there is an error" 1 "$(status_code ctl holders $MNT/c/orphan)"

# --- lost and repaired

poison $((phys + 1024)) 512 notify
wait_event '.type == "io.hwpoisond.poison.gone"' 30 >/dev/null
resolved=$(events '.type == "io.hwpoisond.poison.resolved"' | jq -c .data)
check_json "$resolved" "${owners_claims[@]}" \
	"who holds any of them is a holder" \
	"([.holders[].pid] | sort) == ([$(held mapper), $(held elsewhere), $(held orphan)] | sort)" \
	"who maps another page has the file open only" \
	".holders[] | select(.pid == $(held elsewhere)) | .how == [\"open\"]" \
	"the rule without a path is the one for what has no name" '.repair.rule == "all" and .repair.wish == "zero"'
check_equal "it was repaired" \
	"poison.found poison.resolved holder.reported holder.reported holder.reported repair.planned repair.done poison.gone" \
	"$(story 1)"
check_events "three losses are on record" \
	".[] | select(.type == \"io.hwpoisond.repair.done\").data.repair | .zeroed_bytes == 512 and
		.salvaged_bytes == 3584 and (.losses | length) == 3 and ([.losses[].inode] | sort) == $inodes and
		(.losses | all(.file_offset_bytes == 9216 and .length_bytes == 512))"
check "the first file is whole but for them" lost "$line" data 9216 512
check "the second too" lost "$bytes" data 9216 512
check "by its other name" lost $MNT/b/deeper/again data 9216 512
check "so is the one without a name" lost "$orphan" data 9216 512
check "all holders live" eval 'holds mapper && holds elsewhere && holds orphan'
kill -USR2 "$(held mapper)"
check "the mapper reads the good page" hold_says mapper "^now $(page "$line" 8192 | cut -d ' ' -f 2-)"
check_equal "no list has it any more" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
check "nothing is left in quarantine" test ! -e $MNT/.hwpoisond
check_equal "a clone of it still has two names" 2 "$(stat -c %h "$bytes")"

done_checks
