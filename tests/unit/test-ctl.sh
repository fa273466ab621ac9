#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# hwpoisonctl by itself: what it refuses, how it ends, and what it makes of a server that is none.
set -u

ctl=${HWPOISONCTL:-./hwpoisonctl}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n_failed=0
unset ASAN_OPTIONS

# ends CODE ARGUMENTS...: ends with that code, and says something exactly where it should.
ends() {
	wanted=$1
	shift
	"$ctl" --socket "$dir/socket" "$@" >"$dir/out" 2>"$dir/err"
	code=$?
	if [ "$code" = "$wanted" ]; then
		echo "ok - hwpoisonctl $* ends with $wanted"
		return
	fi
	echo "not ok - hwpoisonctl $* ends with $code instead of $wanted"
	sed 's/^/# /' "$dir/err"
	n_failed=$((n_failed + 1))
}

# claim TEXT COMMAND...: the command must succeed.
claim() {
	text=$1
	shift
	if "$@" >/dev/null 2>&1; then
		echo "ok - $text"
		return
	fi
	echo "not ok - $text"
	n_failed=$((n_failed + 1))
}

one_sentence() {
	[ "$(wc -l <"$dir/err")" = 1 ] && [ ! -s "$dir/out" ]
}

on_stderr_only() {
	[ -s "$dir/err" ] && [ ! -s "$dir/out" ]
}

ends 2
claim "usage goes to stderr" on_stderr_only
for arguments in "nonsense" "--nonsense status" "list --nonsense" "list --wait" "status more" "show" \
	"show x" "show 0" "show -1" "show 1 2" "show 99999999999999999999" "repair" "repair 1x" \
	"repair --all 1" "scrub" "scrub sideways" "watch more" "policy" "policy explain" \
	"policy check more" "holders" "holders a b" "holders --offset x f" "holders --length -1 f" \
	"resolve" "resolve --phys" "resolve --phys zz" "resolve --phys 0x" "resolve --phys 1 zz" \
	"resolve --phys 1 2 3" "resolve --device a" "resolve --sector 1" \
	"resolve --phys 1 --device a --sector 1" "resolve --device a --sector 1 512" \
	"resolve --phys 1 --count 1" "resolve --phys 0x1ffffffffffffffff" "--socket"; do
	# shellcheck disable=SC2086 # words
	ends 2 $arguments
	claim "... and tells so on stderr" on_stderr_only
done

for arguments in "status" "list" "list --all" "show 1" "watch" "repair 1" "repair 1 --dry-run" \
	"scrub start" "scrub start ndbus0 --wait" "scrub status" "--json status" "status --json"; do
	# shellcheck disable=SC2086
	ends 3 $arguments
	claim "... with one sentence" one_sentence
done
touch "$dir/socket"
ends 3 status
rm "$dir/socket"

ends 0 --help
claim "help names every command" sh -c "for c in status list show export watch 'scrub start' 'scrub status' \
	resolve holders repair 'policy check' 'policy explain' reload; do grep -q \"^  \$c\" '$dir/out' || exit 1; done"
ends 0 help
ends 0 --version
claim "the version is one line" sh -c "[ \$(wc -l <'$dir/out') = 1 ]"
ends 0 status --help

printf '[Rule a]\nHolders=report\n' >"$dir/good.conf"
ends 0 policy check --config "$dir/good.conf"
ends 0 policy check --json --config "$dir/good.conf"
claim "policy check --json names its rules" grep -q '"n_rules": *1' "$dir/out"
printf '[Rule a]\nHolders=dance\nColour=red\n' >"$dir/bad.conf"
ends 1 policy check --config "$dir/bad.conf"
claim "problems come with file and line" grep -q "^$dir/bad.conf:2: " "$dir/out"
ends 1 policy check --config "$dir/none.conf"
ends 1 holders "$dir/none"
ends 1 policy explain "$dir/none"

if [ "$(id -u)" = 0 ]; then
	ends 0 holders "$dir/good.conf" --json
	claim "holders --json is one document" grep -q '"holders"' "$dir/out"
	exec 9<"$dir/good.conf"
	ends 0 holders "$dir/good.conf"
	claim "who has the file open is shown" grep -qw "$$" "$dir/out"
	exec 9<&-
	ends 0 policy explain "$dir/good.conf" --config "$dir/good.conf"
	ends 0 resolve --phys 0 1 --json
	claim "resolve --json is one document" grep -q '"ranges"' "$dir/out"
	ends 1 resolve --phys 0 0
	ends 1 resolve --phys 0xffffffffffffffff 2
	ends 1 resolve --phys 0 0x40000001
	ends 1 resolve --device /dev/null --sector 0
	ends 1 resolve --device nosuchdisk --sector 0
	ends 1 resolve --device ../../etc/passwd --sector 0
else
	ends 1 resolve --phys 0 1
	claim "an ordinary user is told what is needed" grep -q "needs root" "$dir/err"
	ends 1 holders "$dir/good.conf"
fi

"$ctl" --help >/dev/full 2>"$dir/err"
claim "a full disk is a failure" [ $? = 1 ]
claim "... that is told" grep -q "No space left" "$dir/err"
(sleep 0.1; "$ctl" --help 2>"$dir/err"; echo $? >"$dir/code") | true
claim "a reader that leaves causes no message" [ ! -s "$dir/err" ]

# A server that answers the first message with whatever it is told to.
serve() {
	# shellcheck disable=SC2059 # the escapes are meant
	printf "$1" >"$dir/answer"
	socat "UNIX-LISTEN:$dir/socket" \
		SYSTEM:"head -c 8 >/dev/null; cat $dir/answer" 2>/dev/null &
	server=$!
	n=0
	while [ ! -S "$dir/socket" ] && [ $n -lt 100 ]; do
		sleep 0.05
		n=$((n + 1))
	done
}

after() {
	kill "$server" 2>/dev/null
	wait "$server" 2>/dev/null
	rm -f "$dir/socket"
}

if ! command -v socat >/dev/null; then
	echo "ok - servers that are none # SKIP socat is not installed"
else
	for answer in 'garbage\000' '[]\000' '{"parameters":[]}\000' '{"error":1}\000' '{"par' '' \
		'{"continues":7}\000' '{} {}\000' '{"parameters":{"text":"\377"}}\000' \
		'{"error":"io.hwpoisond.NoSuchIncident"}\000' \
		'{"error":"io.hwpoisond.RepairFailed","parameters":{"incident":"x","reason":7}}\000' \
		'{"error":"a\\u001b[2Jb"}\000' '{"parameters":{"incident":7}}\000' \
		'{"parameters":{"incident":{"state":"odd"}}}\000' '{"parameters":{}}\000'; do
		serve "$answer"
		ends 1 show 7
		claim "... with one sentence" one_sentence
		claim "... without control characters" sh -c "! grep -q '[[:cntrl:]]' '$dir/err'"
		after
	done

	serve '{"parameters":{"incidents":[]},"continues":true}\000{"parameters":{"incidents":[]}}\000'
	ends 0 list --json
	claim "batches become one document" sh -c \
		"tr -d ' \n' <'$dir/out' | grep -qx '{\"incidents\":\[\]}'"
	after
	serve '{"parameters":{"open_incidents":2}}\000'
	ends 4 status
	after
	serve '{"parameters":{"open_incidents":0}}\000'
	ends 0 status --json
	after
	serve '{"parameters":{},"continues":true}\000{"parameters":{"event":{"type":"x"}},"continues":true}\000'
	ends 1 watch --json
	claim "watch gives lines" grep -qx '{"type":"x"}' "$dir/out"
	after
	serve '{"parameters":{"incident":{"incident":7,"state":"left","phys_start":"0x1000","length_bytes":512,"owners":[{"kind":"file-data","inode":5,"paths":["/a\\u001b[2J\\nb"],"phys_start":"0x1000","length_bytes":512}],"owners_complete":true}}}\000'
	ends 0 show 7
	claim "a name can't move the cursor" grep -qF '/a\x1b[2J\x0ab' "$dir/out"
	after
fi

[ "$n_failed" = 0 ]
