#!/usr/bin/env -S python3 -IS
"""An actuator that leaves a trace: for each command a line with its request_id.

The line is on the disk before the command is answered, so what is in the file
has happened, whoever was killed meanwhile. Lines are of one length and never
cross a page, so that a kill leaves whole ones. Speaks the stream mode of exec.

    witness.py WORK_S FILE [GATE]

Each command takes WORK_S before the effect and as long after it, so that a kill
finds it at work. With GATE, commands are answered once that file is there.

What it ends when it is told to stop goes to FILE.ended in the same way, and what
it is asked about to FILE.asked: it was done if it is in FILE. A command that is
cancelled before it is looked at is given up, and nothing of it is done.
"""

import json
import os
import sys
import time

LINE_BYTES = 64
LOOK_EVERY_S = 0.005


def trace(path):
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)


def leave(file, lines):
    os.write(file, "".join(lines).encode())
    os.fsync(file)


def main(work_s, path, gate=None):
    work_s = float(work_s)
    effects, ended, asked = trace(path), trace(path + ".ended"), trace(path + ".asked")
    rest = b""
    while chunk := os.read(0, 65536):
        *lines, rest = (rest + chunk).split(b"\n")
        messages = [json.loads(line) for line in lines]
        given_up = {message["id"] for message in messages if message["type"] == "cancel"}
        done, stopped, said = [], [], []
        for message in messages:
            kind = message["type"]
            if kind == "hello":
                said.append({"type": "ready", "v": 1})
                continue
            if kind == "ping":
                said.append({"type": "pong"})
                continue
            if kind == "cancel":
                continue
            line = message["source"]["request_id"].ljust(LINE_BYTES - 1) + "\n"
            response = {"status": 200}
            if kind == "stop":
                stopped.append(line)
            elif kind == "probe":
                leave(asked, [line])
                with open(path) as file:
                    response["status"] = 200 if line in file else 404
            elif message["id"] in given_up:
                response = {"status": 500, "status_text": "given up; nothing was done"}
            else:
                done.append(line)
            said.append({"type": "response", "id": message["id"], "response": response})
        if done or stopped:
            time.sleep(work_s)
            if done:
                leave(effects, done)
            if stopped:
                leave(ended, stopped)
            time.sleep(work_s)
            while gate and not os.path.exists(gate):
                time.sleep(LOOK_EVERY_S)
        os.write(1, "".join(json.dumps(one) + "\n" for one in said).encode())


main(*sys.argv[1:])
