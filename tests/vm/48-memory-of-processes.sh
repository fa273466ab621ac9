# SPDX-License-Identifier: GPL-2.0-or-later
#
# Plain memory that no file on a disk has: of processes, in pages of every size;
# of the kernel; of nobody. And files that are found by an odd way only.
#
# guest: --no-bus --mem 2G

. "$SRCDIR/tests/vm/lib.sh"

# frame_with FLAGS: the address of a page with exactly these flags (see
# linux/kernel-page-flags.h), among those from 256 MiB to 2 GiB.
frame_with() {
	dd if=/proc/kpageflags bs=512K skip=1 count=7 status=none |
		od -A d -v -t x8 -w8 | awk -v wanted="$(printf '%016x' "$1")" '
			$2 == wanted { printf "0x%x\n", (65536 + $1 / 8) * 4096; exit }'
}

modprobe -qa loop ext4 overlay hwpoison-inject || die "modules load"
truncate -s 64M /tmp/disk
mkfs.ext4 -q -F /tmp/disk
mkdir -p /mnt/e /mnt/huge /mnt/o
mount -o loop /tmp/disk /mnt/e || die "/mnt/e is mounted"
mkdir /mnt/e/lower /mnt/e/upper /mnt/e/work
make_file /mnt/e/lower/low 64K
make_file /mnt/e/gone 64K
mount -t overlay -o lowerdir=/mnt/e/lower,upperdir=/mnt/e/upper,workdir=/mnt/e/work none /mnt/o ||
	die "an overlay is mounted"
make_file /mnt/o/up 64K
echo 8 > /proc/sys/vm/nr_hugepages
mount -t hugetlbfs none /mnt/huge || die "hugetlbfs is mounted"
truncate -s 4M /mnt/huge/file
start_daemon '[Rule all]' 'Holders=terminate' 'GraceSec=3'

# --- anonymous

hold anon sleep --phys --map anonymous -
hold idle sleep --phys --map anonymous -
lose "$(phys anon)"
addr=$(sed -n 's/^ready //p' "$HWP/hold.anon")
check_json "$(resolved "$(phys anon)")" \
	"anonymous memory is its process's" \
	'.data | .owners_complete and (.owners | length == 1 and (.[0] | .kind == "ram-anon" and
		(.rereadable | not) and .paths == []))' \
	"which has lost it at this address" \
	".data.holders | length == 1 and (.[0] | .pid == $(held anon) and .how == [\"mapped\"] and
		.mappings == [{\"virt_start\": \"$addr\", \"length_bytes\": 4096, \"writable\": false}])" \
	"the kernel has signalled nobody" '.data.kernel.signalled == []'
check "the rule ends whom the kernel left alone" wait_event \
	".type == \"io.hwpoisond.holder.terminated\" and .data.holder.pid == $(held anon)" 20
check "and nobody else" holds idle
let_go anon
let_go idle

# --- killed by the kernel

mark_events
hold mortal sleep --phys --map anonymous --early-kill --die -
lose "$(phys mortal)"
check_json "$(resolved "$(phys mortal)")" \
	"whom the kernel has killed is told" \
	".data.kernel.signalled | length == 1 and (.[0] | .pid == $(held mortal) and .code == \"BUS_MCEERR_AO\")" \
	"and holds nothing any more" '.data | .owners[0].kind == "ram-anon" and .holders == []'
check "nobody is acted upon for it" no_event '.type | startswith("io.hwpoisond.holder")' 1
let_go mortal

# --- a page of a transparent huge page

mark_events
hold thp sleep --phys --map thp --map-length 4194304 --offset 409600 -
lose "$(phys thp)"
addr=$(sed -n 's/^ready //p' "$HWP/hold.thp")
check_json "$(resolved "$(phys thp)")" \
	"of a huge page one small page is lost" \
	'.data.owners | length == 1 and (.[0] | .kind == "ram-anon" and .length_bytes == 4096)' \
	"at its own address" \
	".data.holders | length == 1 and .[0].pid == $(held thp) and .[0].mappings[0].virt_start == \"$addr\""
let_go thp

# --- hugetlbfs

mark_events
hold huge sleep --phys --write --early-kill --map-length 4194304 --offset 2117632 /mnt/huge/file
lose "$(phys huge)"
check_json "$(resolved "$(phys huge)")" \
	"a page of hugetlbfs has its place in small pages" \
	'.data.owners | length == 1 and (.[0] | .kind == "ram-file" and .filesystem == "hugetlbfs" and
		.paths == ["/mnt/huge/file"] and .file_offset_bytes == 2117632)' \
	"and is lost as a whole" '.data.owners[0] | .page_bytes == 2097152 and (.rereadable | not)' \
	"with its holder" ".data.holders | length == 1 and .[0].pid == $(held huge)"
let_go huge

# --- overlayfs

mark_events
hold low sleep --phys --offset 4096 /mnt/o/low
lose "$(phys low)"
check_json "$(resolved "$(phys low)")" \
	"a page under an overlay is of the file below" \
	".data.owners | length == 1 and (.[0] | .kind == \"ram-file\" and .rereadable and
		.inode == $(stat -c %i /mnt/e/lower/low) and (.paths | index(\"/mnt/e/lower/low\") != null))" \
	"and of the overlay's" '.data.owners[0].paths | index("/mnt/o/low") != null' \
	"who maps it through the overlay holds it" \
	".data.holders | length == 1 and .[0].pid == $(held low)"
hold up sleep --phys --write --offset 4096 /mnt/o/up
lose "$(phys up)"
check_json "$(resolved "$(phys up)")" \
	"so is one of the upper layer" \
	'.data.owners | length == 1 and (.[0] | .kind == "ram-file" and (.rereadable | not) and
		(.paths | sort) == ["/mnt/e/upper/up", "/mnt/o/up"])'
let_go low
let_go up

# --- no name

mark_events
hold gone sleep --phys --write --offset 0 /mnt/e/gone
rm /mnt/e/gone
lose "$(phys gone)"
check_json "$(resolved "$(phys gone)")" \
	"an unlinked file has no name, and its holder" \
	".data | .owners_complete and (.owners[0] | .unlinked and .paths == []) and
		(.holders | length == 1 and .[0].pid == $(held gone))"
let_go gone

# --- the kernel's, and nobody's

mark_events
free=$(frame_with 0x400)
check "there is a free page" test -n "$free"
lose "$free"
check_json "$(resolved "$free")" "a free page is nobody's" \
	'.data | .owners_complete and .owners[0].kind == "free" and .holders == []'
kernel=$(frame_with 0x80)
check "there is a page of the kernel" test -n "$kernel"
lose "$kernel"
check_json "$(resolved "$kernel")" "the kernel's own page is told as such" \
	'.data | .owners[0].kind == "ram-kernel" and .holders == []'
stop_daemon
done_checks
