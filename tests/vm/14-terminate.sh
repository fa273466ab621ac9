#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who holds lost bytes is asked to end, made to, told, or left alone, exactly as
# the rules say; each is named with what became of it; and those that must never
# be harmed are not, whatever the rules say.

. "$SRCDIR/tests/vm/lib.sh"

bed_up
for name in ask tell strike spared; do
	make_file $MNT/$name 64K
done
setfattr -n user.hwpoisond.avoid -v 1 $MNT/spared || die "XFS keeps the attribute"
mkdir /sys/fs/cgroup/calm
setfattr -n user.hwpoisond.avoid -v 1 /sys/fs/cgroup/calm || die "so does cgroup2"

start_daemon \
	'[Rule ask]' "Path=$MNT/ask" 'Holders=terminate' 'Openers=report' 'GraceSec=3' \
	'[Rule tell]' "Path=$MNT/tell" 'Holders=signal' 'Openers=signal' 'Signal=SIGRTMIN' \
	'[Rule strike]' "Path=$MNT/*" 'Holders=kill' 'Openers=kill'

# Nobody may hold more than what is poisoned below, or stand where it does not matter.
hold stubborn sleep --ignore-term $MNT/ask
hold polite sleep --release-on-term $MNT/ask
hold mortal sleep $MNT/ask
hold reader open $MNT/ask
hold elsewhere sleep --offset 8192 $MNT/ask
hold told sleep $MNT/tell
hold told_too open $MNT/tell
hold struck sleep --ignore-term $MNT/strike
hold struck_too open $MNT/strike
hold avoided sleep $MNT/spared

# In a cgroup that is to be avoided; an executable that is the way in; a client of
# the daemon, whose open file is its own business.
hold calm sleep $MNT/strike
held calm > /sys/fs/cgroup/calm/cgroup.procs
mkdir -p /usr/sbin
cp "$HOLDFILE" /usr/sbin/sshd
HOLDFILE=/usr/sbin/sshd hold sshd sleep $MNT/strike
"$HWPOISONCTL" --socket $HWP/run/io.hwpoisond watch 9<$MNT/strike >/dev/null 2>&1 &
client=$!
wait_until 10 ctl status --json || [ $? -eq 4 ] || die "the daemon answers"

# All of them at once, in four incidents.
for name in ask tell strike spared; do
	poison "$(phys_of $MNT/$name)" 512 notify
done
check "the last of them is answered" wait_event \
	".type == \"io.hwpoisond.holder.terminated\" and .data.holder.pid == $(held stubborn)" 20

declare -A fate rule
jq -r 'select(.data.holder) | [.data.holder.pid, (.type | ltrimstr("io.hwpoisond.holder.")),
	.data.holder.outcome, .data.holder.rule] | @tsv' $HWP/events.jsonl > $HWP/fates
while IFS=$'\t' read -r pid type outcome name; do
	fate[$pid]="$type $outcome"
	rule[$pid]=$name
done < $HWP/fates

# became NAME "EVENT OUTCOME" RULE
became() {
	local pid
	pid=$(held "$1")
	check_equal "$1: $2" "$2 $3" "${fate[$pid]} ${rule[$pid]}"
}

became stubborn "terminated killed" ask
became polite "survived survived" ask
became mortal "terminated terminated" ask
became reader "reported reported" ask
became elsewhere "reported reported" ask
became told "signalled signalled" tell
became told_too "signalled signalled" tell
became struck "terminated killed" strike
became struck_too "terminated killed" strike
became avoided "reported reported" strike
became calm "reported reported" strike
became sshd "reported reported" strike
check_equal "the client: reported" "reported reported" "${fate[$client]}"
check_equal "one event each, and of nobody else" 13 "$(wc -l < $HWP/fates)"

for name in stubborn mortal struck struck_too; do
	check "$name is gone" ! holds $name
done
for name in polite reader elsewhere told told_too avoided calm sshd; do
	check "$name lives" holds $name
done
check "so does the client" kill -0 $client
check "and pid 1, of course" test -d /proc/1

check "the stubborn one was asked first" grep -q '^signal TERM' $HWP/hold.stubborn
check "the polite one let go" grep -q '^released' $HWP/hold.polite
check "the struck one was not asked" ! grep -q '^signal' $HWP/hold.struck
for name in reader elsewhere avoided calm sshd; do
	check "$name got no signal" ! grep -q '^signal' $HWP/hold.$name
done

# The signal carries the number of the incident and says who sent it.
number=$(events ".type == \"io.hwpoisond.poison.found\" and .data.phys_start == \"$(phys_of $MNT/tell)\"" |
	jq .incident)
for name in told told_too; do
	check "$name is told which incident" hold_says $name \
		"^signal RTMIN code=SI_QUEUE pid=[0-9]+ value=$number\$"
done

# The grace period was given in full, and not twice.
check "between SIGTERM and SIGKILL lie three seconds" jq -se '
	def seconds: .time | (sub("\\.[0-9]+Z$"; "Z") | fromdate) + (capture("(?<f>\\.[0-9]+)Z$").f | tonumber);
	([.[] | select(.data.holder.outcome == "terminated")][0] | seconds) as $asked |
	([.[] | select(.data.holder.pid == '"$(held stubborn)"')][0] | seconds) - $asked | . > 1.5 and . < 6' \
	$HWP/events.jsonl

# Who was not harmed is on record with the reason.
ctl list --json > $HWP/list.json
reason_of() {
	jq -r ".incidents[].holders[] | select(.pid == $1) | .reason" $HWP/list.json
}
check "of the client" grep -q 'client of the control socket' <<< "$(reason_of $client)"
check "of sshd" grep -q 'sshd' <<< "$(reason_of "$(held sshd)")"
check "of the cgroup" grep -q 'cgroup has the attribute' <<< "$(reason_of "$(held calm)")"
check "of the file" grep -q 'file has the attribute' <<< "$(reason_of "$(held avoided)")"
check "of the one who let go" grep -q 'let go in time' <<< "$(reason_of "$(held polite)")"

# No rule asked for a repair.
check_equal "the media are as they were" 4 "$(media_list | wc -l)"
check_equal "nothing was cleared" 0 "$(knob n_clear_error)"
check "all incidents are left" jq -e '[.incidents[].state] == ["left", "left", "left", "left"]' $HWP/list.json

# A daemon that starts anew has nobody to answer a second time.
stop_daemon
mark_events
start_daemon
check "the next start acts upon nobody" no_event '.data.holder' 2
for name in polite reader told avoided calm sshd; do
	check "$name still lives" holds $name
done
stop_daemon
kill $client 2>/dev/null
done_checks
