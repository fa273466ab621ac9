# SPDX-License-Identifier: GPL-2.0-or-later
"""bed: the test bed's media and its knobs, and the daemon under test.

  files -> [bed] -> __main__

The paths are those of lib.sh, which made the bus and the filesystem.
"""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

KNOBS = pathlib.Path("/sys/kernel/debug/ndbed")
REGION = pathlib.Path("/sys/bus/nd/devices/region0")
BUS = pathlib.Path("/sys/bus/nd/devices/ndbus0")
PMEM = pathlib.Path("/sys/block/pmem0")
START_SEC = 120


def knob(name, value):
    (KNOBS / name).write_text(f"{value}\n")


def pmem_start():
    return int((PMEM / "device/resource").read_text(), 0)


def poison(phys, length, how=""):
    (KNOBS / "poison").write_text(f"{phys:#x} {length} {how}\n")


def media():
    """(physical address, length) of what is poisoned."""
    lines = (KNOBS / "poison").read_text().splitlines()
    return [(int(line.split()[0], 0), int(line.split()[1])) for line in lines]


def badblocks():
    """The same of the kernel's list for the block device."""
    start = pmem_start()
    lines = (PMEM / "badblocks").read_text().splitlines()
    return [(start + 512 * int(line.split()[0]), 512 * int(line.split()[1])) for line in lines]


def region_badblocks():
    return (REGION / "badblocks").read_text().split()


def scrub():
    """Start one and wait for its end."""
    path = BUS / "nfit/scrub"
    before = int(path.read_text().strip().rstrip("+"))
    path.write_text("1\n")
    wait_for(lambda: path.read_text().strip() == str(before + 1), 120, "a scrub ends")


def end_copies_on_write(mountpoint):
    """XFS keeps blocks for those to come, for minutes: whose these will be, nobody knows yet."""
    os.sync()
    subprocess.run(["xfs_spaceman", "-c", "prealloc -s", mountpoint], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


class Daemon:
    def __init__(self, program, crashpoint, directory):
        self.program = program
        self.crashpoint = crashpoint
        self.directory = pathlib.Path(directory)
        self.process = None

    def start(self, crash=None):
        """crash: {"CRASH_AT": ...} of crashpoint.c. It may be dead when this returns."""
        environment = dict(os.environ)
        if crash:
            environment.update(crash, LD_PRELOAD=self.crashpoint)
        with open(self.directory / "daemon.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--config", self.directory / "hwpoisond.conf",
                 "--state-dir", self.directory / "state", "--runtime-dir", self.directory / "run"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        wait_for(lambda: not self.runs() or self.answers(), START_SEC, "the daemon starts")

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def answers(self):
        try:
            self.call("Status")
        except OSError:
            return False
        return True

    def worker(self):
        """The process that repairs, if there is one just now."""
        pid = self.process.pid
        try:
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            for child in children:
                if pathlib.Path(f"/proc/{child}/comm").read_text() == "hwp-repair\n":
                    return int(child)
        except OSError:
            pass
        return None

    def kill(self, whom):
        """whom: "daemon", "both" (with its worker) or "worker"."""
        worker = self.worker() if whom != "daemon" else None
        if whom != "worker":
            self.process.kill()
            self.process.wait()
        if worker:
            try:
                os.kill(worker, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def stop(self):
        """Its exit status."""
        self.process.terminate()
        status = self.process.wait(60)
        self.process = None
        return status

    # --- Varlink

    def replies(self, method, more=False, **parameters):
        message = {"method": f"io.hwpoisond.{method}", "parameters": parameters, "more": more}
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(120)
            s.connect(str(self.directory / "run/io.hwpoisond"))
            s.sendall(json.dumps(message).encode() + b"\0")
            data = b""
            while True:
                while b"\0" not in data:
                    part = s.recv(65536)
                    if not part:
                        raise ConnectionResetError("the daemon hung up")
                    data += part
                line, data = data.split(b"\0", 1)
                reply = json.loads(line)
                yield reply
                if not reply.get("continues"):
                    return

    def call(self, method, **parameters):
        return next(self.replies(method, **parameters))

    def incidents(self):
        return [incident for reply in self.replies("List", more=True)
                for incident in reply["parameters"]["incidents"]]
