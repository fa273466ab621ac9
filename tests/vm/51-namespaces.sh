# SPDX-License-Identifier: GPL-2.0-or-later
# guest: --nfit --timeout 600
#
# Every mode of a namespace, several in a region, on interleaved DIMMs with labels: what ndctl
# injects is found, on the right device, and as far as it can be known with its owner. A BTT's map
# that lost entries loses sectors, all of which are named; what a sector's block was is not guessed.

. "$SRCDIR/tests/vm/lib.sh"

nfit_up || die "nfit_test is there" "$(< "$HWP/nfit.out")"
fsdax=$(make_namespace region1 fsdax 32M) || exit
sector=$(make_namespace region1 sector 32M -l 512) || exit
raw=$(make_namespace region0 raw 16M) || exit
devdax=$(make_namespace region0 devdax 16M -a 4096) || exit
get() {
	jq -r ".$2" <<< "$1"
}
fsdax_disk=$(get "$fsdax" blockdev) sector_disk=$(get "$sector" blockdev)
raw_disk=$(get "$raw" blockdev) dax_char=$(get "$devdax" 'daxregion.devices[0].chardev')

# start_of NAMESPACE: its physical address
start_of() {
	cat "/sys/bus/nd/devices/$1/resource"
}
# resolve OPTION...: by hwpoisonctl alone, there is no daemon yet
resolve() {
	"$HWPOISONCTL" resolve --json "$@"
}
hex() {
	printf '0x%x' "$1"
}

mkfs.xfs -q -f -m reflink=1,rmapbt=1 "/dev/$fsdax_disk" && mkfs.xfs -q -f -m reflink=1,rmapbt=1 "/dev/$sector_disk" ||
	die "mkfs.xfs works"
mkdir -p $MNT /mnt/s
mount -o dax=never "/dev/$fsdax_disk" $MNT && mount "/dev/$sector_disk" /mnt/s || die "both are mounted"
make_file $MNT/data 256K
for i in {1..16}; do
	make_file /mnt/s/file$i 512K
done

# --- without a daemon, before anything is bad

data_start=$(< "/sys/block/$fsdax_disk/device/resource")
at=$("$HOLDFILE" where --offset 8192 $MNT/data)
phys=$(hex $((data_start + ${at#* })))
check_json "$(resolve --phys "$phys" 512)" "an address on fsdax is a file's" "
	.ranges | length == 1 and (.[0] | .device.mode == \"fsdax\" and .device.blockdev == \"$fsdax_disk\" and
		.device.namespace == \"$(get "$fsdax" dev)\" and .device.region == \"region1\" and
		.owners_complete and (.owners[0] | .paths == [\"$MNT/data\"] and .file_offset_bytes == 8192))" \
	"of the four DIMMs of the set one is named, as the platform says" '.ranges[0].device.dimms | length == 1'
sector_at=$(("$("$HOLDFILE" where --offset 4096 /mnt/s/file3 | cut -d ' ' -f 2)" / 512))
check_json "$(resolve --device "$sector_disk" --sector $sector_at)" "a sector of the BTT's disk is a file's" '
	.ranges | length == 1 and (.[0] | (has("phys_start") | not) and
		(.owners[0] | .paths == ["/mnt/s/file3"] and .file_offset_bytes == 4096))'
raw_start=$(start_of "$(get "$raw" dev)")
check_json "$(resolve --device "$raw_disk" --sector 9)" "a sector of a raw namespace has an address" "
	.ranges[0] | .phys_start == \"$(hex $((raw_start + 9 * 512)))\" and .device.mode == \"raw\" and
		.owners[0].kind == \"raw\" and .owners_complete"
dax_start=$(cat "/sys/bus/dax/devices/$dax_char/resource")
check_json "$(resolve --phys $((dax_start + 12288)) 512)" "an address on devdax is a byte of its device" "
	.ranges[0] | .device.mode == \"devdax\" and .device.chardev == \"$dax_char\" and
		(.owners[0] | .kind == \"devdax\")"

# --- what is injected is found

start_daemon '[Rule all]' 'Repair=none'
# inject NAMESPACE BLOCK: counted from where its data begin
inject() {
	ndctl inject-error --block="$2" --count=1 "$(get "$1" dev)" >"$HWP/inject.out" 2>&1 ||
		fail "ndctl injects an error" "$(< "$HWP/inject.out")"
}
# inject_at PHYS: one sector, by the bus's own command; ndctl has none for a BTT
inject_at() {
	python3 - "$1" <<-'PYTHON' && ndctl start-scrub nfit_test.0 >/dev/null && ndctl wait-scrub nfit_test.0 >/dev/null
	import fcntl, struct, sys
	ARS_INJECT_SET, IOCTL_CALL = 7, 0xC0404E0A
	package = bytearray(struct.pack("=QQII36xI", 0, ARS_INJECT_SET, 17, 4, 0) +
	                    struct.pack("=QQBI", int(sys.argv[1]), 512, 0, 0))
	with open("/dev/ndctl0", "r+b", buffering=0) as bus:
	    fcntl.ioctl(bus, IOCTL_CALL, package)
	PYTHON
}
# found PHYS: the incident, when it is resolved
found() {
	wait_event ".type == \"io.hwpoisond.poison.resolved\" and .data.phys_start == \"$(hex "$1")\"" 30
}

inject "$fsdax" $(((phys - data_start) / 512))
check_json "$(found "$phys")" "fsdax: the file is named" "
	.data | .device.blockdev == \"$fsdax_disk\" and .owners[0].paths == [\"$MNT/data\"] and
		.owners[0].file_offset_bytes == 8192 and .length_bytes == 512 and .owners_complete" \
	"and the DIMM" '.data.device.dimms | length == 1'
inject "$raw" 100
check_json "$(found $((raw_start + 51200)))" "raw: the sector is named" "
	.data | .device.blockdev == \"$raw_disk\" and .device.sector == 100 and .owners[0].kind == \"raw\""
inject "$devdax" 24
check_json "$(found $((dax_start + 12288)))" "devdax: the device and the offset in it" "
	.data | .device.chardev == \"$dax_char\" and .owners[0].kind == \"devdax\" and .owners_complete"

# --- sector: a block of data

arena=$(echo /sys/kernel/debug/btt/*/arena0)
sector_start=$(start_of "$(get "$sector" dev)")
[ "$(< "$arena/version_major")" = 2 ] || sector_start=$((sector_start + 4096))
block=$((($(< "$arena/dataoff") + 1000 * $(< "$arena/internal_lbasize")) / 512))
phys=$((sector_start + block * 512))
inject_at $phys
check_json "$(found $phys)" "sector: whose block it is, is not guessed" '
	.data | .owners_complete == false and ([.owners[].kind] | unique) == ["unknown"]' \
	"but its filesystem is named" '.data.owners[0] | .mountpoint == "/mnt/s" and .filesystem == "xfs" and .method == "btt"' \
	"and why, with the number of the block" '.data.owners_reason | test("^Block 1000 of arena 0 of the BTT")'

# --- sector: entries of the map

sync -f /mnt/s
echo 3 > /proc/sys/vm/drop_caches
at=$("$HOLDFILE" where --offset 0 /mnt/s/file9)
lba=$((${at#* } / 512 / 128 * 128))
phys=$((sector_start + $(< "$arena/mapoff") + lba * 4))
inject_at $phys
found $phys > "$HWP/map"
check_json "$(< "$HWP/map")" "sector: a lost sector of the map is the BTT's" '.data.owners[0] | .kind == "metadata" and .method == "btt"' \
	"and sectors of files that it led to are lost" '[.data.owners[] | select(.kind == "file-data").paths[]] | index("/mnt/s/file9") != null'
check_equal "128 of them" $((128 * 512)) \
	"$(jq '[.data.owners[1:][] | .length_bytes] | add' "$HWP/map")"

# Which sectors cannot be read any more: those of the map's, and not one beside them.
python3 - "/dev/$sector_disk" $((lba - 64)) 256 > "$HWP/unreadable" <<'PYTHON'
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT)
page = mmap.mmap(-1, 4096)
for lba in range(int(sys.argv[2]), int(sys.argv[2]) + int(sys.argv[3])):
    try:
        os.preadv(fd, [memoryview(page)[:512]], lba * 512)
    except OSError:
        print(lba)
PYTHON
check_equal "they are those that the kernel cannot read" "$(seq $lba $((lba + 127)))" "$(< "$HWP/unreadable")"
check "as the files show" sh -c "! cat /mnt/s/file9 > /dev/null"

# --- more namespaces than one in each region, and all is told

check_json "$(ctl list --json)" "five incidents, on four namespaces of two regions" '
	(.incidents | length) == 5 and ([.incidents[].device.namespace] | unique | length) == 4 and
	([.incidents[].device.region] | unique) == ["region0", "region1"]'
done_checks
