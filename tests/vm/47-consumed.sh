# SPDX-License-Identifier: GPL-2.0-or-later
#
# Lost bytes that a process runs into: the processor stops it there, and the
# kernel tells it where. On persistent memory and in plain memory; and a page of
# device-dax.

. "$SRCDIR/tests/vm/lib.sh"

# What the second processor runs is the victim alone: interrupts go elsewhere.
quiet_cpu() {
	local irq

	for irq in /proc/irq/[0-9]*; do
		echo 1 > "$irq/smp_affinity"
	done 2>/dev/null
	sysctl -qw vm.stat_interval=120
}

# spin NAME OPTION...: a victim that does nothing but read its page, on that processor.
spin() {
	hold "$1" spin "${@:2}"
	taskset -pc 1 "$(held "$1")" > /dev/null || die "$1 is pinned"
	sleep 1
}

bed_up
make_file $MNT/data 1M
start_daemon '[Rule all]' 'Holders=terminate' 'GraceSec=3'
quiet_cpu

# --- anonymous memory

spin anon --phys --map anonymous -
mce_srar "$(phys anon)"
check "the kernel tells who ran into it" hold_says anon '^sigbus code=4 .*lsb=12' 20
check_json "$(resolved "$(phys anon)")" \
	"it is an incident, with the machine check" \
	'.data | (.sources | sort) == ["mce", "memory_failure"] and .device.mode == "ram"' \
	"its memory is its own" '.data.owners | length == 1 and .[0].kind == "ram-anon"' \
	"whom the kernel told is a part of it" \
	".data.kernel.signalled | length == 1 and (.[0] | .pid == $(held anon) and .code == \"BUS_MCEERR_AR\")" \
	"it still has the lost page" ".data.holders | length == 1 and .[0].pid == $(held anon) and
		(.[0].reason | startswith(\"signalled by the kernel (BUS_MCEERR_AR)\"))"
check "the signal is told, once" eval '[ "$(events ".type == \"io.hwpoisond.kernel.signalled\"" | wc -l)" = 1 ]'
let_go anon

# --- persistent memory

mark_events
addr=$(phys_of $MNT/data 8192)
spin dax --offset 8192 $MNT/data
mce_srar "$addr"
check "so it does on persistent memory" hold_says dax '^sigbus code=4 ' 20
check_json "$(resolved "$addr")" \
	"which is one incident with its file" \
	".data | (.sources | index(\"mce\") != null and index(\"memory_failure\") != null) and
		.device.mode == \"fsdax\" and .owners[0].paths == [\"$MNT/data\"]" \
	"and its holder" ".data.holders | length == 1 and .[0].pid == $(held dax)"
check_events "and the only one" '[.[] | select(.type == "io.hwpoisond.poison.found")] | length == 1'
check_json "$(ctl list --json)" "what the kernel did is in it" \
	".incidents[] | select(.device.mode == \"fsdax\").kernel |
		.page_type == \"dax\" and (.signalled | length == 1 and .[0].pid == $(held dax))"
let_go dax

# --- device-dax

mark_events
umount $MNT
ndctl create-namespace -f -e namespace0.0 -m devdax -M mem > "$HWP/ndctl.out" 2>&1 ||
	die "ndctl makes a device-dax" "$(< "$HWP/ndctl.out")"
udevadm settle
start=$(cat /sys/bus/dax/devices/dax0.0/resource)
addr=$(printf '0x%x' $((start + (2 << 20) + 8192)))
hold devdax sleep --write --early-kill --map-length 4194304 --offset $(((2 << 20) + 8192)) /dev/dax0.0
mce_srao "$addr"
check_json "$(resolved "$addr")" \
	"a page of a dax device is its own" \
	".data | .device.mode == \"devdax\" and .device.chardev == \"dax0.0\" and
		(.owners | length == 1 and (.[0] | .kind == \"devdax\" and .file_offset_bytes == $(((2 << 20) + 8192))))" \
	"and held by who maps it" ".data.holders | length == 1 and .[0].pid == $(held devdax)"
check_events "it is one incident, whatever is told of it" \
	'[.[] | select(.type == "io.hwpoisond.poison.found")] | length == 1'
check "the kernel has told it" hold_says devdax '^sigbus code=5 ' 10
let_go devdax
stop_daemon
done_checks
