# SPDX-License-Identifier: GPL-2.0-or-later
"""model: files at random, poison at random, kills and failures at random; then every byte is looked at.

  files -> bed -> [__main__]

A round: change the files; poison some of their pages; let the daemon repair, and kill it, or let the
platform refuse; then let it repair to the end. Of every file each byte shall be what it was, or a
zero that the ledger lists as lost. The media scramble what is poisoned, so nothing is whole by luck.

What is poisoned once is poisoned before anything moves, so that whose bytes are lost is known.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import time

import bed
import writer
from files import PAGE, SECTOR, Tree, free_pages, runs

SETTLE_SEC = 300
MAX_PAGES = 64           # 256 KiB at a time: 6.1 keeps a longer range out of order


class Wrong(Exception):
    """The claim does not hold."""


class Mapper:
    """A process that stores into one sector of a page all the time, and tells a store that was lost."""

    def __init__(self, program, f, offset, sector, log):
        self.file, self.offset, self.sector, self.log = f, offset, sector, log
        self.range = range(offset + sector * SECTOR, offset + (sector + 1) * SECTOR)
        log.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [program, "store", "--log", log, "--offset", str(offset), "--slots",
             f"{sector * SECTOR}:{(sector + 1) * SECTOR}", f.paths[0]])
        bed.wait_for(lambda: log.exists() and b"ready" in log.read_bytes(), 120, "a mapper is ready")

    def end(self):
        self.process.kill()
        self.process.wait()
        if b"lost slot" in self.log.read_bytes():
            raise Wrong(f"a store was lost: {self.log.read_text()[:2000]}")


class Round:
    def __init__(self, model, number):
        self.model, self.tree, self.daemon = model, model.tree, model.daemon
        self.rng = random.Random(f"{model.seed}:{number}")
        self.tree.rng = self.rng
        self.number = number
        self.bad = {}            # physical address of a page: its bad sectors
        self.lost = {}           # file: offsets of sectors that may be lost
        self.mapper = self.writer = None
        self.n_kills = 0
        self.story = []

    # --- poison

    def start_mapper(self):
        files = [f for f in self.tree.files if len(f.data) >= PAGE]
        if not files or self.rng.random() > 0.3:
            return
        f = self.rng.choice(files)
        places = [at for at, (_, is_unwritten) in f.pages().items()
                  if not is_unwritten and at + PAGE <= len(f.data)]
        if not places:
            return
        offset = self.rng.choice(sorted(places))
        self.mapper = Mapper(self.model.holdfile, f, offset, self.rng.randrange(8),
                             self.model.directory / "mapper.log")
        self.story.append("mapper")

    def choose(self):
        """
        Which sectors of which pages go bad. Nothing but files' pages, and a few free ones: not
        while clears are refused, as XFS shuts down when it gives one to anybody.
        """
        start = bed.pmem_start()
        owners = self.tree.owners()
        mapped = None
        if self.mapper:
            mapped = self.mapper.file.pages()[self.mapper.offset][0]
            self.add_sectors(mapped, [s for s in self.some_sectors() if s != self.mapper.sector])
        places = sorted(owners)
        free = [] if self.refusal else free_pages(self.model.mountpoint, 4)
        for _ in range(self.rng.choice((1, 1, 2, 3, 6))):
            n_pages = self.rng.choice((1, 1, 1, 2, 5, 16, MAX_PAGES))
            at = self.rng.choice(free if free and self.rng.random() < 0.1 else places)
            for where in range(at, at + n_pages * PAGE, PAGE):
                if where == mapped or where not in owners and where not in free:
                    break
                self.add_sectors(where, range(8) if n_pages > 1 and self.rng.random() < 0.8
                                 else self.some_sectors())
        for where, sectors in self.bad.items():
            for f, offset, is_unwritten in owners.get(where, ()):
                if not is_unwritten:
                    self.lost.setdefault(f, set()).update(offset + s * SECTOR for s in sectors)
        self.before = {f: f.pages() for f in self.tree.files}
        self.is_owned = {where for where, all in owners.items() if not all[0][2]}
        self.bad = {start + where: sectors for where, sectors in self.bad.items()}
        self.is_owned = {start + where for where in self.is_owned}

    def some_sectors(self):
        return self.rng.choice(((self.rng.randrange(8),), range(8), (0,), (7,),
                                self.rng.sample(range(8), 3), range(2, 6)))

    def add_sectors(self, where, sectors):
        if sectors:
            self.bad[where] = sorted(set(sectors) | set(self.bad.get(where, ())))

    def inject(self, how):
        """In pieces that lie within one page or cover whole pages."""
        sectors = [page + s * SECTOR for page, all in self.bad.items() for s in all]
        ranges = runs(sectors, SECTOR)
        self.rng.shuffle(ranges)
        for at, length in ranges:
            while length:
                n = min(length, MAX_PAGES * PAGE - at % PAGE)
                # Less than a sector is a sector to the kernel, but not to the media.
                part = 256 if n == SECTOR and self.rng.random() < 0.5 else n
                bed.poison(at, part, how)
                at, length = at + n, length - n

    def injure(self):
        """Poison while the daemon is down, stands, or finds it by a scrub."""
        how = self.rng.choice(("down", "stands", "scrub", "down-latent"))
        self.story.append(how)
        if how in ("stands", "scrub"):
            self.start_daemon()
        if how == "stands" and self.daemon.runs():
            os.kill(self.daemon.process.pid, signal.SIGSTOP)
        self.inject("" if how in ("scrub", "down-latent") else "notify")
        if how in ("stands", "down") and self.rng.random() < 0.5:
            self.start_writer()
        if how == "stands" and self.daemon.runs():
            os.kill(self.daemon.process.pid, signal.SIGCONT)
        if how in ("down", "down-latent"):
            self.start_daemon()
        if how in ("scrub", "down-latent"):
            bed.scrub()

    def start_writer(self):
        """Only now: until the kernel knows what is bad, a copy on write takes it for good."""
        self.writer = writer.Writer(self, self.model.directory / "writer.log")
        self.story.append("writer")

    # --- what goes wrong

    def choose_failure(self):
        """What the platform refuses, and for how long; and how the daemon is killed."""
        self.refusal = self.rng.choice((None, None, None, ("clear_fail", self.rng.randint(1, 20)),
                                        ("clear_fail", 1000000), ("clear_max", 512)))
        if self.refusal:
            self.story.append("{}={}".format(*self.refusal))
            bed.knob(*self.refusal)
        self.kill_way = self.rng.choice(("none", "none", "time", "time", "call", "call", "call"))
        self.crashes_left = {"none": 0, "time": self.rng.randint(1, 3),
                             "call": self.rng.randint(1, 3)}[self.kill_way]

    def start_daemon(self):
        crash = None
        if self.kill_way == "call" and self.crashes_left:
            self.crashes_left -= 1
            crash = {"CRASH_AT": str(int(2 ** self.rng.uniform(0, 7))),
                     "CRASH_WHOM": self.rng.choice(("daemon", "both")),
                     "CRASH_WHEN": self.rng.choice(("before", "after"))}
            self.story.append("at {CRASH_AT} {CRASH_WHOM} {CRASH_WHEN}".format(**crash))
        self.daemon.start(crash)

    def kill_in_time(self):
        """At some moment from the first step on, or when nothing happens."""
        if self.kill_way != "time" or not self.crashes_left or not self.daemon.worker():
            return
        self.crashes_left -= 1
        time.sleep(self.rng.uniform(0, 0.4))
        whom = self.rng.choice(("daemon", "both", "worker"))
        self.story.append(whom)
        self.daemon.kill(whom)
        self.n_kills += 1

    def settle(self):
        """Until all that is bad is an incident that rests; one that died is started again."""
        deadline = time.monotonic() + SETTLE_SEC
        while True:
            if time.monotonic() > deadline:
                raise Wrong(f"the daemon comes to rest: {json.dumps(self.incidents())[:4000]}")
            if not self.daemon.runs():
                self.n_kills += 1
                self.start_daemon()
                continue
            self.kill_in_time()
            incidents = self.incidents()
            if incidents is not None and all(i["state"] == "left" for i in incidents) and \
                    self.all_known(incidents):
                return incidents
            time.sleep(0.05)

    def incidents(self):
        try:
            return self.daemon.incidents()
        except (OSError, StopIteration):
            return None

    def all_known(self, incidents):
        """Does each range on the kernel's list belong to an incident?"""
        known = {sector for i in incidents
                 for sector in range(int(i["phys_start"], 16),
                                     int(i["phys_start"], 16) + i["length_bytes"], SECTOR)}
        return all(at in known for start, length in bed.badblocks()
                   for at in range(start, start + length, SECTOR))

    def repair_the_rest(self):
        """By order, now that nothing fails."""
        bed.knob("clear_fail", 0)
        bed.knob("clear_max", 0)
        self.kill_way = "none"
        for _ in range(4):
            rest = [i for i in self.settle() if not is_stale(i)]
            if not rest:
                return
            bed.end_copies_on_write(self.model.mountpoint)
            for incident in rest:
                self.order(incident["incident"])
        raise Wrong(f"everything is repaired in the end: {json.dumps(rest)[:4000]}")

    def order(self, number):
        try:
            reply = self.daemon.call("Repair", incident=number)
            self.model.note(f"order {number}: {json.dumps(reply)[-300:]}")
        except OSError:
            self.model.note(f"order {number}: the daemon died")

    # --- what shall hold

    def check_own_changes(self):
        """Else what is found later is not the daemon's."""
        for f in self.tree.files:
            if self.tree.read(f) != (f.data, []):
                raise Wrong(f"{f.paths[0]} holds what was just written to it")

    def check_bytes(self, all_readable):
        """In the end; and before, when a repair that was cut off may not have told its losses yet."""
        listed = self.model.losses()
        for f in self.tree.files:
            data, unreadable = self.tree.read(f)
            if all_readable and unreadable:
                raise Wrong(f"{f.paths[0]} can be read at {unreadable}")
            if len(data) != len(f.data):
                raise Wrong(f"the size of {f.paths[0]} is {len(f.data)}: {len(data)}")
            if self.mapper and self.mapper.file is f:
                at = slice(self.mapper.range.start, self.mapper.range.stop)
                f.data[at] = data[at]
            if self.writer:
                self.writer.settle(f)
            zeros = listed.get(f.inode, []) if all_readable else \
                [(at, SECTOR) for at in self.lost.get(f, ())]
            self.check_file(f, data, zeros)
            if all_readable:
                f.data = data

    def check_file(self, f, data, listed):
        wanted, lost = bytearray(f.data), self.lost.get(f, ())
        for start, length in listed:
            if any(at not in lost for at in range(start - start % SECTOR, start + length, SECTOR)):
                raise Wrong(f"only what was bad is listed as lost of {f.paths[0]}: {start} {length}")
            end = max(start, min(start + length, len(data)))
            if not any(data[start:end]):
                wanted[start:end] = bytes(end - start)
        if data != wanted:
            wrong = runs((at for at in range(len(data)) if data[at] != wanted[at]), 1)
            raise Wrong(f"each byte of {f.paths[0]} (inode {f.inode}) is what it was, or a zero "
                        f"on record: {wrong[:20]}, listed {listed}, bad {runs(lost, SECTOR)}"
                        f"{self.describe(f, wrong[0][0], data, wanted)}")

    def describe(self, f, at, data, wanted):
        page = at - at % PAGE
        before, now = (pages.get(page, (0, False)) for pages in (self.before[f], f.pages()))
        same = [(other.paths[0], offset) for other in self.tree.files
                for offset, place in self.before[other].items() if place[0] == before[0]]
        return (f"; at {at} found {data[at:at + 16].hex()} for {wanted[at:at + 16].hex()}, page "
                f"{page} was at {before} with {same}, is at {now}"
                + (f", writes {self.writer.of_page(f, page)}" if self.writer else ""))

    def check_files(self):
        for f in self.tree.files:
            if os.stat(f.paths[0]).st_nlink != len(f.paths):
                raise Wrong(f"{f.paths} has its links")
            for path in f.paths:
                if os.stat(path).st_ino != f.inode:
                    raise Wrong(f"{path} is the file that it was")
            self.check_places(f)
        names = {os.path.basename(path) for f in self.tree.files for path in f.paths}
        if set(os.listdir(self.tree.directory)) != names:
            raise Wrong("nothing is added to the directory, nothing taken")
        if os.path.exists(f"{self.model.mountpoint}/.hwpoisond"):
            raise Wrong("nothing is left in the store: "
                        f"{os.listdir(self.model.mountpoint + '/.hwpoisond')}")

    def check_places(self, f):
        """What was not bad lies where it lay; holes are holes, unwritten is unwritten."""
        now, start = f.pages(), bed.pmem_start()
        written = self.writer.pages(f) if self.writer else ()
        for offset in now.keys() | self.before[f].keys():
            if offset in written or self.mapper and f is self.mapper.file and \
                    offset == self.mapper.offset:
                continue
            if offset not in now or offset not in self.before[f]:
                raise Wrong(f"holes of {f.paths[0]} are where they were: {offset}")
            (where, is_unwritten), (before, was_unwritten) = now[offset], self.before[f][offset]
            if is_unwritten != was_unwritten:
                raise Wrong(f"what is unwritten of {f.paths[0]} stays so: {offset}")
            if where != before and start + before not in self.bad:
                raise Wrong(f"what was whole of {f.paths[0]} stays where it is: {offset}")

    def check_sharing(self):
        """Who had a bad block together has a good one together, if nothing cut in."""
        if self.n_kills or self.mapper or self.writer or self.refusal:
            return
        together = {}
        for f in self.tree.files:
            for offset, (where, _) in f.pages().items():
                before = self.before[f][offset][0]
                together.setdefault(before, set()).add((where, min(PAGE, len(f.data) - offset)))
        for before, all in together.items():
            by_length = {}
            for where, length in all:
                by_length.setdefault(length, set()).add(where)
            if any(len(places) > 1 for places in by_length.values()):
                raise Wrong(f"who shared block {before:#x} shares one still: {all}")

    def check_media(self):
        """What is left is free or unwritten, and stale: the kernel forgets it at the next write."""
        if any(at - at % PAGE in self.bad for at, _ in bed.media()):
            raise Wrong(f"the media are clean: {bed.media()}")
        for start, length in bed.badblocks():
            for at in range(start, start + length, SECTOR):
                page = at - at % PAGE
                if page in self.bad and page in self.is_owned:
                    raise Wrong(f"the kernel's list has no block of a file: {page:#x}")

    def check_events(self):
        """Each sector that was bad was announced, once."""
        announced = collections.Counter()
        for event in self.model.new_events():
            if event["type"] == "io.hwpoisond.poison.found":
                start = int(event["data"]["phys_start"], 16)
                announced.update(range(start, start + event["data"]["length_bytes"], SECTOR))
        twice = sorted(at for at, n in announced.items() if n > 1)
        if twice:
            raise Wrong(f"each incident is told as new once: {[hex(at) for at in twice[:20]]}")
        never = {page + s * SECTOR for page, all in self.bad.items() for s in all} - set(announced)
        if never and not self.writer:
            raise Wrong(f"each bad sector is announced: {[hex(at) for at in sorted(never)[:20]]}")

    # --- all of it

    def run(self):
        self.tree.change(self.rng.randint(3, 15))
        self.check_own_changes()
        self.start_mapper()
        self.choose_failure()
        self.choose()
        self.injure()
        self.settle()
        if self.writer:
            self.writer.end()
        self.check_bytes(all_readable=False)
        self.repair_the_rest()
        if self.mapper:
            self.mapper.end()
        status = self.daemon.stop()
        if status:
            raise Wrong(f"the daemon ends well: {status}")
        self.check_bytes(all_readable=True)
        self.check_files()
        self.check_sharing()
        self.check_media()
        self.check_events()


def is_stale(incident):
    return incident.get("repair", {}).get("reason") == "stale-badblocks"


class Model:
    def __init__(self, options):
        self.seed = options.seed
        self.mountpoint = options.mountpoint
        self.holdfile = options.holdfile
        self.directory = pathlib.Path(options.directory)
        self.daemon = bed.Daemon(options.daemon, options.crashpoint, self.directory)
        os.mkdir(f"{self.mountpoint}/files")
        self.tree = Tree(f"{self.mountpoint}/files", random.Random(self.seed))
        self.last_loss = self.event_bytes = 0
        self.notes = []

    def note(self, text):
        self.notes = self.notes[-20:] + [text]

    def losses(self):
        """{inode: [(offset, length)]} that the ledger lists since the last round."""
        listed = {}
        with sqlite3.connect(f"file:{self.directory}/state/ledger.sqlite?mode=ro", uri=True,
                             timeout=20) as ledger:
            for inode, offset, length in ledger.execute(
                    "SELECT inode, file_offset_bytes, length_bytes FROM loss WHERE rowid > ?",
                    (self.last_loss,)):
                listed.setdefault(inode, []).append((offset, length))
        return listed

    def new_events(self):
        with open(self.directory / "events.jsonl", "rb") as f:
            f.seek(self.event_bytes)
            for line in f:
                yield json.loads(line)
            self.event_bytes = f.tell()

    def end_round(self):
        with sqlite3.connect(f"file:{self.directory}/state/ledger.sqlite?mode=ro",
                             uri=True) as ledger:
            self.last_loss = ledger.execute("SELECT ifnull(max(rowid), 0) FROM loss").fetchone()[0]

    def run(self, number):
        one = Round(self, number)
        begun = time.monotonic()
        try:
            one.run()
        except (Wrong, OSError) as e:
            print(f"not ok - round {number}: {e}")
            print("    " + "; ".join(one.story))
            print("\n".join(self.notes))
            print("".join((self.directory / "daemon.log").read_text().splitlines(True)[-40:]))
            return False
        n_lost = sum(len(all) for all in one.lost.values())
        print(f"# round {number}: {len(self.tree.files)} files, {len(one.bad)} bad pages, "
              f"{n_lost} sectors of files; {'; '.join(one.story)}; {one.n_kills} kills; "
              f"{time.monotonic() - begun:.1f} s", flush=True)
        self.end_round()
        return True


def main():
    parser = argparse.ArgumentParser()
    for name in ("mountpoint", "directory", "daemon", "crashpoint", "holdfile"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    options = parser.parse_args()
    bed.knob("scramble", 1)
    bed.knob("scrub_ms", 20)
    model = Model(options)
    return 0 if all(model.run(n) for n in range(1, options.rounds + 1)) else 1


if __name__ == "__main__":
    sys.exit(main())
