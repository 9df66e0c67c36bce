"""Attacks a server beside a good client, and prints a verdict for each attack.

    python3 tests/attack/attack.py --server target/release/jobflow-server

Needs redis-server and nothing but the standard library. A good client submits 500 jobs
a second over one connection from before the attack. The server holds when the client
sees no error, its 99th percentile stays within three times that without the attack,
which is measured before and after each (or within 20 ms, where that is more: below it
one measures the machine), the memory of the server grows by 64 MiB at most, and it takes
a new connection afterwards.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time

from cases import CASES

RATE = 500
FLOOR_MS = 20.0
MEMORY_KIB = 64 * 1024


class Good:
    """Submits at a steady rate, whatever the answers take."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(*address, timeout=5)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def submit(self):
        head = {"content-type": "application/json"}
        body = json.dumps({"name": "good", "queue": "good", "data": {"n": 1}})
        self.connection.request("POST", "/jobs", body, head)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status == 201

    def run(self, seconds):
        """Milliseconds of each call from when it was due, and the number of errors."""
        took, errors, began = [], 0, time.monotonic()
        for number in range(int(seconds * RATE)):
            due = began + number / RATE
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            try:
                errors += not self.submit()
            except (OSError, http.client.HTTPException):
                errors += 1
                self.connection.close()
            took.append((time.monotonic() - due) * 1000)
        took.sort()
        return took[int(len(took) * 0.99)], errors


def memory_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1])


def attacker(run, address, until):
    # Two connections of an attacker at a time, and a new one for each that is cut.
    os.nice(5)
    while time.monotonic() < until:
        try:
            run(address, until)
        except OSError:
            time.sleep(0.05)


def takes_connections(address):
    try:
        connection = http.client.HTTPConnection(*address, timeout=5)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(address):
    for _ in range(200):
        if takes_connections(address):
            return
        time.sleep(0.05)
    sys.exit("the server does not start")


def attack_all(address, pid, seconds, only):
    good = Good(address)
    good.run(1)
    rest = max(seconds / 2, 1)
    before, _ = good.run(rest)
    print(f"{'attack':40} {'without':>8} {'p99 ms':>8} {'errors':>7} {'memory MiB':>11}  verdict")
    failed = tried = 0
    for name, run in CASES:
        if only and only not in name:
            continue
        held_before, until = memory_kib(pid), time.monotonic() + seconds
        other = multiprocessing.Process(target=attacker, args=(run, address, until))
        other.start()
        p99, errors = good.run(seconds)
        grown = memory_kib(pid) - held_before
        other.join(2)
        if other.is_alive():
            other.kill()
            other.join()
        after, late = good.run(rest)
        without, before = max(before, after), after
        swift = p99 <= max(3 * without, FLOOR_MS)
        well = errors + late == 0 and takes_connections(address)
        holds = well and swift and grown <= MEMORY_KIB
        tried, failed = tried + 1, failed + (not holds)
        verdict = "holds" if holds else "FAILS"
        numbers = f"{without:8.1f} {p99:8.1f} {errors + late:7} {grown / 1024:11.1f}"
        print(f"{name:40} {numbers}  {verdict}", flush=True)
    print(f"\n{tried - failed} of {tried} attacks held")
    return failed == 0


def main():
    parser = argparse.ArgumentParser(description="attack a server beside a good client")
    parser.add_argument("--server", required=True, help="the binary")
    parser.add_argument("--seconds", type=float, default=4, help="of each attack")
    parser.add_argument("--only", help="attacks whose name has this in it")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    redis_port, port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        redis = subprocess.Popen(
            ["redis-server", "--port", str(redis_port), "--dir", folder, "--save", ""], **quiet
        )
        listen = f"127.0.0.1:{port}"
        url = f"redis://127.0.0.1:{redis_port}/"
        server = subprocess.Popen([options.server, "--listen", listen, "--redis", url], **quiet)
        try:
            address = ("127.0.0.1", port)
            wait_for(address)
            held = attack_all(address, server.pid, options.seconds, options.only)
            held = held and server.poll() is None
        finally:
            server.kill()
            redis.kill()
            server.wait()
            redis.wait()
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
