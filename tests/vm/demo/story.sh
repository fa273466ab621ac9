# SPDX-License-Identifier: GPL-2.0-or-later
#
# What ./demo tells: one page goes bad under a rule that ends who maps it, one under a rule that
# only repairs. What the story claims is checked as it is told; what is false begins with "not ok".
#
# guest: --timeout 600

. "$SRCDIR/tests/vm/lib.sh"

# --- how it is told

heading() {
	printf '\n=== %s\n' "$*"
}

say() {
	printf '\n'
	printf '%s\n' "$@"
}

indented() {
	sed 's/^./    &/'
}

# shown COMMAND...: as an administrator would type it, and what it prints.
shown() {
	printf '\n    # %s\n' "$*"
	"$@" 2>&1 | indented
}

hwpoisonctl() {
	ctl "$@"
}

pass() {
	printf '  * %s\n' "$1"
	echo >> "$HWP/passed"
}

# show_events_of N: whole where they tell most, else shortened to a line.
show_events_of() {
	say "Its events, as the journal, the socket and the file have them, some shortened:"
	printf '\n'
	events ".incident == $1" | jq -Mr '
		def wrapped($pad): tojson as $line | ($pad + "  ") as $in |
			if ($line + $pad | length) <= 92 then $line
			elif type == "object" then "{\n" + (to_entries |
				map($in + (.key | tojson) + ": " + (.value | wrapped($in))) |
				join(",\n")) + "\n\($pad)}"
			elif type == "array" then "[\n" +
				(map($in + wrapped($in)) | join(",\n")) + "\n\($pad)]"
			else $line end;
		if .type | test("poison.resolved|repair.done") then wrapped("")
		else
			(.data.holder // {} | {pid, comm, outcome} | del(..|nulls)) as $holder |
			{type, time, seq, severity, incident} + $holder | tojson
		end' | indented
}

# --- what is compared

sum() {
	sha256sum < "$1" | cut -c 1-16
}

# sum_without FILE OFFSET LENGTH: of all other bytes
sum_without() {
	{ head -c "$2" "$1"; tail -c "+$(($2 + $3 + 1))" "$1"; } | sha256sum | cut -c 1-16
}

# compare FILE NAME OFFSET LENGTH: with what was kept under that name.
compare() {
	local file=$1 kept=$HWP/kept.$2

	printf '    %-26s %-16s %s\n' "$file" "before" "now"
	printf '    %-26s %s %s\n' "  sha256 of the file" "$(sum "$kept")" "$(sum "$file")"
	printf '    %-26s %s %s\n' "  without the lost sector" "$(sum_without "$kept" "$3" "$4")" \
		"$(sum_without "$file" "$3" "$4")"
	cmp -l "$kept" "$file" | awk -v from="$3" -v n="$4" '
		{ last = $1 - 1 } NR == 1 { first = last }
		END {
			printf "      lost: bytes %d to %d; ", from, from + n - 1
			printf "%d differ, the first at %d, the last at %d\n", NR, first, last
		}'
}

media_clean() {
	[ -z "$(media_list)$(badblocks_list)$(badblocks_list region)" ] && ctl status >/dev/null
}

# hold_as NAME MODE ARGUMENT...: hold, by a program that is called so.
hold_as() {
	cp "$HOLDFILE" "/usr/local/bin/$1" || die "there is a program $1"
	HOLDFILE=/usr/local/bin/$1 hold "$@"
}

# --- the machine

heading "The machine"
echo pmem-server > /proc/sys/kernel/hostname
bed_up
mkdir $MNT/quiet
make_file $MNT/accounts 4M
cp --reflink=always $MNT/accounts $MNT/snapshot
make_file $MNT/quiet/prices 1M
keep $MNT/accounts accounts
keep $MNT/quiet/prices prices
start_daemon '[Feed]' 'Journal=no' '' \
	'[Rule quiet]' "Path=$MNT/quiet/**" 'Holders=report' 'Repair=zero' '' \
	'[Rule others]' 'Holders=terminate' 'Openers=report' 'GraceSec=5' 'Repair=zero'

say "A virtual machine with 512 MiB of persistent memory: /dev/pmem0, XFS, mounted with DAX." \
	"The memory's errors are made by a test module. The kernel's drivers, the filesystem," \
	"the processes and hwpoisond are real. hwpoisond's rules:"
printf '\n'
sed -n '/^\[Rule/,$p' "$HWP/hwpoisond.conf" | indented

# --- the first incident

heading "First incident: a page of two files, with two processes"
hold_as database sleep --offset 8192 $MNT/accounts
hold_as backup open $MNT/snapshot
page_phys=$(phys_of $MNT/accounts 8192)
say "$MNT/snapshot is a reflink copy of $MNT/accounts: they share every page." \
	"Process $(held database), database, maps one page of $MNT/accounts." \
	"Process $(held backup), backup, only has $MNT/snapshot open." \
	"" \
	"Now 256 bytes of that page, at $page_phys, go bad. Nobody knows:"
poison $((page_phys + 1024)) 256
check "the kernel's list of bad blocks is empty" test -z "$(badblocks_list)"
check "and the page can be read" reads $MNT/accounts 8192
check "and hwpoisond has nothing to tell" no_event '.incident'

say "The administrator has the media searched. The scrub finds it, hwpoisond does the rest:"
shown hwpoisonctl scrub start --wait
wait_event '.incident == 1 and .type == "io.hwpoisond.poison.gone"' 60 >/dev/null
shown hwpoisonctl show 1
printf '\n'
ctl show 1 --json > "$HWP/incident"
check_json "$(< "$HWP/incident")" \
	"hwpoisond found both files" \
	"([.owners[].paths[]] | sort) == [\"$MNT/accounts\", \"$MNT/snapshot\"]" \
	"and knows that there are no others" '.owners_complete' \
	"hwpoisond found both processes" \
	"([.holders[].pid] | sort) == ([$(held database), $(held backup)] | sort)" \
	"seven of the page's eight sectors were salvaged, one is zeros" \
	'.repair | .state == "done" and .salvaged_bytes == 3584 and .zeroed_bytes == 512'
check "the process that mapped the page was ended" ! holds database
check "the process that had the file open lives" holds backup

say "What is in the files:"
printf '\n'
compare $MNT/accounts accounts 9216 512
compare $MNT/snapshot accounts 9216 512
printf '\n'
check "accounts: one sector is zeros, every other byte is as it was" \
	lost $MNT/accounts accounts 9216 512
check "snapshot: the same" lost $MNT/snapshot accounts 9216 512
check "both can be read from end to end" cmp $MNT/accounts $MNT/snapshot
check "they lie on good memory now, still shared" \
	test "$page_phys" != "$(phys_of $MNT/accounts 8192)" -a \
	"$(phys_of $MNT/accounts 8192)" = "$(phys_of $MNT/snapshot 8192)"
check "nothing on the media is bad any more" media_clean
show_events_of 1

# --- the second

heading "Second incident: a rule that only repairs"
mapping_of() {
	grep "$MNT/" "/proc/$(held "$1")/maps"
}

mark_events
hold_as reader check --offset 4096 $MNT/quiet/prices
hold_says reader '^working'
page_phys=$(phys_of $MNT/quiet/prices 4096)
mapping=$(mapping_of reader)

# now_read: what the process reads through its mapping, at this moment
now_read() {
	local n
	n=$(grep -c '^now' "$HWP/hold.reader")
	kill -USR2 "$(held reader)"
	wait_until 10 eval "[ \$(grep -c '^now' $HWP/hold.reader) -gt $n ]"
	sed -n 's/^now //p' "$HWP/hold.reader" | tail -n 1
}

say "Process $(held reader), reader, maps a page of $MNT/quiet/prices and reads it again and again:"
printf '\n    %s\n    %s\n' "$mapping" "$(now_read)"
say "256 bytes of it go bad, at $page_phys, and this time the platform tells the kernel at once."
poison $((page_phys + 512)) 256 notify
wait_event '.incident == 2 and .type == "io.hwpoisond.poison.gone"' 60 >/dev/null
shown hwpoisonctl show 2
say "The process, and what it reads now:"
found=$(now_read)
printf '\n    %s\n    %s\n\n' "$(mapping_of reader)" "$found"
check "the process lives" holds reader
check "it got no signal" ! grep -Eq '^(sigbus|signal [^U])' "$HWP/hold.reader"
check_equal "its mapping is where it was" "$mapping" "$(mapping_of reader)"
check_equal "it reads there what is in the file" "$(page $MNT/quiet/prices 4096)" "read $found"
check "which lies on good memory now" test "$page_phys" != "$(phys_of $MNT/quiet/prices 4096)"
printf '\n'
compare $MNT/quiet/prices prices 4608 512
printf '\n'
check "one sector is zeros, every other byte is as it was" lost $MNT/quiet/prices prices 4608 512
check "nothing on the media is bad any more" media_clean
show_events_of 2

heading "The end"
kill -TERM "$(held reader)" "$(held backup)"
shown hwpoisonctl list --all
shown hwpoisonctl status
printf '\n'
check "hwpoisond ends well" stop_daemon
done_checks
