# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who holds lost bytes is found by a walk in the kernel, and by reading /proc when that gets stuck:
# on this kernel too, both give one answer, and a process that nobody can look into stops neither
# the search nor the daemon.
#
# guest: --timeout 900

. "$SRCDIR/tests/vm/lib.sh"

HOLDERS_OF=$BUILDDIR/tests/loop/holders-of

# both FILE...: what both ways say, or what the difference is
both() {
	"$HOLDERS_OF" --both "$@"
}

# pids JSON: of all holders
pids() {
	jq -r '.holders[].pid' <<< "$1" | sort -n | xargs
}

# n_walks: how often the daemon's programs have run, for each mapping and each open file
n_walks() {
	bpftool -j prog show | jq '[.[] | select(.name == "find_mapped" or .name == "find_open").run_cnt // 0] | add'
}

modprobe -qa loop overlay btrfs fuse
bed_up

# --- the same as on this machine, on the guest's kernel

QUICK=yes bash "$SRCDIR/tests/loop/04-holders.sh" > $HWP/loop.out 2>&1
check_equal "both ways agree in every case of tests/loop/04-holders.sh" "0 0" \
	"$? $(grep -c '^not ok' $HWP/loop.out)" || grep -A 20 '^not ok' $HWP/loop.out
check "overlayfs and btrfs among them" ! grep '^# left out' $HWP/loop.out

# --- persistent memory, shared blocks, thousands of pages

make_file $MNT/data 64K
clone_range $MNT/data 0 65536 $MNT/clone 0
hold mapper sleep --offset 8192 $MNT/data
hold other sleep --offset 8192 $MNT/clone
hold opener open $MNT/data
check_equal "a file with DAX: who maps the page or has it open" \
	"$(printf '%s\n' "$(held mapper)" "$(held opener)" | sort -n | xargs)" \
	"$(pids "$(both "$MNT/data@8192+512")")"
check_equal "its clone is another file" "$(held other)" "$(pids "$(both "$MNT/clone@8192+512")")"
let_go other

mkdir $MNT/many
for n in {1..200}; do
	: > $MNT/many/$n
done
hold one sleep --no-touch --offset 36864 $MNT/many/77
hold two sleep --no-touch --offset 4096 $MNT/many/177
for n in {1..200}; do
	for page in {1..20}; do
		echo "$MNT/many/$n@$((page * 4096))+64"
	done
done > $HWP/pages
mapfile -t pages < $HWP/pages
both --together "${pages[@]}" > $HWP/many.out
check_equal "four thousand pages of two hundred files, in one walk" "0 4000" "$? $(wc -l < $HWP/many.out)"
check_equal "with the holder of each" "$(held one) $(held two)" \
	"$(pids "$(sed -n '1529p; 3521p' $HWP/many.out)")"
check_equal "and no other mapping" 2 "$(grep -c virt_start $HWP/many.out)"

# --- huge pages

echo 8 > /proc/sys/vm/nr_hugepages
mkdir -p /mnt/huge
mount -t hugetlbfs none /mnt/huge && truncate -s 8M /mnt/huge/file || die "there is a huge page"
hold huge sleep --no-touch --offset $((4 << 20)) --length $((2 << 20)) /mnt/huge/file
check_equal "hugetlbfs" "$(held huge)" "$(pids "$(both "/mnt/huge/file@$((5 << 20))+4096")")"
free=$(awk '/HugePages_Rsvd/ { print $2 }' /proc/meminfo)
both "/mnt/huge/file" > /dev/null
check_equal "and asking sets no page aside" "$free" "$(awk '/HugePages_Rsvd/ { print $2 }' /proc/meminfo)"
let_go huge

# --- a process that nobody can look into

mkdir -p /mnt/stuck
"$BUILDDIR/tests/vm/stuckfs" /mnt/stuck $MNT/data $HWP/stuck.pid &
server=$!
wait_until 20 test -s $HWP/stuck.pid || die "a process is stuck in mmap(2)"
stuck=$(< $HWP/stuck.pid)
check "its mappings can't be read" ! timeout -s KILL 2 cat "/proc/$stuck/maps"
SECONDS=0
answer=$("$HOLDERS_OF" --bpf "$MNT/data@0+4096" 2> $HWP/stuck.err)
took=$SECONDS
check "the walk is given up for reading /proc" grep -q 'reading /proc instead' $HWP/stuck.err
check "which goes on without it" grep -q "Process $stuck is stuck" $HWP/stuck.err
check "soon" test $took -lt 30
check_json "$answer" "and tells at least what it has open" \
	".holders[] | select(.pid == $stuck) | .how == [\"open\"]" \
	"besides the others" ".holders | any(.pid == $(held opener))"

start_daemon '[Rule all]' 'Holders=report'
echo 1 > /proc/sys/kernel/bpf_stats_enabled
poison "$(phys_of $MNT/data 8192)" 512 notify
wait_event '.type == "io.hwpoisond.poison.found"' 20 > /dev/null
SECONDS=0
ctl status --json > $HWP/status.json
check_equal "the daemon answers meanwhile" 4 $?
check "at once" test $SECONDS -lt 3
check "before it knows the holders" no_event '.type == "io.hwpoisond.poison.resolved"'
found=$(wait_event '.type == "io.hwpoisond.poison.resolved"' 60)
check_json "$found" "and finds them all the same" \
	".data.holders | map(select(.pid == $(held mapper) and .how == [\"mapped\", \"open\"])) | length == 1" \
	"the stuck one by what it has open" \
	".data.holders | any(.pid == $stuck and (.how | contains([\"open\"])))"
check "with a word in the log" grep -q 'reading /proc instead' $HWP/daemon.log
kill $server
wait $server
check "the stuck one is released" wait_until 5 test ! -e "/proc/$stuck/maps"

# --- by the walk

check_json "$(< $HWP/status.json)" "the daemon can find holders by BPF" \
	'.sources | any(.name == "holders by BPF" and .state == "ok")'
mark_events
: > $HWP/daemon.log
before=$(n_walks)
poison "$(phys_of $MNT/data 16384)" 512 notify
hold late sleep --offset 16384 --no-touch $MNT/data
found=$(wait_event '.type == "io.hwpoisond.poison.resolved"' 30)
check_json "$found" "the next page's holder" ".data.holders | any(.pid == $(held opener) and .how == [\"open\"])"
check "is found by the walk: mappings and open files went by it" test $(($(n_walks) - before)) -gt 50
check "and nothing else had to be tried" ! grep -q '/proc instead' $HWP/daemon.log
check "the daemon's memory is given back" \
	test "$(awk '/^RssAnon:/ { print $2 }' /proc/$DAEMON_PID/status)" -lt 4096
stop_daemon

# --- without it

printf '#!/bin/sh\nexec setpriv --bounding-set -sys_admin,-bpf,-perfmon "%s" "$@"\n' "$HWPOISOND" > $HWP/less
chmod +x $HWP/less
mark_events
HWPOISOND=$HWP/less start_daemon
check_events "a daemon that may not load it says so" \
	'any(.type == "io.hwpoisond.source.degraded" and .data.what == "holders by BPF")'
stop_daemon

# --- a dax device

let_go mapper
let_go opener
let_go one
let_go two
let_go late
umount $MNT
modprobe -qa device_dax dax_pmem
ndctl create-namespace -f -e namespace0.0 -m devdax -M mem >$HWP/ndctl.out 2>&1 || die "there is a dax device"
udevadm settle
hold dax sleep --no-touch --write --offset $((4 << 20)) --length $((2 << 20)) /dev/dax0.0
mknod $HWP/dax c $((0x$(stat -c %t /dev/dax0.0))) $((0x$(stat -c %T /dev/dax0.0)))
hold dax_too sleep --no-touch --write --length $((2 << 20)) $HWP/dax
hold dax_open open /dev/dax0.0
answer=$(both "/dev/dax0.0@$((5 << 20))+4096")
check_equal "a dax device: both ways say the same" 0 $?
check_json "$answer" "who maps these bytes" \
	".holders | map(select(.how | index(\"mapped\")).pid) == [$(held dax)]" \
	"who has it open, by any of its nodes" \
	".holders | map(.pid) | sort == ([$(held dax), $(held dax_too), $(held dax_open)] | sort)"

done_checks
