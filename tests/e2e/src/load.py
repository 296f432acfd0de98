"""Visitors that ask for one page again and again until they are told to end,
and some times more; prints what they saw as JSON.

Each does as a browser does: it keeps its connection, over HTTP/2, makes another
when that one is closed, and asks again when a connection ended without a byte
of an answer. Arguments: host name, path, certificate authority."""

import json
import re
import signal
import subprocess
import sys
import threading

VISITORS = 3
STEADY = 3 * VISITORS

name, path, authority = sys.argv[1:]
seen = {"count": 0, "retries": 0, "failures": [], "bodies": [], "last": ""}
end_at = None
lock = threading.Lock()
# A fragment tells one request from the next, and is never sent.
curl = ["curl", "-sS", "--max-time", "20", "--rate", "25/s", "--cacert", authority]
curl += ["--resolve", f"{name}:443:127.0.0.1", "-w", "\n<%{exitcode} %{http_code} %{errormsg}>\n"]
curl += [f"https://{name}{path}#[1-1000000]"]
visitors = [
    subprocess.Popen(curl, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(VISITORS)
]


def end(*_):
    global end_at
    end_at = seen["count"] + STEADY


def watch(visitor):
    body, is_again = "", False
    for line in visitor.stdout:
        answer = re.fullmatch(r"<(\d+) (\d+) (.*)>\n", line)
        if not answer:
            body += line
            continue
        with lock:
            is_again = note(answer, body.removesuffix("\n"), is_again)
        body = ""


def note(answer, body, is_again):
    """Whether it is to be asked again: the next request is the same one."""
    code, status, error = answer.groups()
    if status == "000" and not is_again:
        seen["retries"] += 1
        return True
    seen["count"] += 1
    is_good = (code, status) == ("0", "200")
    seen["last"] = body if is_good else f"{status} {error}{body}"
    if not is_good:
        seen["failures"].append(seen["last"])
    elif body not in seen["bodies"]:
        seen["bodies"].append(body)
    if seen["count"] == STEADY:
        print("steady", file=sys.stderr, flush=True)
    if end_at is not None and seen["count"] >= end_at:
        for visitor in visitors:
            visitor.terminate()
    return False


signal.signal(signal.SIGTERM, end)
watchers = [threading.Thread(target=watch, args=(visitor,)) for visitor in visitors]
for watcher in watchers:
    watcher.start()
for watcher in watchers:
    watcher.join()
print(json.dumps(seen))
