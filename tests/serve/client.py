# SPDX-License-Identifier: Apache-2.0
"""A server of ours on a free port, requests to it, pictures made of nothing: what tests of `enlarge serve` share."""

import http.client
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from checks import check, finish  # noqa: E402, F401
TIMEOUT = 120


def png(width, height, colour=None):
    """RGB; of one colour, or a gradient."""
    rows = b""
    for y in range(height):
        row = (
            bytes(colour) * width
            if colour
            else b"".join(bytes((x * 7 & 255, y * 5 & 255, (x + y) * 3 & 255)) for x in range(width))
        )
        rows += b"\0" + row
    return png_of(width, height, zlib.compress(rows))


def png_of(width, height, data, colours=2):
    """Of rows that are packed already; `colours` as PNG numbers them: 2 for RGB, 6 with alpha."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def png_size(data):
    return struct.unpack(">II", data[16:24]) if data[:8] == b"\x89PNG\r\n\x1a\n" else None


def ppm_pixels(data):
    """(width, height, first pixel) of a binary PPM."""
    words = data.split(None, 4)[:4]
    pixels = data[len(data) - int(words[1]) * int(words[2]) * 3 :]
    return int(words[1]), int(words[2]), tuple(pixels[:3])


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    def says(self, word):
        return word in self.body.decode(errors="replace")

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:300]!r}"


class Server:
    """With statement: `enlarge serve` with these options, ended and cleaned up at the end."""

    def __init__(self, program, *options, data=None, **environment):
        self.program, self.options, self.environment = str(program), [str(o) for o in options], environment
        self.folder = None if data else tempfile.TemporaryDirectory(prefix="enlarge-serve-")
        self.data = pathlib.Path(data or self.folder.name) / "data"

    def __enter__(self):
        self.start()
        return self

    def start(self, port=0):
        self.log = tempfile.TemporaryFile()
        words = [self.program, "serve", "--port", str(port), "--data", str(self.data), *self.options]
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=self.log, env={**os.environ, **self.environment}, text=True
        )
        line = self.process.stdout.readline().strip()
        if not line.startswith("http://"):
            self.log.seek(0)
            raise RuntimeError(f"the server did not start: {line} {self.log.read().decode()}")
        self.port = int(line.split(":")[-1].split("/")[0])
        self.host = f"127.0.0.1:{self.port}"

    def stop(self, sig=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        self.log.seek(0)
        self.said = self.log.read().decode(errors="replace")
        self.log.close()
        return code

    def __exit__(self, *_):
        if self.process.poll() is None or not self.log.closed:
            self.stop()
        if self.folder:
            self.folder.cleanup()

    def ask(self, method, path, body=None, headers=None, timeout=TIMEOUT):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            chunked = "Transfer-Encoding" in (headers or {})
            connection.request(method, path, body=body, headers=headers or {}, encode_chunked=chunked)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def post(self, path, body, **headers):
        return self.ask("POST", path, body, headers)

    def socket(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)

    def workers(self):
        """Process numbers of the worker processes that run."""
        path = pathlib.Path(f"/proc/{self.process.pid}/task")
        found = []
        for task in path.iterdir():
            try:
                found += [int(word) for word in (task / "children").read_text().split()]
            except OSError:
                pass
        return found

    def metric(self, name):
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith(name + " ") or line.startswith(name + "{"):
                return float(line.split()[-1])
        return None


def until(condition, seconds=60):
    """Whether it became true in that time; looked at often."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    return condition()
