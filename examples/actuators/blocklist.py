#!/usr/bin/env python3
"""Keeps a list of what is denied, for a firewall or a name server to read.

Python 3 and its standard library. Works in both modes.

    install -m 0755 blocklist.py /usr/local/lib/oc2/blocklist
    install -d -m 0755 /var/lib/oc2

    # topics.toml
    [actuator.blocklist]
    kind = "exec"
    profile = "x-blocklist"
    pairs = { deny = ["ipv4_net", "ipv6_net", "domain_name"], allow = ["ipv4_net", "ipv6_net", "domain_name"], query = ["x-blocklist:entries"] }
    command = ["/usr/local/lib/oc2/blocklist", "/var/lib/oc2/blocklist"]
    mode = "stream"
    timeout = "5s"
    understands = ["stop", "probe"]

    oc2 send deny ipv4_net 203.0.113.0/24 --profile x-blocklist
    oc2 send deny ipv4_net 203.0.113.0/24 --profile x-blocklist --arg duration=1h
    oc2 send query x-blocklist:entries '{}' --profile x-blocklist

The file has a line for each entry, its kind and its value, sorted:

    domain_name bad.example
    ipv4_net 203.0.113.0/24

It is replaced as a whole: whoever reads it sees the old list or the new one,
and a command is answered 200 only when the new one is on the disk. Denying what
is denied and allowing what is allowed change nothing and succeed.

When the time of a command is over ("stop"), an entry that it denied is allowed
again, and the other way round. After a crash of the bridge it is asked whether
a command was carried out ("probe"): the list shows it.
"""

import contextlib
import fcntl
import ipaddress
import json
import os
import re
import sys

# Entries of each kind that a query answers, so that the response stays small.
SHOWN = 1000

LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


class Refusal(Exception):
    """Why a command is not carried out: a status and a sentence."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def domain_name(text):
    name = text.lower().rstrip(".")
    if len(name) > 253 or not all(LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError("not a domain name")
    return name


def network(of):
    def canonical(text):
        # A number would be taken for an address, and a zone is no part of a network.
        if not isinstance(text, str) or "%" in text:
            raise ValueError("not a network")
        return str(of(text, strict=False))

    return canonical


# The arguments of the language itself, which the bridge sees to.
ARGUMENTS = ("start_time", "stop_time", "duration", "response_requested")

# How a value of each kind is written: the same thing always in the same way.
KINDS = {
    "ipv4_net": network(ipaddress.IPv4Network),
    "ipv6_net": network(ipaddress.IPv6Network),
    "domain_name": domain_name,
}


class BlockList:
    """The file, and the lock that keeps two of us from changing it at once."""

    def __init__(self, path):
        self.path = path

    @contextlib.contextmanager
    def locked(self):
        with open(self.path + ".lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def read(self):
        try:
            with open(self.path, encoding="ascii") as lines:
                return {tuple(line.split()) for line in lines if line.strip()}
        except FileNotFoundError:
            return set()

    def write(self, entries):
        new = self.path + ".new"
        with open(new, "w", encoding="ascii") as lines:
            os.fchmod(lines.fileno(), 0o644)
            lines.writelines(f"{kind} {value}\n" for kind, value in sorted(entries))
            lines.flush()
            os.fsync(lines.fileno())
        os.replace(new, self.path)
        # The new name is safe when the directory is.
        directory = os.open(os.path.dirname(os.path.abspath(self.path)), os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def perform(command, blocklist):
    """Carries a command out and answers the response."""
    if any(name not in ARGUMENTS for name in command.get("args", {})):
        raise Refusal(501, "this actuator has no arguments of its own")
    action = command["action"]
    ((target, value),) = command["target"].items()
    if action in ("deny", "allow") and target in KINDS:
        return change(action, target, value, blocklist)
    if action == "query" and target == "x-blocklist:entries":
        return query(blocklist)
    raise Refusal(501, "this actuator denies and allows networks and domain names")


def change(action, kind, value, blocklist):
    try:
        entry = (kind, KINDS[kind](value))
    except (ValueError, AttributeError) as error:
        raise Refusal(400, f"the value of {kind} cannot be used") from error
    with blocklist.locked():
        entries = blocklist.read()
        if (entry in entries) == (action == "deny"):
            return {"status": 200, "status_text": "nothing to change"}
        blocklist.write(entries ^ {entry})
    return {"status": 200}


def stop(command, blocklist):
    """The time of a command is over: undoes it."""
    opposite = {"deny": "allow", "allow": "deny"}
    return perform({**command, "action": opposite[command["action"]]}, blocklist)


def probe(command, blocklist):
    """Was it carried out? 404 says that it was not."""
    action = command["action"]
    if action == "query":
        # Nothing is lost by asking again.
        return {"status": 404}
    ((kind, value),) = command["target"].items()
    try:
        entry = (kind, KINDS[kind](value))
    except (ValueError, AttributeError) as error:
        raise Refusal(400, f"the value of {kind} cannot be used") from error
    with blocklist.locked():
        is_denied = entry in blocklist.read()
    return {"status": 200 if is_denied == (action == "deny") else 404}


def query(blocklist):
    with blocklist.locked():
        entries = blocklist.read()
    found = {}
    for kind in KINDS:
        values = sorted(value for entry_kind, value in entries if entry_kind == kind)
        found[kind] = {"count": len(values), "entries": values[:SHOWN]}
    return {"status": 200, "results": {"x-blocklist": found}}


# What to do about a command, by the type of the message.
WAYS = {"command": perform, "stop": stop, "probe": probe}


def respond(way, command, blocklist):
    try:
        return WAYS[way](command, blocklist)
    except Refusal as refusal:
        return {"status": refusal.status, "status_text": str(refusal)}
    except OSError as error:
        # Standard error goes to the log of the bridge; a producer need not know our paths.
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return {"status": 500, "status_text": "the block list cannot be read or written"}


def say(message):
    print(json.dumps(message), flush=True)


def main():
    if len(sys.argv) != 2:
        print("usage: blocklist FILE", file=sys.stderr)
        sys.exit(1)
    blocklist = BlockList(sys.argv[1])
    # In mode "oneshot" there is one line, a command. In mode "stream" there is
    # a hello and then many lines; "cancel" needs no answer, because
    # by then the command has been carried out and answered.
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "hello":
            say({"type": "ready", "v": 1})
        elif message["type"] == "ping":
            say({"type": "pong"})
        elif message["type"] in WAYS:
            response = respond(message["type"], message["command"], blocklist)
            say({"type": "response", "id": message["id"], "response": response})


if __name__ == "__main__":
    main()
