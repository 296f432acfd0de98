"""Writes down the command lines and environments of all processes, as quickly
as it can, until SIGTERM: a JSON object with a list of texts for each place."""

import json
import os
import signal
import sys
import time

PAUSE = 0.0005
# Who is older has long been the program that it is, and is looked at seldom.
YOUNG, SELDOM = 1.0, 200

seen = {"argv": set(), "environment": set(), "argv inside": set()}
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))


def text(path):
    with open(path, "rb") as file:
        return file.read().replace(b"\0", b" ").decode(errors="replace")


def look(process):
    # What a container's own services are told, they may tell its programs.
    if os.readlink(f"/proc/{process}/ns/pid") == own:
        seen["argv"].add(text(f"/proc/{process}/cmdline"))
        seen["environment"].add(text(f"/proc/{process}/environ"))
    else:
        seen["argv inside"].add(text(f"/proc/{process}/cmdline"))


own = os.readlink("/proc/self/ns/pid")
born = {}
turn = 0
print("samples", file=sys.stderr, flush=True)
while not stopped:
    now = time.monotonic()
    processes = [name for name in os.listdir("/proc") if name.isdigit()]
    born = {process: born.get(process, now) for process in processes}
    for process in processes:
        if now - born[process] < YOUNG or turn % SELDOM == 0:
            try:
                look(process)
            except OSError:
                pass
    turn += 1
    time.sleep(PAUSE)
print(json.dumps({place: sorted(texts) for place, texts in seen.items()}))
