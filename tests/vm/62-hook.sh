#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --timeout 900
#
# Claim: a rule's hook gets back bytes that are lost, before they become zeros, in
# every file that shares them, also of a page that a machine check has taken whole;
# and a hook that hangs, fails, or gives what was not asked for changes nothing but
# what is told. Nobody is paused while it runs.

. "$SRCDIR/tests/vm/lib.sh"

bed_up
mkdir -p /run/replica /etc/hwpoisond /run/hooks
for name in data cold; do
	make_file $MNT/$name 1M
done
head -c 70000 /dev/urandom > $MNT/tail		# whose last sector is short
sync $MNT/tail
for name in data cold tail; do
	keep $MNT/$name $name
	cp -p $MNT/$name /run/replica/
done
cp --reflink=always $MNT/data $MNT/clone
sync -f $MNT
echo "$MNT /run/replica" > /etc/hwpoisond/replicas
install -m 0755 "$SRCDIR/conf/hooks/restore-from-replica" /run/hooks/replica

# hook NAME: a script from standard input.
hook() {
	{ echo '#!/bin/bash'; cat; } > /run/hooks/"$1"
	chmod 0755 /run/hooks/"$1"
}

hook hang <<< 'sleep 1000 & setsid sleep 1001 & trap "" TERM; while :; do sleep 1; done'
hook fail <<< 'for f in $(jq -r ".restore.ranges[].name"); do head -c 512 /dev/urandom > $HWPOISOND_RESTORE_DIRECTORY/$f; done; exit 1'
hook much <<< 'for f in $(jq -r ".restore.ranges[].name"); do head -c 513 /dev/urandom > $HWPOISOND_RESTORE_DIRECTORY/$f; done'
hook link <<< 'for f in $(jq -r ".restore.ranges[].name"); do ln -s /run/secret $HWPOISOND_RESTORE_DIRECTORY/$f; done'
hook nothing <<< 'cat > /run/hooks/question; true'
head -c 512 /dev/urandom > /run/secret

# use HOOK [LINE...]: the only rule has this hook.
use() {
	local name=$1
	shift

	[[ $* == *HookTimeoutSec* ]] || set -- "$@" 'HookTimeoutSec=30'
	reload_daemon '[Rule all]' "Path=$MNT/**" 'Repair=zero' "Hook=/run/hooks/$name" "$@"
}

# lose OFFSET [FILE]: one sector, and wait for the end of its incident.
lose() {
	mark_events
	poison "$(phys_of "$MNT/${2:-data}" "$1")" 512 notify
	event=$(wait_event '.type == "io.hwpoisond.repair.done"' 60)
	wait_event '.type == "io.hwpoisond.poison.gone"' 30 >/dev/null
}

# repair FILTER: of the repair that was told last.
repair() {
	jq -r ".data.repair | $1" <<< "$event"
}

start_daemon '[Rule all]' "Path=$MNT/**" 'Repair=zero' 'Hook=/run/hooks/replica'

# --- from the replica

hold writer sleep --write --no-touch --offset 65536 $MNT/data
lose $((65536 + 1024))
check_equal "the lost bytes come from the replica" "0 512 3584 restored /run/hooks/replica" \
	"$(repair '"\(.zeroed_bytes) \(.restored_bytes) \(.salvaged_bytes) \(.hook_outcome) \(.hook)"')"
check "nothing is called lost" jq -e '.data.repair.losses == []' <<< "$event"
let_go writer
lose 8192
check "the file is what it was" cmp -n 65536 $MNT/data $HWP/kept.data
check "so is its clone" intact $MNT/clone data
check "nothing is left of the exchange" eval '! ls -d $HWP/run/hook-* 2>/dev/null'
steps=$(sqlite3 $HWP/state/ledger.sqlite \
	"SELECT group_concat(step, ' ') FROM (SELECT step FROM intent WHERE incident = 1 ORDER BY id)")
check "the ledger has it before the first swap" grep -q 'hook remap pause .*swap' <<< "$steps"
check "and before anybody is paused" ! grep -q 'pause.*hook' <<< "$steps"

lose $((69632)) tail
check_equal "of a short end just what the file has" "0 368" "$(repair '"\(.zeroed_bytes) \(.restored_bytes)"')"
check "and it is whole" intact $MNT/tail tail

touch /run/replica/data
lose 12288
check_equal "a replica that may be older gives nothing" "512 nothing" "$(repair '"\(.zeroed_bytes) \(.hook_outcome)"')"
check "which are zeros as before" lost $MNT/clone data 12288 512

# --- hooks that do not do it

use nothing
lose 16384
check_equal "a hook may have nothing to give" "512 nothing" "$(repair '"\(.zeroed_bytes) \(.hook_outcome)"')"
check_json "$(cat /run/hooks/question)" \
	"it was asked for the range" '.restore.ranges | length == 1 and .[0].length_bytes == 512' \
	"in each file" "[.restore.ranges[0].files[].paths[]] | sort == [\"$MNT/clone\", \"$MNT/data\"]" \
	"at its place" '[.restore.ranges[0].files[].file_offset_bytes] == [16384, 16384]' \
	"with the incident around it" '.incident > 0 and (.owners | length == 2) and .state == "repairing"'
use fail
lose 20480
check_equal "what a hook gives that fails is not taken" "512 failed" "$(repair '"\(.zeroed_bytes) \(.hook_outcome)"')"
check "and that is said" grep -q '/run/hooks/fail failed' <<< "$(repair .hook_detail)"
use much
lose 24576
check_equal "one byte too much is nothing" "512 nothing" "$(repair '"\(.zeroed_bytes) \(.hook_outcome)"')"
check "and said" grep -q 'length' <<< "$(repair .hook_detail)"
use link
lose 28672
check_equal "a link to somebody's secret is nothing" "512 nothing" "$(repair '"\(.zeroed_bytes) \(.hook_outcome)"')"
use hang 'HookTimeoutSec=3'
lose 32768
check_equal "one that hangs is ended" "512 timeout" "$(repair '"\(.zeroed_bytes) \(.hook_outcome)"')"
check "with all that it started" ! pgrep -f 'sleep 100[01]'
chmod 0777 /run/hooks/nothing
use nothing
lose 36864
check_equal "one that others can write is not run" "512 not-run" "$(repair '"\(.zeroed_bytes) \(.hook_outcome)"')"
check "the clone has zeros there and nowhere else" lost $MNT/clone data 12288 512 16384 512 20480 512 \
	24576 512 28672 512 32768 512 36864 512
# A daemon that is run by hand has given up what it would need to become another user.
use replica 'HookUser=nobody'
lose 40960
check_equal "with a user it is not run, where no systemd can do that" "512 not-run" \
	"$(repair '"\(.zeroed_bytes) \(.hook_outcome)"')"

# --- what is lost is recorded with the file, if the rule says so

use nothing 'RecordDamage=yes'
lose 45056
check_equal "the loss is in an attribute of the file" "45056 512" \
	"$(getfattr --only-values -n user.hwpoisond.lost $MNT/data | cut -d ' ' -f 1,2)"
check_equal "and of its clone" "45056 512" \
	"$(getfattr --only-values -n user.hwpoisond.lost $MNT/clone | cut -d ' ' -f 1,2)"

# --- the daemon dies while its hook runs

cp -p $HWP/kept.cold /run/replica/cold
touch -r $MNT/cold /run/replica/cold
hook slow <<< 'sleep 2; exec /run/hooks/replica'
use slow
mark_events
poison "$(phys_of $MNT/cold 4096)" 512 notify
wait_event '.type == "io.hwpoisond.repair.planned"' 20 >/dev/null
sleep 1
kill_daemon
start_daemon
check "the next start asks again and finishes" wait_event '.type == "io.hwpoisond.poison.gone" and .data.state == "repaired"' 60
check "with the bytes that were" intact $MNT/cold cold

# --- a repair that waits is tried again, and asks when nothing is known to be in its way

for name in fixed held late; do
	make_file $MNT/$name 64K
	keep $MNT/$name $name
	cp -p $MNT/$name /run/replica/
done
hook counted <<< 'cat > /run/hooks/question; for f in $(jq -r ".restore.ranges[].files[].paths[]" /run/hooks/question); do echo "$f"; done >> /run/hooks/asked; exec /run/hooks/replica < /run/hooks/question'
use counted 'PauseHolders=no'

# asked FILE: how often.
asked() {
	grep -c "^$MNT/$1$" /run/hooks/asked
}

touch /run/hooks/asked
mark_events
hold mapper sleep --map shared --write --no-touch --release-on-term --offset 8192 $MNT/held
chattr +i $MNT/fixed
phys_fixed=$(phys_of $MNT/fixed 4096) phys_held=$(phys_of $MNT/held 8192)
poison "$phys_fixed" 512 notify
poison "$phys_held" 512 notify
for each in "$phys_fixed immutable" "$phys_held held"; do
	check_json "$(wait_event '.type == "io.hwpoisond.repair.waiting" and .data.phys_start == "'"${each% *}"'"' 60)" \
		"one waits: ${each#* }" ".data.repair.reason == \"${each#* }\""
done
sleep 20				# past the first try of each
check_equal "no hook was run for what waits" "0 0" "$(asked fixed) $(asked held)"
chattr -i $MNT/fixed
kill -TERM "$(held mapper)"
for each in "$phys_fixed fixed" "$phys_held held"; do
	check "${each#* } goes on" \
		wait_event '.type == "io.hwpoisond.poison.gone" and .data.phys_start == "'"${each% *}"'"' 120
	check_equal "its hook was run once" 1 "$(asked "${each#* }")"
	check "with what it gave the file is what it was" intact $MNT/"${each#* }" "${each#* }"
done
let_go mapper

# --- a page that a machine check has taken whole

use replica
hold mapper sleep --offset 65536 $MNT/cold
mark_events
phys=$(phys_of $MNT/cold 65536)
mce_srao $((phys + 1024)) 6
event=$(wait_event '.type == "io.hwpoisond.repair.done"' 60)
check_equal "all of the page comes from the replica" "0 4096 0" \
	"$(repair '"\(.zeroed_bytes) \(.restored_bytes) \(.salvaged_bytes)"')"
check "and the file is what it was" intact $MNT/cold cold
let_go mapper

# --- while it runs, somebody comes to map one of two files that have the block: two mapped files on
# one block are what 6.1 can't keep apart

hook slow <<< 'touch /run/slow; until [ -e /run/mapped ]; do sleep 0.1; done'
use slow
make_file $MNT/pair 64K
keep $MNT/pair pair
cp --reflink=always $MNT/pair $MNT/twin
sync -f $MNT
mark_events
poison "$(phys_of $MNT/pair 16384)" 512 notify
check "the hook runs" wait_until 60 test -e /run/slow
hold mapper sleep --write --no-touch --offset 16384 $MNT/twin
touch /run/mapped
event=$(wait_event '.type == "io.hwpoisond.repair.done"' 60)
check "each has a block of its own" test "$(phys_of $MNT/pair 16384)" != "$(phys_of $MNT/twin 16384)"
check "with the same in it" lost $MNT/pair pair 16384 512
check "in both" lost $MNT/twin pair 16384 512
check "who maps it lives" holds mapper
let_go mapper

# --- a repair that waits for what nothing tells before: all that is free is bad. What the hook gave
# then is not forgotten

use counted 'PauseHolders=no'
fill_up
check "the filesystem is full" ! fallocate -l 4K $MNT/more
mark_events
phys=$(phys_of $MNT/late 4096)
poison "$phys" 512 notify
event=$(wait_event '.type == "io.hwpoisond.repair.waiting"' 60)
n=$(jq .incident <<< "$event")
check_json "$event" "a full one lets it wait" '.data.repair.reason == "no-space"'
check_equal "and no hook is run for that" 0 "$(asked late)"
rm $MNT/fill.64K.0
sync -f $MNT
start=$(pmem_start)
xfs_io -r -c fsmap $MNT | sed -nE 's/.*\[([0-9]+)\.\.([0-9]+)\]: free space.*/\1 \2/p' > $HWP/free
while read -r first last; do
	poison $((start + first * 512)) $(((last + 1 - first) * 512)) notify
done < $HWP/free
check "where all that is free is bad, it waits as well" ! ctl repair "$n"
check_json "$(ctl show "$n" --json)" "for the same reason" '.repair.reason == "no-space"'
n_asked=$(asked late)
check "though the hook was run" [ "$n_asked" -gt 0 ]
rm -f $MNT/fill.*
check "with room it goes on" wait_event '.type == "io.hwpoisond.poison.gone" and .data.phys_start == "'"$phys"'"' 120
check "with what the hook gave" intact $MNT/late late
check "for which it was run again" [ "$(asked late)" -gt "$n_asked" ]
stop_daemon
done_checks
