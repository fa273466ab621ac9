# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two ways to find holders, by BPF and by reading /proc, give one answer: for every way to hold a
# file, and on filesystems that show it as something else than stat does. QUICK=yes: for a slow
# machine, where each walk takes seconds; what is left out is more of the same.

. "$SRCDIR/tests/loop/lib.sh"
need jq

HOLDERS_OF=$BUILDDIR/tests/loop/holders-of
HOLD=$BUILDDIR/tests/loop/hold
mnt=$work/mnt
mkdir "$mnt"

reason=$("$HOLDERS_OF" --bpf "$work" 2>&1 >/dev/null) || skip "no walk by BPF: $reason"

# hold FILE LETTERS [FILE LETTERS]... [l]: in the background; returns when it holds them
hold() {
	rm -f "$work/ready"
	start "$HOLD" "$work/ready" "$@"
	for _ in {1..500}; do
		[ -e "$work/ready" ] && return
		kill -0 "${children[-1]}" 2>/dev/null || break
		sleep 0.02
	done
	echo "hold $* did not begin"
	exit 99
}
release() {
	kill -9 "${children[@]}"
	wait "${children[@]}" 2>/dev/null
	children=()
}
# pids --bpf|--proc|--both FILE...
pids() {
	pids_in "$("$HOLDERS_OF" "$@")"
}
pids_in() {
	local text=$1
	local -a found=()
	while [[ $text =~ \"pid\":([0-9]+)(.*) ]]; do
		found+=("${BASH_REMATCH[1]}")
		text=${BASH_REMATCH[2]}
	done
	echo "${found[*]}"
}
# check_both CLAIM PIDS FILE: both ways find these, and agree in each detail
check_both() {
	local answer r
	answer=$("$HOLDERS_OF" --both "${@:3}")
	r=$?
	check_equal "$1" "$2" "$(pids_in "$answer")"
	check_equal "... and both ways say the same" 0 $r
}
how() {
	"$HOLDERS_OF" --bpf "$1" | jq -r '.holders[0].how | join(",")'
}

# --- in every way

file=$work/data
truncate -s 64K "$file"
for letters in r w P wsc rxc wpc rwc; do
	hold "$file" "$letters"
	check_both "held by \"$letters\"" "${children[0]}" "$file"
	release
done
hold "$file" wsc
check_equal "a mapping without a descriptor is a mapping" mapped "$(how "$file")"
release
hold "$file" r
check_equal "a descriptor is no mapping" open "$(how "$file")"
release

hold "$file" s0s3x3p15x
check_both "five mappings of some pages" "${children[0]}" "$file"
check_both "of page 3 alone" "${children[0]}" "$file@12288+1"
check_equal "there are three" 3 \
	"$("$HOLDERS_OF" --bpf "$file@12288+1" | jq '.holders[0].mappings | length')"
check_equal "with the address of that byte" 1 \
	"$("$HOLDERS_OF" --bpf "$file@12288+1" | jq '.holders[0].mappings[0].length_bytes')"
release
hold "$file" 3s3x3p3c
hold "$file" 7sc
check_both "who maps only another page, without a descriptor, holds nothing of this one" \
	"${children[0]}" "$file@12288+4096"
check_both "over both there are both" "${children[0]} ${children[1]}" "$file@12288+20480"
check_both "and between them nobody" "" "$file@16384+12288"
release

hold "$file" tttws
check_both "threads do not multiply a holder" "${children[0]}" "$file"
release
hold "$file" uutxc
check_both "nor do threads with descriptors of their own" "${children[0]}" "$file"
check_equal "whose mappings count once" 1 \
	"$("$HOLDERS_OF" --bpf "$file" | jq '.holders[0].mappings | length')"
check_equal "and whose descriptors are seen" mapped,open "$(how "$file")"
release
truncate -s 64K "$work/other"
hold "$work/other" r "$file" u
check_both "one that only such a thread has open" "${children[0]}" "$file"
release
hold "$file" wsc l
check_both "a process without its first thread still holds what it maps" "${children[0]}" "$file"
release
hold "$file" ws l
check_both "and what it has open" "${children[0]}" "$file"
release

exec 9<"$file"
hold "$file" wsd
check_both "a deleted file, asked for through a descriptor" "$$ ${children[0]}" "/proc/$$/fd/9"
exec 9<&-
release

# --- many at once

truncate -s 64K "$file"
files=()
for n in {1..30}; do
	truncate -s 64K "$work/many-$n"
	files+=("$work/many-$n@$((n % 16 * 4096))+100")
	hold "$work/many-$n" "$((n % 16))sc" "$work/many-1" xc "$work/data" x
done
check "thirty files, each with its holder, in one walk" \
	"$HOLDERS_OF" --both --together "${files[@]}"
check_equal "none is left out: one each, and of the first everybody" 59 \
	"$("$HOLDERS_OF" --bpf --together "${files[@]}" | jq -s 'map(.holders | length) | add')"
n_walkers=${QUICK:+2} n_rounds=${QUICK:+1}
for ((n = 1; n <= ${n_walkers:-8}; n++)); do
	(
		for ((i = 0; i < ${n_rounds:-4}; i++)); do
			[ "$(pids --bpf "$work/many-$((n + 1))")" = "${children[n]}" ] || exit 1
		done
	) &
	walkers[n]=$!
done
wrong=0
for n in "${!walkers[@]}"; do
	wait "${walkers[n]}" || wrong=$((wrong + 1))
done
check_equal "walkers do not disturb each other" 0 $wrong
release

# Two files of ten thousand lost pages each are more than the kernel's maps hold at once, and so is
# one of twenty thousand alone.
if [ -z "${QUICK-}" ]; then
truncate -s 200M "$work/one" "$work/two"
hold "$work/two" 7778s9998sc
for name in one two; do
	seq -f "$work/$name@%.0f+100" 0 8192 81919999
done > "$work/pages"
mapfile -t pages < "$work/pages"
check_equal "more than fits into one walk" 10000/2 \
	"$("$HOLDERS_OF" --both --together "${pages[@]}" | awk '/one/ { n++ } /"pid"/ { m++ }
		END { print n "/" m }')"
seq -f "$work/two@%.0f+100" 4096 4096 81920000 > "$work/pages"
mapfile -t pages < "$work/pages"
check_equal "more pages of a file than can be told the kernel" 2 \
	"$("$HOLDERS_OF" --both --together "${pages[@]}" | grep -c '"pid"')"
release
fi

# --- a block device

disk=$(new_disk 64M)
mknod "$work/node" b $((0x$(stat -c %t "$disk"))) $((0x$(stat -c %T "$disk")))
hold "$disk" wsc
hold "$work/node" 3xc
hold "$disk" r
check_both "a block device, by any of its nodes" "${children[*]}" "$disk"
check_both "but only the bytes that are mapped" "${children[0]} ${children[2]}" "$disk@0+4096"
release

# --- filesystems that show a file as another

mkdir "$work/"{lower,upper,merged,workdir}
mount -t tmpfs none "$work/lower"
mount -t tmpfs none "$work/upper"
mkdir "$work/upper/"{u,w}
truncate -s 64K "$work/lower/"{low,other}
if mount -t overlay -o "lowerdir=$work/lower,upperdir=$work/upper/u,workdir=$work/upper/w" none \
		"$work/merged" 2>/dev/null; then
	truncate -s 64K "$work/merged/high"
	for name in low high; do
		hold "$work/merged/$name" rxc
		hold "$work/merged/$name" r
		check_both "overlayfs: $name" "${children[*]}" "$work/merged/$name"
		check_both "overlayfs: $name, not another page" "${children[1]}" \
			"$work/merged/$name@65536+4096"
		release
	done
	hold "$work/merged/low" rxc
	check_equal "who maps a file through an overlay maps the file below" "${children[0]}" \
		"$(pids --bpf "$work/lower/low")"
	check_both "and not its neighbour" "" "$work/lower/other"
	release
	umount "$work/merged"
else
	echo "# left out: this kernel has no overlayfs"
fi
umount "$work/lower" "$work/upper"

data=$(new_disk 256M)
if command -v mkfs.btrfs >/dev/null && mkfs.btrfs -q -f "$data" >/dev/null &&
		mount "$data" "$mnt"; then
	btrfs -q subvolume create "$mnt/a" &&
		btrfs -q subvolume create "$mnt/b" || exit 99
	truncate -s 64K "$mnt/a/file" "$mnt/b/file"
	check_equal "two subvolumes count their files alike" "$(stat -c %i "$mnt/a/file")" \
		"$(stat -c %i "$mnt/b/file")"
	hold "$mnt/a/file" wsc
	hold "$mnt/a/file" r
	hold "$mnt/b/file" wsc
	hold "$mnt/b/file" r
	check_both "btrfs: the file of one" "${children[0]} ${children[1]}" "$mnt/a/file"
	check_both "btrfs: the file of the other" "${children[2]} ${children[3]}" "$mnt/b/file"
	check_equal "btrfs: both at once" \
		"${children[*]}" \
		"$(pids --both --together "$mnt/a/file" "$mnt/b/file")"
	check "btrfs: both at once, and both ways" \
		"$HOLDERS_OF" --both --together "$mnt/a/file" "$mnt/b/file"
	release
	umount "$mnt"
else
	echo "# left out: no mkfs.btrfs, or no btrfs in this kernel"
fi

done_checks
