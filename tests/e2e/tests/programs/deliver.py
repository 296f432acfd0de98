"""Sends deliveries to https://webhook.preview.test as GitHub does.

Reads a JSON list of them on stdin, and prints a line for each: the status, and
the body of the answer. What is not given is as it should be.
"""

import hashlib
import hmac
import http.client
import json
import socket
import ssl
import sys
import time
import urllib.parse

NAME = "webhook.preview.test"
AUTHORITY = "/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt"


class ToThisHost(http.client.HTTPSConnection):
    """TLS to Caddy on this host, under the name that GitHub would look up."""

    def connect(self):
        self.sock = socket.create_connection(("127.0.0.1", 443), self.timeout)
        self.sock = self._context.wrap_socket(self.sock, server_hostname=NAME)


def send(one):
    body = one.get("body", "").encode() + b" " * one.get("spaces", 0)
    kind = "application/json"
    if one.get("form"):
        kind = "application/x-www-form-urlencoded"
        body = urllib.parse.urlencode({"payload": body}).encode()
    digest = hmac.new(one["secret"].encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": kind,
        "x-github-delivery": one.get("id", "00000000-0000-4000-8000-000000000000"),
        "x-github-event": one.get("event", "pull_request"),
        "x-hub-signature-256": f"sha256={digest}",
        "content-length": str(len(body)),
        **one.get("headers", {}),
    }
    connection = ToThisHost(NAME, context=ssl.create_default_context(cafile=AUTHORITY), timeout=30)
    connection.putrequest(one.get("method", "POST"), one.get("path", "/webhook/github"))
    for name, value in headers.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders()
    # The rest after a while, if at all: who is refused before ends there.
    pause = one.get("pause", 0)
    first = body[:1] if pause else body
    try:
        connection.send(first)
        time.sleep(pause)
        if pause and one.get("ends", True):
            connection.send(body[1:])
    except OSError:
        pass
    answer = connection.getresponse()
    return f"{answer.status} {answer.read().decode()}".strip()


for one in json.load(sys.stdin):
    print(send(one), flush=True)
