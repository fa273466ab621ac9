# SPDX-License-Identifier: GPL-2.0-or-later
#
# Poison that nobody knows of is found by a scrub, traced to both reflinked
# files and to both processes, and repaired with 512 bytes lost. Under a rule
# that only repairs, whoever maps the page lives on and loses nothing else.

. "$SRCDIR/tests/vm/lib.sh"

bed_up
mkdir $MNT/quiet
make_file $MNT/data 4M
cp --reflink=always $MNT/data $MNT/clone
make_file $MNT/quiet/read 1M
make_file $MNT/quiet/store 1M
keep $MNT/data data
keep $MNT/quiet/read read
keep $MNT/quiet/store store
phys=$(phys_of $MNT/data 8192)
start_daemon '[Rule quiet]' "Path=$MNT/quiet/**" 'Holders=report' 'Repair=zero' \
	'[Rule all]' 'Holders=terminate' 'Openers=report' 'GraceSec=5' 'Repair=zero'
hold mapper sleep --offset 8192 $MNT/data
hold opener open $MNT/clone

# --- latent

# 256 bytes in the third sector of the page
knob scrub_ms 1000
poison $((phys + 1024)) 256
check "latent poison is not announced" no_event '.type != "io.hwpoisond.daemon.started"' 1
check_equal "nor does status know of it" 0 "$(status_code ctl status)"
check "a scrub can be ordered and waited for" ctl scrub start --wait --json
gone=$(wait_event '.type == "io.hwpoisond.poison.gone"' 30)

check_equal "the events come in order" \
	"poison.found poison.resolved holder.reported holder.terminated repair.planned repair.done poison.gone" \
	"$(story 1)"
check_events \
	"the scrub is announced before what it finds" \
	'[.[] | .type | ltrimstr("io.hwpoisond.")] | index("scrub.started") < index("poison.found")' \
	"and its end, once" \
	'[.[] | select(.type == "io.hwpoisond.scrub.finished")] | length == 1 and .[0].data.count == 1' \
	"numbers rise by one" \
	'[.[].seq] | . == [range(.[0]; .[0] + length)]' \
	"found says where" \
	".[] | select(.type == \"io.hwpoisond.poison.found\") | .severity == \"critical\" and
		(.data | .phys_start == \"$(printf '0x%x' $((phys + 1024)))\" and .length_bytes == 512 and
		.state == \"found\" and .device.bus == \"ndbus0\" and .device.provider == \"ndbed\" and
		.device.dimms == [\"nmem0\"] and .device.region == \"region0\" and
		.device.namespace == \"namespace0.0\" and .device.mode == \"fsdax\" and
		.device.blockdev == \"pmem0\" and .device.sector == $(($(sector_of "$phys") + 2)) and
		.device.n_sectors == 1)" \
	"resolved names both files" \
	".[] | select(.type == \"io.hwpoisond.poison.resolved\").data | .owners_complete and
		([.owners[].paths[]] | sort) == [\"$MNT/clone\", \"$MNT/data\"] and
		(.owners | all(.kind == \"file-data\" and .filesystem == \"xfs\" and .shared and
			.mountpoint == \"$MNT\" and .file_offset_bytes == 9216 and .length_bytes == 512))" \
	"and both processes" \
	".[] | select(.type == \"io.hwpoisond.poison.resolved\").data.holders |
		length == 2 and (.[] | select(.pid == $(held mapper)) | .action == \"terminate\" and
			.rule == \"all\" and (.how | index(\"mapped\") != null) and (.mappings | length == 1)) and
		(.[] | select(.pid == $(held opener)) | .action == \"report\" and .how == [\"open\"])" \
	"with the address of the lost bytes" \
	"$(printf '.[] | select(.type == "io.hwpoisond.poison.resolved").data.holders[].mappings[] |
		.virt_start == "0x%x" and .length_bytes == 512' \
		$(($(sed -n 's/^ready //p' "$HWP/hold.mapper") + 1024)))" \
	"the mapper was terminated" \
	".[] | select(.type == \"io.hwpoisond.holder.terminated\").data.holder |
		.pid == $(held mapper) and .outcome == \"terminated\"" \
	"the opener was reported" \
	".[] | select(.type == \"io.hwpoisond.holder.reported\").data.holder |
		.pid == $(held opener) and .outcome == \"reported\"" \
	"the repair tells what it saved" \
	'.[] | select(.type == "io.hwpoisond.repair.done").data.repair | .method == "remap" and
		.state == "done" and .rule == "all" and .zeroed_bytes == 512 and .salvaged_bytes == 3584' \
	"and each byte that was lost" \
	".[] | select(.type == \"io.hwpoisond.repair.done\").data.repair.losses |
		([.[].paths[]] | sort) == [\"$MNT/clone\", \"$MNT/data\"] and
		all(.file_offset_bytes == 9216 and .length_bytes == 512)"
check_json "$gone" "the incident ended as repaired" '.data.state == "repaired" and .incident == 1'

check "the mapper is dead" ! holds mapper
check "by SIGTERM, on which it ended itself" hold_says mapper '^done '
check "the opener lives" holds opener
check "512 bytes of the file are zeros, all others as they were" lost $MNT/data data 9216 512
check "so it is in its clone" lost $MNT/clone data 9216 512
check "they still share the page" test "$(phys_of $MNT/data 8192)" = "$(phys_of $MNT/clone 8192)"
check "which lies elsewhere now" test "$(phys_of $MNT/data 8192)" != "$phys"
check_equal "no list has the poison any more" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
check "nothing is left in quarantine" test ! -e $MNT/.hwpoisond
check_equal "status is content" 0 "$(status_code ctl status)"
check_json "$(ctl list --json)" "list shows nothing" '.incidents == []'
check_json "$(ctl list --all --json)" \
	"list --all remembers" '.incidents | length == 1 and .[0].incident == 1 and .[0].state == "repaired"'
check_json "$(ctl show 1 --json)" \
	"show tells the same" '.state == "repaired" and (.owners | length) == 2 and (.holders | length) == 2 and
		.repair.zeroed_bytes == 512 and (.repair.losses | length) == 2'
check "show can be read" grep -q "$MNT/clone" <<< "$(ctl show 1)"
check_equal "there is no incident 2" 1 "$(status_code ctl show 2)"

# --- a rule that only repairs

mark_events
hold reader check --offset 4096 $MNT/quiet/read
hold storer store --offset 8192 --slots 2048:4096 $MNT/quiet/store
hold_says reader ^working
hold_says storer ^working
phys=$(phys_of $MNT/quiet/read 4096)
poison "$phys" 256 notify
poison $(($(phys_of $MNT/quiet/store 8192) + 512)) 256 notify
check "both pages are repaired" wait_until 30 \
	eval '[ "$(grep -c poison.gone "$HWP/events.jsonl")" -eq 3 ]'
check_equal "nobody is acted upon" \
	"poison.found poison.resolved holder.reported repair.planned repair.done poison.gone" "$(story 2)"
check_equal "for the other one neither" \
	"poison.found poison.resolved holder.reported repair.planned repair.done poison.gone" "$(story 3)"
kill -USR2 "$(held reader)"
hold_says reader '^now'
check "who reads the page lives on" holds reader
check "at the same address" test "$(grep -c ^ready "$HWP/hold.reader")" = 1
check_equal "with the good data" \
	"$(page $MNT/quiet/read 4096 | cut -d ' ' -f 2-)" "$(sed -n 's/^now //p' "$HWP/hold.reader")"
check "it saw the lost bytes become zeros, and nothing else" \
	test "$(grep -c ^changed "$HWP/hold.reader")" = 1
check "it saw them in its page" grep -Eq '^changed offset=4096 was=.. is=00' "$HWP/hold.reader"
check "it never saw SIGBUS" ! grep sigbus "$HWP/hold.reader"
check "who stores lives on" holds storer
kill -TERM "$(held storer)"
hold_says storer ^done
check "it lost no store and saw no SIGBUS" grep -Eq '^done rounds=[0-9]+ lost=0 sigbus=0' "$HWP/hold.storer"
check "the page that was read is as it was" lost $MNT/quiet/read read 4096 512
check "so is what nobody stored to" \
	cmp -n 8192 $MNT/quiet/store "$HWP/kept.store"
check "up to the lost sector" cmp -n 512 -i 8192 $MNT/quiet/store "$HWP/kept.store"
check "which is zeros" cmp -n 512 -i 8704:0 $MNT/quiet/store /dev/zero
check "and behind it" cmp -i 12288 $MNT/quiet/store "$HWP/kept.store"
check_equal "the media are clean" "" "$(media_list)$(badblocks_list)$(badblocks_list region)"
let_go reader
let_go opener

done_checks
