"""Attacks a server beside a good client, and prints a verdict for each attack.

    cargo xtask attack

Needs redis-server, openssl and nothing but the standard library. A good client submits
500 jobs a second over one connection from before the attack. The server holds when the
client sees no error, its 99th percentile stays within three times that without the attack,
which is measured before and after each (or within 20 ms, where that is more: below it
one measures the machine), the memory of the server grows by 64 MiB at most, its peak, and
it takes a new connection afterwards. Attacks on TLS go to a second server, with a good client of
its own that speaks TLS. An attack that seems to succeed is tried again, up to three times
in all, because a machine that does something else for a moment looks the same: what the
server is to blame for happens each time.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import time

from cases import CASES

RATE = 500
FLOOR_MS = 20.0
MEMORY_KIB = 64 * 1024
# Of an attack that seems to succeed.
TRIES = 3
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def connection_to(address, tls):
    if not tls:
        return http.client.HTTPConnection(*address, timeout=5)
    context = ssl.create_default_context(cafile=tls)
    return http.client.HTTPSConnection("localhost", address[1], timeout=5, context=context)


class Good:
    """Submits at a steady rate, whatever the answers take."""

    def __init__(self, address, tls):
        self.connection = connection_to(address, tls)
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


def memory_kib(pid, which):
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith(which))
    return int(line.split()[1])


def forget_peak(pid):
    """From now on VmHWM is the peak of what comes."""
    with open(f"/proc/{pid}/clear_refs", "w") as clear:
        clear.write("5")


def attacker(run, address, until):
    # Two connections of an attacker at a time, and a new one for each that is cut.
    os.nice(5)
    while time.monotonic() < until:
        try:
            run(address, until)
        except OSError:
            time.sleep(0.05)


def takes_connections(address, tls):
    try:
        connection = connection_to(address, tls)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(address, tls):
    for _ in range(200):
        if takes_connections(address, tls):
            return
        time.sleep(0.05)
    sys.exit("the server does not start")


class Target:
    """A server with its good client."""

    def __init__(self, binary, redis, folder, tls=None):
        self.address, self.tls = ("127.0.0.1", free_port()), tls
        words = [binary, "--listen", "127.0.0.1:%d" % self.address[1], "--redis", redis]
        words += ["--namespace", "tls" if tls else "plain"]
        if tls:
            words += ["--tls-cert", tls, "--tls-key", os.path.join(folder, "key.pem")]
        self.process = subprocess.Popen(words, **QUIET)
        wait_for(self.address, tls)
        self.good = Good(self.address, tls)
        self.good.run(1)
        self.before = None

    def attack(self, run, seconds):
        """The 99th percentiles without and with it, errors, and KiB of memory."""
        rest = max(seconds / 2, 1)
        before = self.before or self.good.run(rest)[0]
        forget_peak(self.process.pid)
        held, until = memory_kib(self.process.pid, "VmRSS"), time.monotonic() + seconds
        other = multiprocessing.Process(target=attacker, args=(run, self.address, until))
        other.start()
        p99, errors = self.good.run(seconds)
        grown = memory_kib(self.process.pid, "VmHWM") - held
        other.join(2)
        if other.is_alive():
            other.kill()
            other.join()
        self.before, late = self.good.run(rest)
        answers = takes_connections(self.address, self.tls) and self.process.poll() is None
        return max(before, self.before), p99, errors + late + (not answers), grown


def holds(without, p99, errors, grown):
    return errors == 0 and p99 <= max(3 * without, FLOOR_MS) and grown <= MEMORY_KIB


def attack_all(plain, safe, seconds, only):
    print(f"{'attack':44} {'without':>8} {'p99 ms':>8} {'ratio':>6} {'errors':>7} {'MiB':>6}  verdict")
    failed = tried = over = 0
    for name, run, tls in CASES:
        if only and only not in name:
            continue
        for attempt in range(1, TRIES + 1):
            seen = (safe if tls else plain).attack(run, seconds)
            if holds(*seen):
                break
        without, p99, errors, grown = seen
        tried, failed = tried + 1, failed + (not holds(*seen))
        over += p99 > 3 * without
        again = f", at attempt {attempt}" if attempt > 1 else ""
        verdict = ("holds" if holds(*seen) else "FAILS") + again
        numbers = f"{without:8.1f} {p99:8.1f} {p99 / without:6.1f} {errors:7} {grown / 1024:6.1f}"
        print(f"{name:44} {numbers}  {verdict}", flush=True)
    print(f"\n{tried - failed} of {tried} attacks held; {over} over three times the 99th percentile")
    return failed == 0


def certificate(folder):
    """One that signs itself, for localhost."""
    cert, key = (os.path.join(folder, name) for name in ("cert.pem", "key.pem"))
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", cert]
    words += ["-addext", "subjectAltName=DNS:localhost"]
    words += ["-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(words, check=True, **QUIET)
    return cert


def main():
    parser = argparse.ArgumentParser(description="attack a server beside a good client")
    parser.add_argument("--server", required=True, help="the binary")
    parser.add_argument("--seconds", type=float, default=4, help="of each attack")
    parser.add_argument("--only", help="attacks whose name has this in it")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        words = ["redis-server", "--port", str(port), "--dir", folder, "--save", ""]
        children, held = [subprocess.Popen(words, **QUIET)], False
        try:
            redis = f"redis://127.0.0.1:{port}/"
            plain = Target(options.server, redis, folder)
            children.append(plain.process)
            safe = Target(options.server, redis, folder, certificate(folder))
            children.append(safe.process)
            held = attack_all(plain, safe, options.seconds, options.only)
        finally:
            for child in children:
                child.kill()
                child.wait()
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
