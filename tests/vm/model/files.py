# SPDX-License-Identifier: GPL-2.0-or-later
"""files: random files, and what each of their bytes ought to be.

  [files] -> bed -> __main__

A Tree changes files at random and remembers their bytes; the kernel is asked only where a page lies,
never what it holds. A Tree knows nothing of poison: who poisons tells it which bytes may be zeros.
"""
import array
import ctypes
import errno
import fcntl
import os
import struct

PAGE = 4096
SECTOR = 512
MAX_FILE_PAGES = 160

FIEMAP = 0xC020660B
FICLONERANGE = 0x4020940D
GETFSMAP = 0xC0C0583B
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
EXTENT_LAST, EXTENT_UNWRITTEN, EXTENT_SHARED = 0x1, 0x800, 0x2000
OF_SPECIAL_OWNER, OWN_FREE = 0x10, 1

libc = ctypes.CDLL(None, use_errno=True)


def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)) < 0:
        raise OSError(ctypes.get_errno(), "fallocate")


def extents(fd):
    """(file offset, byte on the device, length, flags) of each extent."""
    room, start = 256, 0
    while True:
        buffer = bytearray(32 + room * 56)
        struct.pack_into("=QQLLLL", buffer, 0, start, 2**64 - 1 - start, 1, 0, room, 0)
        fcntl.ioctl(fd, FIEMAP, buffer)
        n = struct.unpack_from("=L", buffer, 20)[0]
        for i in range(n):
            logical, physical, length = struct.unpack_from("=QQQ", buffer, 32 + i * 56)
            flags = struct.unpack_from("=L", buffer, 32 + i * 56 + 40)[0]
            yield logical, physical, length, flags
            start = logical + length
        if n < room:
            return


def free_pages(mountpoint, most):
    """Pages of the device that the filesystem calls free, of each free extent the first few."""
    room, found = 1024, []
    fd = os.open(mountpoint, os.O_RDONLY)
    buffer = bytearray(192 + room * 64)
    struct.pack_into("=LLLL", buffer, 0, 0, 0, room, 0)
    struct.pack_into("=LLQQQ", buffer, 128, 2**32 - 1, 2**32 - 1, *[2**64 - 1] * 3)
    fcntl.ioctl(fd, GETFSMAP, buffer)
    os.close(fd)
    for i in range(struct.unpack_from("=L", buffer, 12)[0]):
        _, flags, start, owner, _, length = struct.unpack_from("=LLQQQQ", buffer, 192 + i * 64)
        if flags & OF_SPECIAL_OWNER and owner == OWN_FREE:
            found += range(start, start + min(length, most * PAGE), PAGE)
    return found


def write_whole(fd, data, offset):
    """A copy on write into a block that a list has not forgotten ends short, or fails once."""
    n_failures = 0
    while data:
        try:
            n = os.pwrite(fd, data, offset)
        except OSError as e:
            n_failures += 1
            if e.errno not in (errno.EIO, errno.EFAULT) or n_failures > 2:
                raise
            n = 0
        data, offset = data[n:], offset + n


class File:
    """
    is_shared: some of its blocks are, or were, another's too. Then nothing less than a page is written,
    as a copy on write takes more than a page at a time, and before 6.2 what it takes of a hole keeps
    what the media held, but for the bytes written.
    """

    def __init__(self, path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self.inode = os.fstat(fd).st_ino
        os.close(fd)
        self.paths = [path]
        self.data = bytearray()
        self.is_shared = False

    def open(self, flags=os.O_RDWR):
        return os.open(self.paths[0], flags)

    def set(self, offset, data):
        if len(self.data) < offset:
            self.data.extend(bytes(offset - len(self.data)))
        self.data[offset:offset + len(data)] = data

    def pages(self):
        """{file offset of a page: (byte on the device, is unwritten)}; holes have none."""
        fd = self.open(os.O_RDONLY)
        pages = {}
        for logical, physical, length, flags in extents(fd):
            for at in range(0, length, PAGE):
                pages[logical + at] = (physical + at, bool(flags & EXTENT_UNWRITTEN))
        os.close(fd)
        return pages


class Tree:
    def __init__(self, directory, rng):
        self.directory = directory
        self.rng = rng
        self.files = []
        self.n_made = 0
        self.can_share = True

    def by_inode(self, inode):
        return next((f for f in self.files if f.inode == inode), None)

    def new_path(self):
        self.n_made += 1
        return f"{self.directory}/f{self.n_made}"

    # --- one random change each

    def any_range(self, f, most_pages, unit):
        """Somewhere in the file, aligned to unit; (0, 0) if it is empty."""
        n_units = len(f.data) // unit
        if not n_units:
            return 0, 0
        at = self.rng.randrange(n_units)
        n = self.rng.randint(1, min(n_units - at, max(1, most_pages * PAGE // unit)))
        return at * unit, n * unit

    def create(self):
        f = File(self.new_path())
        self.files.append(f)
        self.write(f, 0, self.rng.choice((1, 100, PAGE, 3 * PAGE + 77, self.rng.randrange(400000))))
        return f

    def write(self, f, offset=None, length=None):
        if offset is None:
            offset = self.rng.randrange(min(len(f.data) + 20000, (MAX_FILE_PAGES - 16) * PAGE))
            length = self.rng.choice((1, 512, PAGE, self.rng.randrange(1, 60000)))
        data = self.rng.randbytes(length)
        if f.is_shared:
            start, end = offset - offset % PAGE, -(-(offset + length) // PAGE) * PAGE
            whole = bytearray(f.data[start:end].ljust(end - start, b"\0"))
            whole[offset - start:offset - start + length] = data
            offset, length, data = start, end - start, bytes(whole)
        fd = f.open()
        write_whole(fd, data, offset)
        os.close(fd)
        f.set(offset, data)

    def truncate(self, f):
        length = self.rng.randrange(len(f.data) + 9000)
        if f.is_shared:
            length -= length % PAGE
        os.truncate(f.paths[0], length)
        del f.data[length:]
        f.set(length, b"")

    def punch(self, f):
        self.zeros(f, PUNCH_HOLE | KEEP_SIZE,
                   PAGE if f.is_shared else self.rng.choice((1, PAGE)))

    def unwritten(self, f):
        self.zeros(f, ZERO_RANGE | KEEP_SIZE, PAGE)

    def zeros(self, f, mode, unit):
        offset, length = self.any_range(f, 12, unit)
        if not length:
            return
        fd = f.open()
        fallocate(fd, mode, offset, length)
        os.close(fd)
        f.set(offset, bytes(length))

    def preallocate(self, f):
        """Beyond the end, too."""
        fd = f.open()
        fallocate(fd, KEEP_SIZE, self.rng.randrange(len(f.data) // PAGE + 1) * PAGE, 4 * PAGE)
        os.close(fd)

    def share(self, f):
        """Pages of one file in another, or elsewhere in the same."""
        to = self.rng.choice(self.files)
        offset, length = self.any_range(f, 40, PAGE)
        if not length or not self.can_share:
            return
        to_offset = self.rng.randrange(min(len(to.data) // PAGE + 4, MAX_FILE_PAGES - 40)) * PAGE
        if to is f and abs(offset - to_offset) < length:
            return
        self.clone(f, offset, length, to, to_offset)

    def share_whole(self, f):
        if self.can_share and len(self.files) < 16:
            to = File(self.new_path())
            self.files.append(to)
            self.clone(f, 0, len(f.data), to, 0)

    def clone(self, f, offset, length, to, to_offset):
        source, target = f.open(), to.open()
        try:
            if length:
                fcntl.ioctl(target, FICLONERANGE,
                            struct.pack("=qQQQ", source, offset, length, to_offset))
                to.set(to_offset, bytes(f.data[offset:offset + length]))
                f.is_shared = to.is_shared = True
        except OSError as e:
            if e.errno != errno.EOPNOTSUPP:
                raise
            self.can_share = False
        finally:
            os.close(source)
            os.close(target)

    def link(self, f):
        path = self.new_path()
        os.link(f.paths[0], path)
        f.paths.append(path)

    def unlink(self, f):
        os.unlink(f.paths.pop(self.rng.randrange(len(f.paths))))
        if not f.paths:
            self.files.remove(f)

    def change(self, n):
        """So many changes; then all of it is on the media."""
        while len(self.files) < 4:
            self.create()
        for _ in range(n):
            if len(self.files) < 4 or self.rng.random() < 0.1 and len(self.files) < 12:
                self.create()
            what = self.rng.choice((self.write, self.write, self.write, self.truncate, self.punch,
                                    self.unwritten, self.preallocate, self.share, self.share,
                                    self.share_whole, self.link, self.unlink))
            what(self.rng.choice(self.files))
        os.sync()

    # --- what became of it

    def owners(self):
        """{byte on the device: [(file, file offset, is unwritten)]}, page by page."""
        found = {}
        for f in self.files:
            for offset, (where, is_unwritten) in f.pages().items():
                found.setdefault(where, []).append((f, offset, is_unwritten))
        return found

    def read(self, f):
        """Its bytes, and the pages that can't be read. What ends short has met one of these."""
        fd = f.open(os.O_RDONLY)
        data, unreadable = bytearray(), []
        size = os.fstat(fd).st_size
        try:
            data += os.pread(fd, size, 0)
        except OSError:
            pass
        if len(data) < size:
            data = bytearray()
            for at in range(0, size, PAGE):
                try:
                    data += os.pread(fd, PAGE, at)
                except OSError as e:
                    if e.errno not in (errno.EIO, errno.EFAULT):
                        raise
                    data += bytes(f.data[at:at + PAGE])
                    unreadable.append(at)
        os.close(fd)
        return data, unreadable


def runs(offsets, unit):
    """Ranges (start, length) that these offsets of units make."""
    result = array.array("q")
    for offset in sorted(offsets):
        if result and result[-2] + result[-1] == offset:
            result[-1] += unit
        else:
            result.extend((offset, unit))
    return list(zip(result[::2], result[1::2]))
