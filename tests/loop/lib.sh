# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lib.sh: real filesystems on loop devices. Sourced by the scripts beside it:
#
#	. "$SRCDIR/tests/loop/lib.sh"
#	need mkfs.xfs xfs_io jq
#	disk=$(new_disk 512M)
#	check "the claim" COMMAND...
#	done_checks
#
# Disks, mounts and processes made here are gone when the script ends, however it ends. What is
# mounted is seen by no other script: some make mount namespaces, in which all of it would be seen
# once more. Sectors have 512 bytes.

export LC_ALL=C.UTF-8
PATH=$PATH:/usr/sbin:/sbin
OWNERS_OF=$BUILDDIR/tests/loop/owners-of
n_passed=0 n_failed=0
children=()

skip() {
	echo "SKIP: $*"
	exit 77
}

[ "$(id -u)" = 0 ] || skip "needs root, for loop devices and mounts"
[ -x "$OWNERS_OF" ] || skip "owners-of is not built"
if [ -z "${LOOP_MOUNTS-}" ]; then
	# Its own, and shared with the namespaces that it makes itself.
	LOOP_MOUNTS=own exec unshare --mount --propagation private \
		sh -c 'mount --make-rshared / && exec bash "$@"' sh "$0" "$@"
fi
losetup -f >/dev/null 2>&1 || skip "there is no loop device to use"
work=$(mktemp -d /tmp/hwpoisond-loop-XXXXXX) || exit 99

need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || skip "$tool is not installed"
	done
}

# Innermost first; a mount may lie on a mount.
clean_up() {
	local disk mountpoint
	[ ${#children[@]} -eq 0 ] || kill "${children[@]}" 2>/dev/null
	wait
	while mountpoint=$(awk -v w="$work/" 'index($5, w) == 1 { m = $5 } END { print m }' \
			/proc/self/mountinfo) && [ -n "$mountpoint" ]; do
		umount -- "$(printf '%b' "$mountpoint")" 2>/dev/null ||
			umount -l -- "$(printf '%b' "$mountpoint")" || break
	done
	for disk in $(losetup -n -O NAME,BACK-FILE | awk -v w="$work/" 'index($2, w) == 1 { print $1 }'); do
		losetup -d "$disk"
	done
	rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 99' INT TERM

# --- checks

check() {
	local claim=$1 wanted=0 r
	shift
	if [ "$1" = '!' ]; then
		wanted=1
		shift
	fi
	"$@" >"$work/check.out" 2>&1
	r=$?
	if [ $((r != 0)) -eq "$wanted" ]; then
		n_passed=$((n_passed + 1))
		echo "ok - $claim"
	else
		n_failed=$((n_failed + 1))
		echo "not ok - $claim"
		echo "# status $r of: $*"
		sed 's/^/# /' "$work/check.out" | head -n 20
	fi
}

# check_equal "claim" EXPECTED FOUND
check_equal() {
	if [ "$2" = "$3" ]; then
		n_passed=$((n_passed + 1))
		echo "ok - $1"
	else
		n_failed=$((n_failed + 1))
		echo "not ok - $1"
		echo "# expected:"
		sed 's/^/#   /' <<<"$2"
		echo "# found:"
		sed 's/^/#   /' <<<"$3"
	fi
}

done_checks() {
	echo "# $n_passed passed, $n_failed failed"
	[ "$n_failed" -eq 0 ] && [ "$n_passed" -gt 0 ]
	exit $?
}

# --- disks and filesystems

# new_disk SIZE [LOSETUP-OPTION...]: prints the device
new_disk() {
	local image
	image=$(mktemp "$work/disk-XXXXXX") || exit 99
	truncate -s "$1" "$image"
	shift
	losetup -f --show "$@" "$image"
}

# A process that was just given a mount namespace of its own may still hold what we have unmounted.
make_xfs() {
	local tries
	for tries in {1..40}; do
		mkfs.xfs -q -f -m reflink=1,rmapbt=1 "$@" > "$work/mkfs.out" 2>&1 && return
		grep -q busy "$work/mkfs.out" || break
		sleep 0.25
	done
	cat "$work/mkfs.out"
	exit 99
}

# make_file PATH KIB: of random bytes, on disk
make_file() {
	dd if=/dev/urandom of="$1" bs=1K count="$2" conv=fsync status=none
}

# sector_of FILE [OFFSET]: where a byte of a file lies on its filesystem's device, as xfs_io sees it
sector_of() {
	xfs_io -r -c "fsync" -c "bmap -p" "$1" >/dev/null 2>&1
	xfs_io -r -c "fiemap" "$1" | awk -v at=$((${2:-0} / 512)) '
		match($0, /\[[0-9]+\.\.[0-9]+\]/) {
			split(substr($0, RSTART + 1, RLENGTH - 2), file, /\.\./)
			if (at < file[1] || at > file[2] || $NF == "hole")
				next
			split($NF, disk, /\.\./)
			print disk[1] + at - file[1]
			exit
		}'
}

# start COMMAND...: in the background, until the script ends
start() {
	"$@" &
	children+=($!)
}

# --- questions

# ask [OPTION...] DISK SECTOR N...: one incident a line
ask() {
	local options=()
	while [[ $1 = --* ]]; do
		options+=("$1")
		case $1 in
		--hints | --mode | --again)
			options+=("$2")
			shift ;;
		esac
		shift
	done
	"$OWNERS_OF" "${options[@]}" "$(basename "$1")" "${@:2}"
}

ask_holders() {
	ask --holders "$@"
}

# names DISK SECTOR N: all paths of all owners
names() {
	ask "$@" | jq -r '.owners[].paths[]' | sort
}

# kinds DISK SECTOR N: in order
kinds() {
	ask "$@" | jq -r '[.owners[].kind] | join(" ")'
}

complete() {
	ask "$@" | jq -r .owners_complete
}

reason() {
	ask "$@" | jq -r '.owners_reason // ""'
}
