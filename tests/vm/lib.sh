# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lib.sh: what scenarios have in common. Sourced inside the guest:
#
#	. "$SRCDIR/tests/vm/lib.sh"
#	bed_up
#	check "the claim" COMMAND...
#	done_checks
#
# Sizes and offsets are in bytes, physical addresses in hex with 0x. Where a
# list is kept in sectors of 512 bytes (badblocks), so is what we print of it.

# shellcheck disable=SC2034	# used by the scenarios

export LC_ALL=C.UTF-8
BED=/sys/kernel/debug/ndbed			# ndbed's knobs
BUS=/sys/bus/nd/devices/ndbus0
REGION=/sys/bus/nd/devices/region0
PMEM=/dev/pmem0
MNT=/mnt/x
HWP=/run/hwp-test				# all that a scenario makes outside the bed
HOLDFILE=$VM_CACHE/holdfile
HWPOISOND=${HWPOISOND:-$BUILDDIR/hwpoisond}
HWPOISONCTL=${HWPOISONCTL:-$BUILDDIR/hwpoisonctl}

DAEMON_PID=
EVENTS_FROM=1					# the first line that events looks at
mkdir -p "$HWP"

# A program takes a tenth of a second to start in the guest, and a long pipe of
# them a whole one: what is called often is bash, or one call of holdfile.

# --- checks
#
# Counted in files: a check in a subshell counts too.

# check "claim" COMMAND... : the claim holds if the command succeeds; with "!"
# before the command, if it fails. Its output shows only when the claim falls.
check() {
	local claim=$1 wanted=0 r
	shift

	if [ "$1" = '!' ]; then
		wanted=1
		shift
	fi
	"$@" >"$HWP/check.out" 2>&1
	r=$?
	if [ $((r != 0)) -eq "$wanted" ]; then
		pass "$claim"
		return 0
	fi
	fail "$claim" "status $r of: $*" "$(head -n 20 "$HWP/check.out")"
	return 1
}

# check_equal "claim" EXPECTED FOUND
check_equal() {
	if [ "$2" = "$3" ]; then
		pass "$1"
		return 0
	fi
	fail "$1" "expected: $2" "found:    $3"
	return 1
}

pass() {
	echo "ok - $1"
	echo >> "$HWP/passed"
}

fail() {
	echo "not ok - $1"
	echo >> "$HWP/failed"
	shift
	printf '%s\n' "$@" | sed '/^$/d; s/^/    /'
} >&2

die() {
	fail "$@"
	trap - EXIT
	exit 1
}

skip() {
	echo "SKIP: $*"
	trap - EXIT
	exit 77
}

done_checks() {
	local n_passed n_failed

	check_schema
	touch "$HWP/passed" "$HWP/failed"
	n_passed=$(wc -l < "$HWP/passed")
	n_failed=$(wc -l < "$HWP/failed")
	echo "# $n_passed passed, $n_failed failed"
	trap - EXIT
	[ "$n_failed" -eq 0 ] && [ "$n_passed" -gt 0 ]
	exit
}

# Every event of the scenario is as conf/schema says.
check_schema() {
	[ -s "$HWP/events.jsonl" ] || return 0
	"$SRCDIR/tests/validate-events" "$HWP/events.jsonl" >"$HWP/schema.out" 2>&1
	case $? in
	0)	pass "every event is as the schema says" ;;
	77)	echo "# no python3-jsonschema here, events are not validated" ;;
	*)	fail "every event is as the schema says" "$(head -n 20 "$HWP/schema.out")" ;;
	esac
}

# A scenario that stops half way has not passed.
trap 'fail "the scenario came to its end"; exit 1' EXIT

# wait_until SECONDS COMMAND... : until it succeeds; fails when it never does.
wait_until() {
	local deadline=$((SECONDS + $1))
	shift

	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.1
	done
}

# --- the bed

# bed_bus: ndbed's bus, region and one fsdax namespace.
bed_bus() {
	[ "$VM_BUS" = yes ] || die "the guest has a bus (not with --no-bus)"
	modprobe -qa libnvdimm nd_pmem 2>"$HWP/modprobe.err" || die "the kernel has libnvdimm"
	insmod "$VM_CACHE/ndbed.ko" start=0x80000000 size=0x20000000 scrub_ms=200 ||
		die "ndbed loads"
	ndctl create-namespace -f -e namespace0.0 -m fsdax -M mem >"$HWP/ndctl.out" 2>&1 ||
		die "ndctl makes a namespace" "$(< "$HWP/ndctl.out")"
	udevadm settle
	[ -b $PMEM ] || die "there is $PMEM"
}

# bed_fs [xfs|ext4] [MKFS OPTION...]: a filesystem on it, mounted at $MNT with
# $MOUNT_OPTIONS (dax=always).
bed_fs() {
	local type=${1:-xfs}
	local -a options
	shift

	modprobe -q "$type"
	case $type in
	xfs)	options=(-q -f -m reflink=1,rmapbt=1) ;;
	ext4)	options=(-q -F -b 4096) ;;		# DAX wants blocks of a page's size
	esac
	"mkfs.$type" "${options[@]}" "$@" $PMEM >"$HWP/mkfs.out" 2>&1 ||
		die "mkfs.$type works" "$(< "$HWP/mkfs.out")"
	mkdir -p $MNT
	mount -t "$type" -o "${MOUNT_OPTIONS:-dax=always}" $PMEM $MNT || die "$MNT is mounted"
}

bed_up() {
	bed_bus
	bed_fs "$@"
}

# xfs_with FEATURES: an XFS made with these, instead of what is there.
xfs_with() {
	umount $MNT || die "$MNT can be unmounted"
	modprobe -q xfs
	mkfs.xfs -q -f -m "$1" $PMEM > "$HWP/mkfs.out" 2>&1 || die "mkfs.xfs works" "$(< "$HWP/mkfs.out")"
	mount -t xfs -o dax=always $PMEM $MNT || die "$MNT is mounted"
}

# fill_up [SIZE]: all the room that the filesystem has to give, in $MNT/fill.SIZE.N of this size (64M),
# and the rest in such of 4M, 64K and 4K.
fill_up() {
	local size n

	for size in "${1:-64M}" 4M 64K 4K; do
		for ((n = 0; ; n++)); do
			fallocate -l "$size" "$MNT/fill.$size.$n" 2>/dev/null || break
		done
		rm -f "$MNT/fill.$size.$n"
	done
}

# nfit_up: the kernel's simulated bus instead (guest --nfit), with empty labels. region0 has 32 MiB on
# two DIMMs, region1 64 MiB on four, for namespaces of 16 MiB or more. There is no DAX.
nfit_up() {
	local module

	[ -d "$VM_NFIT" ] || die "the guest has nfit_test (--nfit)"
	modprobe -qa encrypted-keys dax
	for module in nfit_test_iomap libnvdimm nd_btt nd_pmem nfit device_dax dax_pmem nfit_test; do
		insmod "$VM_NFIT/$module.ko" || die "$module loads"
	done
	udevadm settle
	ndctl disable-region -b nfit_test.0 all && ndctl init-labels -f -b nfit_test.0 all &&
		ndctl enable-region -b nfit_test.0 all || die "labels are made"
	modprobe -qa xfs ext4
	# Else mkfs.xfs makes nothing below 300 MB.
	export TEST_DIR=/tmp TEST_DEV=/dev/null QA_CHECK_FS=yes
} >"$HWP/nfit.out" 2>&1

# make_namespace REGION MODE SIZE [OPTION...]: prints what ndctl says about it
make_namespace() {
	ndctl create-namespace -b nfit_test.0 -r "$1" -m "$2" -s "$3" "${@:4}" 2>"$HWP/ndctl.err" ||
		die "ndctl makes a namespace of mode $2" "$(< "$HWP/ndctl.err")"
	udevadm settle
}

# poison PHYS LENGTH [notify|mce|heal]: with no word only the media know.
poison() {
	echo "$*" > $BED/poison
}

# scrub: start one and wait for its end.
scrub() {
	ndctl start-scrub ndbed >/dev/null && ndctl wait-scrub ndbed >/dev/null
}

# knob NAME [VALUE]: read or set one of ndbed's knobs.
knob() {
	if [ $# -gt 1 ]; then
		echo "$2" > "$BED/$1"
	else
		cat "$BED/$1"
	fi
}

# media_list: "PHYS LENGTH" of all that is poisoned, told or not.
media_list() {
	cat $BED/poison
}

# badblocks_list [region]: "SECTOR COUNT" from the start of pmem0's data, or of
# the region.
badblocks_list() {
	case ${1-} in
	region)	cat $REGION/badblocks ;;
	*)	cat "/sys/block/${PMEM#/dev/}/badblocks" ;;
	esac
}

# pmem_start: the physical address of the first byte of pmem0.
pmem_start() {
	cat "/sys/block/${PMEM#/dev/}/device/resource"
}

# sector_of PHYS: the sector of pmem0 that it lies in, as badblocks counts.
sector_of() {
	echo $((($1 - $(pmem_start)) / 512))
}

# phys_of FILE [OFFSET]: the physical address of a byte of a file that lies on
# pmem0, whatever extent it is in. Fails in a hole.
phys_of() {
	local where device byte part_sectors=0

	where=$("$HOLDFILE" where --offset "${2:-0}" "$1") || return
	device=/sys/dev/block/${where% *}
	byte=${where#* }
	[ ! -e "$device/partition" ] || part_sectors=$(< "$device/start")
	printf '0x%x\n' $(($(pmem_start) + part_sectors * 512 + byte))
}

# make_file FILE BYTES: random bytes, on the media when it returns.
make_file() {
	head -c "$2" /dev/urandom > "$1" && sync "$1"
}

# write_page FILE OFFSET [BYTE VALUE]: one whole page in one write.
write_page() {
	xfs_io -c "pwrite -q -b 4096 -S ${3:-0x5a} $2 4096" -c fsync "$1"
}

# clone_range SOURCE OFFSET LENGTH DEST DEST_OFFSET: FICLONERANGE; the
# destination is made when there is none.
clone_range() {
	xfs_io -f -c "reflink -q $1 $2 $5 $3" "$4"
}

# page FILE OFFSET: what pread sees of a page, "read crc=... head=..." or
# "read errno=5 ...".
page() {
	"$HOLDFILE" read --offset "$2" "$1"
}

# reads FILE OFFSET [LENGTH]: whether pread of it works.
reads() {
	"$HOLDFILE" read --offset "$2" --length "${3:-4096}" "$1" | grep -q '^read crc='
}

# --- machine checks, by QEMU's monitor

monitor() {
	echo "@@MONITOR $*" > "$VM_CONSOLE"
}

# mce_srao PHYS [LSB]: an uncorrected error that a memory scrubber found, in
# 2^LSB bytes (12, a page).
mce_srao() {
	monitor "mce -b 0 9 0xbd000000000000c0 0x5 $(printf '0x%x 0x%x' "$1" $((0x80 | ${2:-12})))"
}

# mce_srar PHYS [CPU]: one that the program running on this processor consumes.
# If that is the kernel, or nobody, the guest panics: pin a spinning victim.
mce_srar() {
	monitor "mce -b ${2:-1} 9 0xbd80000000000134 0x7 $(printf '0x%x' "$1") 0x8c"
}

# watch_page PHYS: from now on, every bio for this page of pmem0, whoever sends it.
TRACE=/sys/kernel/tracing
watch_page() {
	local first
	first=$(sector_of "$1")

	echo 0 > $TRACE/events/block/block_bio_queue/enable
	echo "sector >= $first && sector < $((first + 8))" > $TRACE/events/block/block_bio_queue/filter
	echo > $TRACE/trace
	echo 1 > $TRACE/events/block/block_bio_queue/enable
}

# bios: those that came.
bios() {
	grep block_bio_queue: $TRACE/trace
}

# read_device PHYS: the page that it lies in, past the page cache. Where the kernel has lost it, an oops.
read_device() {
	dd if=$PMEM bs=4096 count=1 iflag=direct skip=$(($(sector_of "$1") / 8)) status=none
}

# --- processes to harm

# hold NAME MODE ARGUMENT...: a holdfile in the background, which is ready when
# this returns. Its process id is in $HOLD_PID and `held NAME`.
hold() {
	local name=$1
	shift

	rm -f "$HWP/hold.$name"
	"$HOLDFILE" "$1" --log "$HWP/hold.$name" "${@:2}" &
	HOLD_PID=$!
	echo $HOLD_PID > "$HWP/hold.$name.pid"
	wait_until 10 grep -q ^ready "$HWP/hold.$name" ||
		die "holdfile $name is ready" "$(cat "$HWP/hold.$name")"
}

held() {
	echo "$(< "$HWP/hold.$1.pid")"
}

hold_log() {
	cat "$HWP/hold.$1"
}

# hold_says NAME REGEX [SECONDS]: whether its log gets such a line.
hold_says() {
	wait_until "${3:-5}" grep -Eq "$2" "$HWP/hold.$1"
}

# holds NAME: whether it is alive (a zombie is not).
holds() {
	local pid stat
	pid=$(< "$HWP/hold.$1.pid")

	stat=$(< "/proc/$pid/stat") && [[ $stat != *") "[ZX]* ]]
} 2>/dev/null

# let_go NAME: end it by SIGKILL, whatever it ignores.
let_go() {
	kill -KILL "$(held "$1")" 2>/dev/null
	wait "$(held "$1")" 2>/dev/null
	return 0
}

# --- pages of plain memory, by the kernel's own injector (modprobe hwpoison-inject)

# phys NAME: of the page that a holder maps, one that was started with --phys.
phys() {
	sed -n 's/^phys //p' "$HWP/hold.$1"
}

# lose PHYS: the kernel gives up this page, as after a machine check.
lose() {
	printf '0x%x\n' $(($1 / 4096)) > /sys/kernel/debug/hwpoison/corrupt-pfn
}

# resolved PHYS: the event that this page was resolved, when it comes.
resolved() {
	wait_event ".type == \"io.hwpoisond.poison.resolved\" and .data.phys_start == \"$1\"" 20
}

# --- the daemon

# start_daemon [LINE...]: hwpoisond with these lines as its configuration, or
# with the ones of last time. Its feed goes to a file too, from which events
# reads: who connects to the socket later has missed what came before.
# $DAEMON_OPTIONS are more options for it, such as --dry-run.
start_daemon() {
	[ -x "$HWPOISOND" ] || die "hwpoisond is built" "$HWPOISOND"
	[ -z "$DAEMON_PID" ] || die "no daemon is started twice"

	mkdir -p "$HWP/state"
	touch "$HWP/events.jsonl"
	if [ $# -gt 0 ] || [ ! -e "$HWP/hwpoisond.conf" ]; then
		write_conf "$@"
	fi
	# shellcheck disable=SC2086
	"$HWPOISOND" --config "$HWP/hwpoisond.conf" --state-dir "$HWP/state" \
		--runtime-dir "$HWP/run" ${DAEMON_OPTIONS-} >>"$HWP/daemon.log" 2>&1 &
	DAEMON_PID=$!
	if ! { wait_until 60 daemon_is_up && daemon_runs; }; then
		die "the daemon starts" "$(tail -n 40 "$HWP/daemon.log")"
	fi
	socat -u "UNIX-CONNECT:$HWP/run/events" - >>"$HWP/events.socket.jsonl" 2>/dev/null &
}

# With File= in [Feed]: in the one that the scenario gives, or in our own.
write_conf() {
	printf '%s\n' "$@" | awk -v file="$HWP/events.jsonl" '
		{ print }
		/^\[Feed\]/ { print "File=" file; seen = 1 }
		END { if (!seen) print "[Feed]\nFile=" file }' > "$HWP/hwpoisond.conf"
}

# A socket file that a killed daemon left behind does not count.
daemon_is_up() {
	daemon_runs || return 0			# it has ended: no need to wait longer
	socat -u OPEN:/dev/null "UNIX-CONNECT:$HWP/run/io.hwpoisond"
}

daemon_runs() {
	[ -n "$DAEMON_PID" ] && kill -0 "$DAEMON_PID" 2>/dev/null
}

# stop_daemon: by SIGTERM; returns its exit status.
stop_daemon() {
	end_daemon TERM
}

# kill_daemon: by SIGKILL, as a crash would.
kill_daemon() {
	end_daemon KILL
	return 0
}

end_daemon() {
	local pid=$DAEMON_PID r

	[ -n "$pid" ] || return 0
	kill -"$1" "$pid"
	wait_until 20 eval "! kill -0 $pid" || fail "the daemon ends by SIG$1 within 20 s"
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	r=$?
	DAEMON_PID=
	return $r
}

# ctl COMMAND...: hwpoisonctl for this daemon.
ctl() {
	"$HWPOISONCTL" --socket "$HWP/run/io.hwpoisond" "$@"
}

# reload_daemon LINE...: give it another configuration as it runs.
reload_daemon() {
	local before

	before=$(grep -c 'Configuration read anew' "$HWP/daemon.log")
	write_conf "$@"
	kill -HUP "$DAEMON_PID"
	# shellcheck disable=SC2016
	wait_until 10 eval '[ "$(grep -c "Configuration read anew" "$HWP/daemon.log")" -gt '"$before"' ]' ||
		die "the daemon reads its configuration anew" "$(tail -n 20 "$HWP/daemon.log")"
}

# wait_state N STATE [SECONDS]: until the incident is in that state.
wait_state() {
	local end=$((SECONDS + ${3:-20})) found

	until found=$(ctl show "$1" --json 2>&1) && [[ $found == *"
  \"state\": \"$2\""* ]]; do
		if [ "$SECONDS" -ge "$end" ]; then
			fail "incident $1 comes to be $2" "$found"
			return 1
		fi
		sleep 0.1
	done
}

# status_code COMMAND...: print its exit status.
status_code() {
	"$@" >/dev/null 2>&1
	echo $?
}

# --- its events
#
# All of them look only at what came after the last mark_events.

mark_events() {
	EVENTS_FROM=$(($(wc -l < "$HWP/events.jsonl") + 1))
}

# events [JQ_FILTER]: those for which it is true, one per line.
events() {
	tail -n "+$EVENTS_FROM" "$HWP/events.jsonl" | jq -Mc "select(${1:-true})" 2>"$HWP/jq.err"
	return "${PIPESTATUS[1]}"
}

show_events() {
	echo "events:"
	events | tail -n 30
	echo "daemon:"
	tail -n 30 "$HWP/daemon.log"
}

# wait_event JQ_FILTER [SECONDS]: print the first one for which it is true, such
# as '.type == "io.hwpoisond.poison.found" and .data.phys_start == "0x8021a000"'.
# One jq for the whole wait: it takes half a second to start in the guest.
wait_event() {
	local found

	# shellcheck disable=SC2016
	found=$(timeout "${2:-10}" bash -c '
		tail -n "+$1" -f "$2" | jq --unbuffered -Mc "select($3)" | { head -n 1; kill 0; }' \
		_ "$EVENTS_FROM" "$HWP/events.jsonl" "$1" 2>"$HWP/jq.err")
	if [ -z "$found" ]; then
		fail "an event comes: $1" "$(grep '^jq:' "$HWP/jq.err")" "$(show_events)"
		return 1
	fi
	printf '%s\n' "$found"
}

# repaired N: the incident's last event, when it is over.
repaired() {
	wait_event ".incident == $1 and .type == \"io.hwpoisond.poison.gone\"" 60
}

# no_event JQ_FILTER [SECONDS]: none has come, and none comes for so long. A
# filter that does not compile matches nothing either, and is told apart.
no_event() {
	local found r

	sleep "${2:-0}"
	found=$(events "$1")
	r=$?
	[ "$r" -ne 3 ] || die "a jq filter compiles: $1" "$(< "$HWP/jq.err")"
	[ -z "$found" ] && return 0
	fail "no event comes: $1" "$found"
	return 1
}

# check_json DOCUMENT CLAIM FILTER [CLAIM FILTER]...: each filter gives true, once.
check_json() {
	local document=$1 program='' result
	local -a claims=() filters=() results=()
	shift

	while [ $# -gt 1 ]; do
		claims+=("$1")
		filters+=("$2")
		program+="${program:+, }(try ([$2] == [true]) catch false)"
		shift 2
	done
	jq -c "$program" <<< "$document" >"$HWP/jq.out" 2>"$HWP/jq.err"
	mapfile -t results < "$HWP/jq.out"
	for ((result = 0; result < ${#claims[@]}; result++)); do
		if [ "${results[result]-}" = true ]; then
			pass "${claims[result]}"
			continue
		fi
		fail "${claims[result]}" "not true: ${filters[result]}" "$(< "$HWP/jq.err")" \
			"${document:+of: ${document:0:8000}}"
		document=			# shown once
	done
}

# check_events CLAIM FILTER...: the same, of an array of all events since the mark.
check_events() {
	check_json "$(tail -n "+$EVENTS_FROM" "$HWP/events.jsonl" | jq -sMc .)" "$@"
}

# story N: the types of an incident's events, in order, without their prefix.
story() {
	# shellcheck disable=SC2046
	echo $(events ".incident == $1" | jq -r '.type | ltrimstr("io.hwpoisond.")')
}

# --- what is in files
#
# DAX reads what is on the media, so a copy elsewhere is all it takes to compare.

# keep FILE NAME: remember what is in it now.
keep() {
	cp "$1" "$HWP/kept.$2"
}

# lost FILE NAME [OFFSET LENGTH]...: whether it holds what was kept under that
# name, but zeros in these ranges, and in them only.
lost() {
	local file=$1 wanted=$HWP/wanted.$2

	cp "$HWP/kept.$2" "$wanted"
	shift 2
	while [ $# -gt 1 ]; do
		dd if=/dev/zero of="$wanted" bs="$2" count=1 seek="$1" oflag=seek_bytes conv=notrunc status=none
		shift 2
	done
	cmp "$file" "$wanted"
}

# intact FILE NAME: whether it holds exactly what was kept.
intact() {
	cmp "$1" "$HWP/kept.$2"
}
