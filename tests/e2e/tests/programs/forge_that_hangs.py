"""A forge that hands on what the real one says, and stops in the middle of
whatever is long: of a pack. It says `hanging` on stderr then."""

import socket
import sys
import threading
import time

SHORT = 64 << 10


def message(connection):
    """A request or an answer: what is before its body, and that in parts."""
    read = b""
    while b"\r\n\r\n" not in read:
        more = connection.recv(65536)
        if not more:
            raise EOFError
        read += more
    head, _, body = read.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    length = int(fields.get(b"content-length", 0))
    wanted = min(length, SHORT)
    while len(body) < wanted:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body, length <= SHORT


def serve(connection):
    with socket.create_connection(("127.0.0.1", 8418)) as forge:
        while True:
            try:
                request, _ = message(connection)
            except EOFError:
                return
            forge.sendall(request)
            answer, is_whole = message(forge)
            connection.sendall(answer)
            if not is_whole:
                print("hanging", file=sys.stderr, flush=True)
                time.sleep(3600)


listener = socket.create_server(("127.0.0.1", 8419))
print("listening", file=sys.stderr, flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
