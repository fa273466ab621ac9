#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --no-bus
#
# Bad configuration and bad clients: one clear error each, nothing gets wider or
# looser by it, nobody else notices, and memory stays bounded.

. "$SRCDIR/tests/vm/lib.sh"

# --- a broken configuration

cat > $HWP/broken.conf <<'CONF'
DryRun=no
[Daemon]
DryRun=perhaps
Verbose=yes
[Feed]
File=relative/path
[Rule narrow]
Path=not/absolute
Holders=kill
Repair=zero
[Rule who]
User=no-such-user-here
Holders=kill
[Rule typo]
Pth=/srv/**
Holders=kill
[Rule mild]
Path=/run/explain/mild/**
Holders=murder
GraceSec=1 fortnight
Repair=zero
[Rule ]
Holders=kill
[Rule mild]
Holders=kill
[Rule torn
Holders=kill
[Strange]
Holders=kill
[Rule last]
Path=/mnt/last/**
Holders=terminate
no equals sign here
CONF
printf 'Unit=\xff\xfe\n[Rule after]\nPath=/mnt/after/**\nHolders=signal\nSignal=SIGKILL\n' >> $HWP/broken.conf

"$HWPOISOND" --config $HWP/broken.conf --check-config >$HWP/check.log 2>&1
check_equal "--check-config fails" 1 $?
for line in 1 3 4 6 8 12 15 17 19 20 22 24 26 28 33 35 38; do
	check_equal "it names line $line once" 1 "$(grep -c "broken.conf:$line: " $HWP/check.log)"
done
check_equal "and nothing else" 17 "$(wc -l < $HWP/check.log)"
check "in plain text" ! grep -qP '[^\x20-\x7e\t]' $HWP/check.log
check "hwpoisonctl says the same" ! "$HWPOISONCTL" policy check --config $HWP/broken.conf
check "a file that is not there is an error" ! "$HWPOISOND" --config $HWP/none --check-config
check "so is a directory" ! "$HWPOISOND" --config $HWP --check-config
head -c 1000000 /dev/urandom > $HWP/noise.conf
check "and noise" ! timeout 20 "$HWPOISOND" --config $HWP/noise.conf --check-config
check_equal "an option that it has not: usage" 2 "$("$HWPOISOND" --frobnicate >/dev/null 2>&1; echo $?)"

# --- the daemon with it

groupadd -r hwpoisond
gid=$(getent group hwpoisond | cut -d : -f 3)
start_daemon "$(< $HWP/broken.conf)"
check "it starts" daemon_runs
check "and warns with file and line" grep -q 'hwpoisond.conf:9: Path=' $HWP/daemon.log

# explains FILE VERB WISH: what would be done to the process that holds it, and to it.
mkdir -p /run/explain/mild /run/explain/narrow /run/explain/other
for name in mild narrow other; do
	head -c 4096 /dev/zero > /run/explain/$name/file
	hold $name sleep --no-touch /run/explain/$name/file
done
explains() {
	check_equal "$1: $2, $3" "$2 $3" "$(ctl policy explain "/run/explain/$1/file" --json |
		jq -r '"\([.holders[].action] | join(" ")) \(.repair.wish)"')"
}

# A rule whose keys to match with are wrong catches more than it should, and does nothing.
for name in mild narrow other; do
	explains $name report none
done
write_conf '[Rule narrow]' 'Path=/run/explain/narrow/**' 'Unit=[' 'Holders=kill' 'Repair=zero' \
	'[Rule mild]' 'Path=/run/explain/mild/**' 'Openers=kill' 'Repair=zero' \
	'[Rule other]' 'Path=/run/explain/other/**' 'Holders=terminate'
stop_daemon
start_daemon
explains narrow report none
explains mild report zero
explains other terminate none

# What is put in force as it runs has no mistake at all, or stays out.
sed -i -e 's/^Unit=\[/Unit=no.service/' -e 's/^Holders=terminate/Holders=murder/' $HWP/hwpoisond.conf
kill -HUP "$DAEMON_PID"
check "with a mistake it keeps what it had" wait_until 10 grep -q 'has mistakes, keeping the configuration in force' $HWP/daemon.log
explains other terminate none
sed -i 's/^Holders=murder/Holders=terminate/' $HWP/hwpoisond.conf
kill -HUP "$DAEMON_PID"
wait_until 10 grep -q 'read anew, 3 rules' $HWP/daemon.log || die "it reads its configuration anew"
explains mild report zero
explains narrow report none
explains other terminate none
rm $HWP/hwpoisond.conf
kill -HUP "$DAEMON_PID"
check "without its file it keeps what it had" wait_until 10 grep -q 'Cannot read.*keeping the configuration in force' $HWP/daemon.log
explains other terminate none

# --- clients

# says: what the daemon answers to the bytes of standard input, until it hangs up
# or has been silent for a while.
says() {
	timeout 30 socat -t "${1:-3}" - "UNIX-CONNECT:$HWP/run/io.hwpoisond" 2>/dev/null | tr '\0' '\n'
}

# call METHOD [PARAMETERS]
call() {
	printf '{"method":"%s","parameters":%s}\0' "$1" "${2:-{\}}"
}

rss() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$DAEMON_PID/status"
}

hwm() {
	awk '/^VmHWM:/ { print $2 }' "/proc/$DAEMON_PID/status"
}

ctl watch --json > $HWP/watch.jsonl &
watcher=$!
check "an ordinary call is answered" grep -q '"product":"hwpoisond"' <<< "$(call org.varlink.service.GetInfo | says)"
before=$(hwm) log_before=$(wc -l < $HWP/daemon.log)

n_logged() {
	echo $(($(wc -l < $HWP/daemon.log) - log_before))
}

check_equal "garbage: no answer" "" "$(head -c 300000 /dev/urandom | tr -d '\0' | says)"
check_equal "garbage with an end: no answer" "" "$(printf 'garbage\0' | says)"
check_equal "half a message: no answer" "" "$(printf '{"method":"io.hwpoisond.Sta' | says)"
check_equal "10 MB: no answer" "" "$(head -c 10M /dev/zero | tr '\0' a | says)"
check_equal "deep nesting: no answer" "" "$({ printf '{"method":"io.hwpoisond.Status","parameters":'; head -c 500000 /dev/zero | tr '\0' '['; printf '\0'; } | says)"
check_equal "invalid UTF-8: no answer" "" "$(printf '{"method":"io.hwpoisond.\xff\xfe"}\0' | says)"
check "each of them is logged, and once" test "$(n_logged)" -le 6 -a "$(n_logged)" -ge 4
tail -n "$(n_logged)" $HWP/daemon.log

# error_of: the error in one answer, and that there is one.
error_of() {
	jq -sr 'if length == 1 then .[0].error else "answers: \(length)" end'
}
check_equal "no such method" org.varlink.service.MethodNotFound "$(call io.hwpoisond.Destroy | says | error_of)"
check_equal "no such interface" org.varlink.service.InterfaceNotFound "$(call io.example.Status | says | error_of)"
check_equal "a parameter of the wrong type" org.varlink.service.InvalidParameter \
	"$(call io.hwpoisond.Show '{"incident":"one"}' | says | error_of)"
check_equal "one that is not known" org.varlink.service.InvalidParameter \
	"$(call io.hwpoisond.Show '{"incident":1,"really":true}' | says | error_of)"
check_equal "one that is missing" org.varlink.service.InvalidParameter "$(call io.hwpoisond.Repair | says | error_of)"
check_equal "a negative number" org.varlink.service.InvalidParameter \
	"$(call io.hwpoisond.Repair '{"incident":-1}' | says | error_of)"
check_equal "an incident that is not there" io.hwpoisond.NoSuchIncident \
	"$(call io.hwpoisond.Repair '{"incident":7}' | says | error_of)"
check_equal "many calls in one go: as many answers" 300 \
	"$(for ((i = 0; i < 300; i++)); do call org.varlink.service.GetInfo; done | says 15 | wc -l)"

# Connections that are never used up: root still gets through, others wait their turn.
for ((i = 0; i < 100; i++)); do
	setpriv --reuid=65534 --regid=65534 --groups="$gid" \
		socat -u "UNIX-CONNECT:$HWP/run/io.hwpoisond" OPEN:/dev/null 2>/dev/null &
	idlers+=($!)
done
sleep 3
check "a hundred idle clients do not shut root out" timeout 20 "$HWPOISONCTL" --socket $HWP/run/io.hwpoisond status
kill "${idlers[@]}" 2>/dev/null
wait "${idlers[@]}" 2>/dev/null

# --- who may do what

as_nobody() {
	timeout 20 setpriv --reuid=65534 --regid=65534 --clear-groups "$HWPOISONCTL" --socket $HWP/run/io.hwpoisond "$@"
}
as_member() {
	timeout 20 setpriv --reuid=65534 --regid=65534 --groups="$gid" "$HWPOISONCTL" --socket $HWP/run/io.hwpoisond "$@"
}
for command in status "repair 1" "scrub start"; do
	said=$(as_nobody $command 2>&1)
	check_equal "nobody: $command fails" 1 $?
	check "with one line about permission" test "$(grep -ci permi <<< "$said")" -eq 1
done
check "a member of the group may read" as_member status
check "and list" as_member list
for command in "repair 1" "repair 1 --dry-run" "scrub start"; do
	said=$(as_member $command 2>&1)
	check_equal "a member: $command fails" 1 $?
	check "with one line about root" test "$(grep -c . <<< "$said")" -eq 1
	echo "# $said"
done
check_equal "by the daemon's word" org.varlink.service.PermissionDenied "$(
	call io.hwpoisond.Repair '{"incident":1}' |
	setpriv --reuid=65534 --regid=65534 --groups="$gid" socat -t 3 - "UNIX-CONNECT:$HWP/run/io.hwpoisond" |
	tr '\0' '\n' | error_of)"

# --- after all that

check "the daemon is the one that it was" daemon_runs
check "and answers" ctl status
check "its other client is still there" kill -0 $watcher
echo "# VmHWM before $before kB, after $(hwm) kB; VmRSS $(rss) kB"
check "its memory stayed bounded" test $(($(hwm) - before)) -lt 16384
check "the files below /mnt are what they were" test -f /run/explain/other/file
check "it ends well" stop_daemon
kill $watcher 2>/dev/null
done_checks
