#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
stack-oracle: where the bytes of a block device lie, and whose they are, derived another way.

    below DEVICE SECTOR             "DISK SECTOR", by dmsetup table and sysfs, walked downwards
    fill DIRECTORY SEED             files of random bytes, in pieces, with holes, all over
    compare OWNERS_OF HWPOISONCTL MOUNTPOINT DEVICE N SEED
        N random sectors of the filesystem's device, of which the extents of every file (FIEMAP) tell
        whose they are: each is walked down to its disk, its bytes are read there and in the file,
        and then owners-of is asked about that disk and sector. The other direction for a few of
        them: hwpoisonctl resolves the sector of the device.

Shares no code with what is tested, and goes the other way: from files down to disks.
"""
import array
import fcntl
import json
import os
import random
import struct
import subprocess
import sys

SECTOR = 512


def sysfs(name, attribute):
    with open(f"/sys/class/block/{name}/{attribute}") as f:
        return f.read().strip()


def name_of(number):
    return os.path.basename(os.path.realpath(f"/sys/dev/block/{number}"))


def tables():
    """{"dm-0": [(start, length, type, words)]}"""
    found = {}
    # Without device-mapper there is none.
    out = subprocess.run(["dmsetup", "table"], capture_output=True, text=True, check=False).stdout
    for line in out.splitlines():
        label, _, rest = line.rpartition(": ") if line.count(": ") > 1 else line.partition(": ")
        words = rest.split()
        if len(words) < 3:
            continue
        node = os.path.basename(os.path.realpath(f"/dev/mapper/{label}"))
        found.setdefault(node, []).append((int(words[0]), int(words[1]), words[2], words[3:]))
    return found


def step_down(tables, name, sector):
    """One device further down, or None at the bottom."""
    if os.path.exists(f"/sys/class/block/{name}/partition"):
        parent = os.path.basename(os.path.dirname(os.path.realpath(f"/sys/class/block/{name}")))
        return parent, sector + int(sysfs(name, "start"))
    for start, length, kind, words in tables.get(name, []):
        if not start <= sector < start + length:
            continue
        if kind == "linear":
            return name_of(words[0]), sector - start + int(words[1])
        if kind == "striped":
            n, chunk = int(words[0]), int(words[1])
            number, inside = divmod(sector - start, chunk)
            row, leg = divmod(number, n)
            return name_of(words[2 + 2 * leg]), int(words[3 + 2 * leg]) + row * chunk + inside
        raise SystemExit(f"no way through {kind}")
    return None


def below(tables, name, sector):
    while True:
        deeper = step_down(tables, name, sector)
        if not deeper:
            return name, sector
        name, sector = deeper


def fiemap(path):
    """[(file offset, device offset, length)] of what is written."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        head = struct.pack("=QQLLLL", 0, (1 << 64) - 1, 1, 0, 4096, 0)
        buffer = array.array("B", head + bytes(56 * 4096))
        fcntl.ioctl(fd, 0xC020660B, buffer)
        count = struct.unpack_from("=QQLLLL", buffer)[3]
        runs = []
        for i in range(count):
            logical, physical, length, _, _, flags = struct.unpack_from("=QQQQQL", buffer, 32 + 56 * i)
            if not flags & 0x800:
                runs.append((logical, physical, length))
        return runs
    finally:
        os.close(fd)


def read_at(path, offset, direct):
    fd = os.open(path, os.O_RDONLY | (os.O_DIRECT if direct else 0))
    try:
        if not direct:
            return os.pread(fd, SECTOR, offset)
        import mmap
        page = mmap.mmap(-1, 4096)
        os.preadv(fd, [page], offset // 4096 * 4096)
        return page[offset % 4096:offset % 4096 + SECTOR]
    finally:
        os.close(fd)


def files_of(mountpoint):
    for directory, _, names in os.walk(mountpoint):
        for name in names:
            path = os.path.join(directory, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield path


def pick(mountpoint, n, dice):
    """n random (path, file offset, device sector)."""
    runs = [(path, *run) for path in files_of(mountpoint) for run in fiemap(path)]
    sizes = [run[3] // SECTOR for run in runs]
    for path, logical, physical, length in dice.choices(runs, sizes, k=n):
        at = dice.randrange(length // SECTOR) * SECTOR
        if logical + at < os.path.getsize(path):
            yield path, logical + at, (physical + at) // SECTOR


def fill(directory, seed):
    """Directories spread over the allocation groups, and files that grow in turns over each other."""
    dice = random.Random(seed)
    base = dice.randbytes(1 << 20)
    files = []
    for d in range(8):
        os.mkdir(f"{directory}/d{d}")
        files += [os.open(f"{directory}/d{d}/file{n}", os.O_WRONLY | os.O_CREAT) for n in range(3)]
    for turn in range(3):
        for fd in files:
            at, size = dice.randrange(1 << 19), dice.randrange(1, 48) * 4096 - dice.choice((0, 100))
            if turn and dice.random() < 0.3:
                os.lseek(fd, dice.randrange(1, 32) * 4096, os.SEEK_CUR)
            os.write(fd, struct.pack("=QQ", fd, turn) + base[at:at + size])
            os.fsync(fd)
    for fd in files:
        os.close(fd)
    for n in range(8):
        os.unlink(f"{directory}/d{n}/file2")


def ask(tool, disk, sectors):
    answers = []
    for i in range(0, len(sectors), 60):
        words = [word for s in sectors[i:i + 60] for word in (str(s), "1")]
        out = subprocess.run([tool, disk, *words], capture_output=True, text=True, check=True).stdout
        answers += [json.loads(line) for line in out.splitlines()]
    return answers


def resolve(ctl, device, sector):
    """[(disk, its sector, path, offset)] as hwpoisonctl says."""
    out = subprocess.run([ctl, "resolve", "--json", "--device", device, "--sector", str(sector)],
                         capture_output=True, text=True, check=True).stdout
    return [(r["device"].get("blockdev"), r["device"].get("sector"), path, o.get("file_offset_bytes"))
            for r in json.loads(out)["ranges"] for o in r["owners"] for path in o["paths"]]


def compare(tool, ctl, mountpoint, device, n, seed):
    dice = random.Random(seed)
    known = tables()
    node, device = device, os.path.basename(os.path.realpath(device))
    by_disk = {}
    wrong = 0
    for i, (path, offset, sector) in enumerate(pick(mountpoint, n, dice)):
        disk, on_disk = below(known, device, sector)
        # A file can end within the sector.
        if not read_at(f"/dev/{disk}", on_disk * SECTOR, True).startswith(read_at(path, offset, False)):
            raise SystemExit(f"the oracle is wrong about {path} at {offset}: not on {disk} {on_disk}")
        by_disk.setdefault(disk, []).append((on_disk, path, offset))
        found = resolve(ctl, node, sector) if i % 30 == 0 else None
        if found not in (None, [(disk, on_disk, path, offset)]):
            wrong += 1
            print(f"{node} {sector}: wanted {disk} {on_disk} {path} {offset}, found {found}")

    for disk, wanted in by_disk.items():
        for (sector, path, offset), found in zip(wanted, ask(tool, disk, [w[0] for w in wanted])):
            owners = [(p, o["file_offset_bytes"], o["length_bytes"])
                      for o in found["owners"] if o["kind"] == "file-data" for p in o["paths"]]
            if (path, offset, SECTOR) not in owners or not found["owners_complete"]:
                wrong += 1
                print(f"{disk} {sector}: wanted {path} {offset}, found {json.dumps(found)}")
    print(f"seed {seed}: {sum(map(len, by_disk.values()))} sectors on {len(by_disk)} disks,"
          f" {wrong} wrong")
    return wrong or not by_disk


def main():
    if sys.argv[1] == "below":
        print(*below(tables(), os.path.basename(os.path.realpath(sys.argv[2])), int(sys.argv[3])))
    elif sys.argv[1] == "fill":
        fill(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1] == "compare":
        sys.exit(bool(compare(*sys.argv[2:6], int(sys.argv[6]), int(sys.argv[7]))))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
