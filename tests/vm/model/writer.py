# SPDX-License-Identifier: GPL-2.0-or-later
"""writer: a process that writes to the files while their pages are repaired.

  files -> [writer] -> __main__

It writes a few bytes at a time into sectors that are not bad, half of them in pages that are,
half of them anywhere. A write that succeeded must be there in the end, and nothing of one that failed.
"""
import os
import random
import signal
import time

import bed
from files import PAGE, SECTOR

END_SEC = 120


class Writer:
    def __init__(self, a_round, log):
        self.log = log
        self.places = {}                     # path: [(offset of a sector, is in a bad page)]
        self.file_of = {}
        self.writes, self.written = {}, {}   # by file; filled in at the end
        for f in a_round.tree.files:
            bad = a_round.lost.get(f, ())
            if a_round.mapper and a_round.mapper.file is f or len(f.data) < PAGE:
                continue
            # Not into holes, see files.File.
            places = [at for page, (_, is_unwritten) in sorted(f.pages().items())
                      if not is_unwritten and page + PAGE <= len(f.data)
                      for at in range(page, page + PAGE, SECTOR) if at not in bad]
            near = [at for at in places
                    if any(at - at % PAGE + s * SECTOR in bad for s in range(8))]
            if places:
                self.places[f.paths[0]] = (places, near or places)
                self.file_of[f.paths[0]] = f
        self.log.write_bytes(b"")
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.write(random.Random(a_round.number))
            finally:
                os._exit(1)

    def write(self, rng):
        """In the child, until it is told to end."""
        ended = []
        signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND)
        paths = list(self.places)
        while paths and not ended:
            path = rng.choice(paths)
            at = rng.choice(rng.choice(self.places[path])) + rng.randrange(SECTOR - 8)
            data = rng.randbytes(8)
            record = f"{path} {at} {data.hex()}"
            os.write(log, f"? {record}\n".encode())
            fd = os.open(path, os.O_WRONLY)
            try:
                done = os.pwrite(fd, data, at) == len(data)
            except OSError:
                done = False
            os.close(fd)
            os.write(log, f"{'+' if done else '-'} {record}\n".encode())
            time.sleep(0.01)
        os._exit(0)

    def end(self):
        """One that was stopped and forgotten does not end."""
        os.kill(self.pid, signal.SIGTERM)
        bed.wait_for(lambda: os.waitpid(self.pid, os.WNOHANG)[0], END_SEC, "the writer ends")
        for line in self.log.read_text().splitlines():
            how, path, at, data = line.split()
            if how != "?":
                self.writes.setdefault(self.file_of[path], []).append(
                    (how == "+", int(at), bytes.fromhex(data)))

    def settle(self, f):
        """What succeeded is what the file ought to hold; of what failed, nothing."""
        for done, at, data in self.writes.pop(f, ()):
            if done:
                f.set(at, data)
                self.written.setdefault(f, set()).add(at - at % PAGE)

    def of_page(self, f, page):
        """What was tried there, for whoever wants to know what went wrong."""
        return [line for line in self.log.read_text().splitlines()
                if line[0] != "?" and line.split()[1] in f.paths
                and page <= int(line.split()[2]) < page + PAGE]

    def pages(self, f):
        return self.written.get(f, ())
