"""Runs server, worker and command line under `packaging/redis/users.acl`.

    python3 tests/attack/rights.py --binaries target/debug

Needs redis-server and redis-cli. It holds when every command does its work, Redis has
refused nothing to server and worker, and refuses them, the viewer and strangers the rest.
"""

import argparse
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ACL = ROOT / "packaging" / "redis" / "users.acl"
FORBIDDEN = [
    ["flushall"],
    ["config", "get", "*"],
    ["keys", "*"],
    ["acl", "list"],
    ["set", "elsewhere", "1"],
    ["shutdown"],
    ["monitor"],
    ["script", "flush"],
    ["replicaof", "no", "one"],
]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Redis:
    def __init__(self, folder):
        self.port = free_port()
        users = pathlib.Path(folder) / "users.acl"
        users.write_text(ACL.read_text() + "user judge on nopass ~* &* +@all\n")
        arguments = ["--port", str(self.port), "--dir", folder, "--save", "", "--aclfile", str(users)]
        self.process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL)

    def url(self, user):
        return f"redis://jobflow-{user}:change-me-{user}@127.0.0.1:{self.port}/"

    def ask(self, user, *command):
        login = [] if user is None else ["--user", user, "--pass", user.replace("jobflow", "change-me")]
        words = ["redis-cli", "-p", str(self.port), "--no-auth-warning", *login, *command]
        return subprocess.run(words, capture_output=True, text=True, timeout=10).stdout.strip()


class CommandLine:
    def __init__(self, binary, server):
        self.words, self.faults = [binary, "--server", server, "--retry-for", "10s"], []

    def __call__(self, *words, codes=(0,)):
        done = subprocess.run([*self.words, *words], capture_output=True, text=True, timeout=60)
        if done.returncode not in codes:
            self.faults.append(f"{' '.join(words)}: {done.returncode} {done.stderr.strip()}")
        return done.stdout.split()


def use_everything(cli, folder):
    for number in range(5):
        cli("submit", "a", "--idempotency-key", f"k{number}", "--attempts", "2")
    late = cli("submit", "late", "--delay", "1h", "-o", "id")[0]
    for verb in (["get"], ["explain"], ["logs"], ["edit", "--priority", "1"], ["promote"]):
        cli("job", verb[0], late, *verb[1:])
    later = cli("submit", "later", "--queue", "other", "--delay", "1h", "-o", "id")[0]
    cli("job", "cancel", later)
    cli("job", "retry", later)
    cli("submit", "a", "--wait", codes=(0, 7, 8))
    for words in (
        ["job", "list", "--filter", "state = failed"],
        ["job", "count"],
        ["queue", "list"],
        ["queue", "pause", "other", "--reason", "why"],
        ["queue", "resume", "other"],
        ["queue", "set", "other", "--max-waiting", "10"],
        ["queue", "drain", "other"],
        ["queue", "resume", "other"],
        ["dead", "groups"],
        ["metrics"],
        ["doctor"],
        ["bulk", "cancel", "--filter", "queue = other", "--yes", "--wait"],
        ["bulk", "list"],
        ["token", "create", "t", "--role", "viewer", "--to", os.path.join(folder, "token")],
        ["token", "list"],
        ["audit"],
        ["job", "delete", later, "--yes"],
        ["queue", "purge", "other", "--state", "cancelled", "--yes"],
    ):
        cli(*words)
    worker = cli("worker", "list", "-o", "id")[0]
    cli("worker", "quiet", worker)
    cli("worker", "resume", worker)


def check_refusals(redis):
    faults = []
    for user in ("jobflow-server", "jobflow-worker", "jobflow-viewer"):
        for command in FORBIDDEN:
            said = redis.ask(user, *command)
            if "NOPERM" not in said:
                faults.append(f"{user} may {' '.join(command)}: {said}")
    said = redis.ask("jobflow-viewer", "hset", "jf:{default}:tokens", "x", "y")
    if "NOPERM" not in said:
        faults.append(f"the viewer writes: {said}")
    said = redis.ask(None, "ping")
    if "NOAUTH" not in said:
        faults.append(f"a stranger is heard: {said}")
    return faults


def main():
    parser = argparse.ArgumentParser(description="run everything under the ACL file")
    parser.add_argument("--binaries", required=True, help="the folder that has them")
    binaries = pathlib.Path(parser.parse_args().binaries).resolve()
    with tempfile.TemporaryDirectory() as folder:
        redis, children = Redis(folder), []
        listen = f"127.0.0.1:{free_port()}"
        handler = "*=simulate:1ms..5ms,fail=20%,snooze=10%,progress,log"
        worker = ["--handler", handler, "--listen", f"127.0.0.1:{free_port()}"]
        try:
            for name, more in (("server", ["--listen", listen]), ("worker", worker)):
                words = [binaries / f"jobflow-{name}", "--redis", redis.url(name), *more]
                log = open(os.path.join(folder, f"{name}.log"), "w")
                children.append(subprocess.Popen(words, stderr=log))
            cli = CommandLine(binaries / "jobflow-cli", f"http://{listen}")
            use_everything(cli, folder)
            # The slowest loop of a server comes round once in that time.
            time.sleep(61)
            faults = cli.faults
            refused = redis.ask("judge", "acl", "log")
            faults += [f"Redis refused: {refused}"] if refused else []
            faults += check_refusals(redis)
        finally:
            for child in [*children, redis.process]:
                child.terminate()
                child.wait()
    print("\n".join(faults) or "everything works under these rights, and nothing else is allowed")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
