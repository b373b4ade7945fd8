#!/usr/bin/env -S python3 -IS
"""An actuator that leaves a trace: for each command a line with its request_id.

The line is on the disk before the command is answered, so what is in the file
has happened, whoever was killed meanwhile. Lines are of one length and never
cross a page, so that a kill leaves whole ones. Speaks the stream mode of exec.

    witness.py WORK_S FILE [GATE]

Each command takes WORK_S before the effect and as long after it, so that a kill
finds it at work. With GATE, commands are answered once that file is there.
"""

import json
import os
import sys
import time

LINE_BYTES = 64
LOOK_EVERY_S = 0.005


def main(work_s, trace, gate=None):
    work_s = float(work_s)
    effects = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    rest = b""
    while chunk := os.read(0, 65536):
        *lines, rest = (rest + chunk).split(b"\n")
        done, said = [], []
        for line in lines:
            message = json.loads(line)
            kind = message["type"]
            if kind == "hello":
                said.append({"type": "ready", "v": 1})
            elif kind == "ping":
                said.append({"type": "pong"})
            elif kind == "command":
                done.append(message["source"]["request_id"].ljust(LINE_BYTES - 1) + "\n")
                response = {"status": 200}
                said.append({"type": "response", "id": message["id"], "response": response})
        if done:
            time.sleep(work_s)
            os.write(effects, "".join(done).encode())
            os.fsync(effects)
            time.sleep(work_s)
            while gate and not os.path.exists(gate):
                time.sleep(LOOK_EVERY_S)
        os.write(1, "".join(json.dumps(one) + "\n" for one in said).encode())


main(*sys.argv[1:])
