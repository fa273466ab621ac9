# SPDX-License-Identifier: GPL-2.0-or-later
#
# Pages of plain memory: whose they were, whether anything is lost with them, and
# who holds it. No list tells of them; what is read is the page itself, at the
# moment when the kernel takes it.
#
# guest: --no-bus --mem 2G

. "$SRCDIR/tests/vm/lib.sh"

FS=/mnt/e
modprobe -qa loop ext4 hwpoison-inject || die "modules load"
truncate -s 64M /tmp/disk
mkfs.ext4 -q -F /tmp/disk
mkdir -p $FS /mnt/t
mount -o loop /tmp/disk $FS || die "$FS is mounted"
mount -t tmpfs -o size=16M none /mnt/t || die "a tmpfs is mounted"
for name in clean dirty told late; do
	make_file $FS/$name 64K
done
mkdir $FS/dir
ln $FS/clean $FS/dir/other
make_file /mnt/t/shm 64K

start_daemon '[Rule all]' 'Holders=terminate' 'GraceSec=3'
check "this kernel lets us look at pages" no_event \
	'.type == "io.hwpoisond.source.degraded" and (.data.what | startswith("kernel events"))'

# --- a clean page of a file

hold clean sleep --phys --offset 8192 $FS/clean
lose "$(phys clean)"
check_json "$(resolved "$(phys clean)")" \
	"a cached page has its file" \
	".data.owners | length == 1 and (.[0] | .kind == \"ram-file\" and .filesystem == \"ext4\" and
		.mountpoint == \"$FS\" and .inode == $(stat -c %i $FS/clean) and
		.file_offset_bytes == 8192 and .length_bytes == 4096)" \
	"with all its names" \
	".data | .owners_complete and (.owners[0].paths | sort) == [\"$FS/clean\", \"$FS/dir/other\"]" \
	"which can be read again" '.data.owners[0] | .rereadable and (.dirty | not)' \
	"it is plain memory" '.data.device.mode == "ram"' \
	"the kernel has dropped it" \
	'.data.kernel | .page_type == "clean-lru" and .result == "recovered" and .signalled == []'
check "nobody is ended for what can be read again" wait_event \
	".type == \"io.hwpoisond.holder.reported\" and .data.holder.pid == $(held clean) and
		.data.holder.outcome == \"reported\" and (.data.holder.reason | test(\"nothing is lost\"))" 20
check "its holder lives" holds clean
check "the incident is left, as the page stays bad" wait_state 1 left
check "an order to repair it is refused" ! ctl repair 1
let_go clean

# --- a dirty one

mark_events
hold dirty sleep --phys --write --offset 4096 $FS/dirty
lose "$(phys dirty)"
check_json "$(resolved "$(phys dirty)")" \
	"a changed page of a file is lost" \
	".data.owners | length == 1 and (.[0] | .kind == \"ram-file\" and .dirty and (.rereadable | not) and
		.paths == [\"$FS/dirty\"] and .file_offset_bytes == 4096)" \
	"and held by who maps it" ".data.holders | length == 1 and .[0].pid == $(held dirty)" \
	"the kernel calls it dirty" '.data.kernel.page_type == "dirty-lru"'
check "whom the rule ends" wait_event \
	".type == \"io.hwpoisond.holder.terminated\" and .data.holder.pid == $(held dirty)" 20
check_events "the file is in what the kernel is told to have done, too" \
	"[.[] | select(.type == \"io.hwpoisond.kernel.memory_failure\").data] | length == 1 and
		(.[0].files | length == 1 and .[0].inode == $(stat -c %i $FS/dirty))"
let_go dirty

# --- tmpfs

mark_events
hold shm sleep --phys --offset 12288 /mnt/t/shm
lose "$(phys shm)"
check_json "$(resolved "$(phys shm)")" \
	"a page of tmpfs is lost" \
	'.data.owners | length == 1 and (.[0] | .kind == "ram-file" and .filesystem == "tmpfs" and
		.paths == ["/mnt/t/shm"] and .file_offset_bytes == 12288 and (.rereadable | not))' \
	"and held" ".data.holders | length == 1 and .[0].pid == $(held shm)"
let_go shm

# --- by the process itself

mark_events
hold told sleep --phys --write --early-kill --poison --offset 0 $FS/told
check_json "$(resolved "$(phys told)")" \
	"MADV_HWPOISON is the same" \
	".data.owners | length == 1 and .[0].kind == \"ram-file\" and .[0].paths == [\"$FS/told\"]" \
	"whom the kernel signalled is a part of it" \
	".data.kernel.signalled | length == 1 and .[0].pid == $(held told) and .[0].comm == \"holdfile\""
let_go told

# --- given back

mark_events
echo "$(printf '0x%x' $(($(phys clean) / 4096)))" > /sys/kernel/debug/hwpoison/unpoison-pfn
check "a page that is given back ends its incident" wait_event \
	'.type == "io.hwpoisond.poison.gone" and .incident == 1 and .data.state == "gone"' 10

# --- after a restart

stop_daemon
hold unheard sleep --phys --map anonymous -
lose "$(phys unheard)"
mark_events
sysctl -qw kernel.kptr_restrict=2		# where the map of pages is can't be read then
start_daemon
check_json "$(ctl list --json)" "a restart keeps the others" \
	'[.incidents[] | select(.state == "left")] | length >= 3'
check_json "$(resolved "$(phys unheard)")" \
	"what was lost while no daemon ran is found, with who has lost it" \
	".data | .owners[0].kind == \"unknown\" and (.owners_complete | not) and
		(.holders | length == 1 and .[0].pid == $(held unheard))"
check_events "and of what was known before, nothing is told anew" \
	'[.[] | select(.type == "io.hwpoisond.poison.found")] | length == 1'
let_go unheard
hold late sleep --phys --write --offset 4096 $FS/late
lose "$(phys late)"
check_json "$(resolved "$(phys late)")" \
	"a page is seen by the kernel's filter, too" \
	".data.owners | length == 1 and (.[0] | .kind == \"ram-file\" and .dirty and
		.paths == [\"$FS/late\"] and .file_offset_bytes == 4096)"
let_go late
stop_daemon
done_checks
