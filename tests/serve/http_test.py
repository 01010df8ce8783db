#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`enlarge serve` over HTTP: what it answers, what it refuses, and what happens when clients or workers misbehave.

http_test.py PROGRAM
"""

import concurrent.futures
import os
import pathlib
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib

from client import Server, check, finish, png, png_of, png_size, ppm_pixels, until

PROGRAM = sys.argv[1]
FAST = "/v1/upscale?model=swift-x2"
SLOW = "/v1/upscale?model=fine-x4&tta=1&precision=fp32"


def form(fields, files):
    boundary = "----boundary-of-the-test"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
    ]
    for name, file_name, data in files:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        parts.append(head.encode() + b"Content-Type: image/png\r\n\r\n" + data + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"
    }


def by_the_program(data, *options, ending="png"):
    with tempfile.TemporaryDirectory() as folder:
        source, result = pathlib.Path(folder) / "picture.png", pathlib.Path(folder) / f"out.{ending}"
        source.write_bytes(data)
        subprocess.run([PROGRAM, str(source), "-o", str(result), "--quiet", *options], check=True)
        return result.read_bytes()


def pictures(server):
    small = png(24, 16)
    answer = server.post(FAST, small)
    check("a picture comes back", answer.status == 200 and png_size(answer.body) == (48, 32), answer)
    check("it is the program's, byte for byte", answer.body == by_the_program(small, "-m", "swift-x2"))
    check("its type is told", answer.headers["content-type"] == "image/png", answer)
    check("its network is told", answer.headers.get("enlarge-model") == "swift-x2", answer)
    body, headers = form([("scale", "3"), ("model", "swift-x2")], [("image", "../../etc/k\u00e4tzchen.png", small)])
    answer = server.ask("POST", "/v1/upscale", body, headers)
    check("a form does, too", answer.status == 200 and png_size(answer.body) == (72, 48), answer)
    check(
        "its name is kept, its folder not",
        "etc" not in answer.headers["content-disposition"]
        and "filename*=UTF-8''k%C3%A4tzchen_72x48.png" in answer.headers["content-disposition"],
        answer,
    )
    for query, size in [
        ("width=100", (100, 67)),
        ("size=30x30", (30, 20)),
        ("size=30x30&exact=1", (30, 30)),
        ("preview=4,4,8,8", (16, 16)),
    ]:
        answer = server.post(f"{FAST}&{query}", small)
        check(f"?{query}", answer.status == 200 and png_size(answer.body) == size, answer)
    answer = server.post(f"{FAST}&format=jpg&quality=40", small)
    check(
        "JPEG",
        answer.status == 200
        and answer.body[:3] == b"\xff\xd8\xff"
        and answer.headers["content-type"] == "image/jpeg",
        answer,
    )
    check("as the program's JPEG", answer.body == by_the_program(small, "-m", "swift-x2", "-q", "40", ending="jpg"))
    answer = server.post("/v1/upscale?for=photo&denoise=0.5", small)
    check("the network that suits", answer.status == 200 and answer.headers.get("enlarge-model") == "fine-x4", answer)
    answer = server.ask("POST", FAST, iter([small[:20], small[20:]]), {"Transfer-Encoding": "chunked"})
    check("in chunks", answer.status == 200, answer)
    solid = png_of(2, 2, zlib.compress(b"\0" + b"\x10\x20\x30\xff" * 2 + b"\0" + b"\x40\x50\x60\xff" * 2), 6)
    answer = server.post(FAST + "&format=jpg", solid)
    same = answer.status == 200 and answer.body == by_the_program(solid, "-m", "swift-x2", ending="jpg")
    check("transparency that hides nothing: a JPEG, the program's", same, answer)
    glass = png_of(2, 1, zlib.compress(b"\0" + b"\x10\x20\x30\x7f" * 2), 6)
    answer = server.post(FAST + "&format=jpg", glass)
    check("what would be lost is refused", answer.status >= 400 and answer.says("background"), answer)


def refusals(server):
    small = png(24, 16)
    for query, status, word in [
        ("modle=swift-x2", 400, "no parameter 'modle'"),
        ("scale=0", 400, "from 0.01 to 64, found '0'"),
        ("scale=nan", 400, "scale"),
        ("scale=2&width=9", 400, "one of them"),
        ("model=nothing", 404, "/v1/models"),
        ("model=/etc/passwd", 404, "no model"),
        ("model=../fine-x4", 404, "no model"),
        ("model=fine-x4.safetensors", 404, "no model"),
        ("for=anime", 400, "for"),
        ("for=a%07%1b%5b31m%ff", 400, "'a__[31m_'"),
        ("precision=%1b%5b2J", 400, "'_[2J'"),
        ("format=exe", 400, "format"),
        ("background=%23zzzzzz", 400, "background"),
        ("page=2", 0, ""),
        ("%zz", 400, "decoded"),
        ("preview=1,2,3", 400, "preview"),
        ("preview=90,90,9,9", 400, "outside"),
        ("filter-before=movie%3D/etc/passwd", 400, "no parameter"),
    ]:
        answer = server.post(f"/v1/upscale?{query}", small)
        check(
            f"?{query} is refused in a sentence",
            answer.status == (status or answer.status) and answer.status >= 400 and answer.says(word),
            answer,
        )
    for what, body, status, word in [
        ("a playlist", b"#EXTM3U\n#EXT-X-VERSION:3\nfile:///etc/passwd\n", 415, "m3u8"),
        ("a list to join", b"ffconcat version 1.0\nfile /etc/passwd\n", 415, "ffconcat"),
        ("a session description", b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", 415, "SDP"),
        ("a manifest", b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">', 415, "MPD"),
        ("a drawing", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>', 415, "SVG"),
        ("a drawing with a head", b'\xef\xbb\xbf <?xml version="1.0"?>\n<!-- x --><svg>', 415, "SVG"),
        ("text", b"push graphic-context\nviewbox 0 0 1 1\n", 415, "no kind"),
        ("nothing", b"", 400, "empty"),
        ("half a picture", png(60, 60)[:-80], 422, ""),
        ("a film", b"\x1a\x45\xdf\xa3" + bytes(100), 415, "/v1/jobs"),
        ("a bomb", png_of(60000, 60000, b""), 413, "60000"),
    ]:
        answer = server.post(FAST, body)
        check(f"{what} is refused in a sentence", answer.status == status and answer.says(word), answer)
        check(f"{what}: no path of the server's is told", not answer.says(str(server.data)), answer)
    answer = server.post(f"{FAST}&scale=64", png(3000, 3000, (9, 9, 9)))
    check("a result that is too large is refused", answer.status == 413 and answer.says("pixels"), answer)
    check(
        "other methods",
        server.ask("PUT", "/v1/upscale", b"").status == 405
        and server.ask("PUT", "/v1/upscale", b"").headers["allow"] == "POST",
    )
    check(
        "other addresses",
        server.get("/v1/nothing").status == 404 and server.get("/v1/models/..%2f..%2fetc").status == 404,
    )
    check("HEAD", server.ask("HEAD", "/healthz").status == 200)
    body, headers = form([], [("a", "a.png", small), ("b", "b.png", small)])
    check("two files in a form", server.ask("POST", FAST, body, headers).status == 400)
    body, headers = form([], [("a", "a.png", small), ("b", "b.png", bytes(3 << 20))])
    answer = server.ask("POST", FAST, body, headers)
    check("also where the second is large", answer.status == 400 and answer.says("two files"), answer)
    check("half a form", server.ask("POST", FAST, body[:200], headers).status in (400, 415, 422))


def limits():
    with Server(PROGRAM, "--max-upload", "100K", "--max-pixels", "0.02") as server:
        with server.socket() as s:  # told before anything of the body was sent
            s.sendall(
                b"POST /v1/upscale HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n"
                b"Expect: 100-continue\r\n\r\n"
            )
            check("too many bytes: refused before they are sent", b" 413 " in s.recv(4096).split(b"\r\n")[0])
        answer = server.ask("POST", FAST, iter([bytes(60000)] * 4), {"Transfer-Encoding": "chunked"})
        check("too many bytes without a length", answer.status == 413, answer)
        check("too many pixels", server.post(FAST, png(200, 200)).status == 413)
        check("too many pixels after", server.post(FAST, png(100, 100)).status == 413)
        check("just so many", server.post(FAST, png(70, 70)).status == 200)
        check(
            "nothing stays",
            until(lambda: not list((server.data / "temporary").iterdir()), 5),
            list((server.data / "temporary").iterdir()),
        )


def others(server):
    small = png(8, 8)
    for host, status in [
        ("localhost", 200),
        ("127.0.0.1:99", 200),
        ("[::1]:5", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
    ]:
        answer = server.ask("POST", FAST, small, {"Host": host})
        check(f"Host: {host}", answer.status == status, answer)
    for origin, status in [
        ("http://evil.example", 403),
        ("null", 403),
        (f"http://{server.host}", 200),
        (f"http://{server.host}.evil.example", 403),
    ]:
        check(f"Origin: {origin}", server.post(FAST, small, Origin=origin).status == status)
    check("a form of another site", server.post(FAST, small, **{"Sec-Fetch-Site": "cross-site"}).status == 403)
    for site, mode, status in (
        ("cross-site", "no-cors", 403),
        ("same-site", "no-cors", 403),
        ("cross-site", "navigate", 200),
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ):
        answer = server.get("/v1/models", **{"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode})
        check(f"an address in a page: {site}, {mode}", answer.status == status, answer)
    answer = server.get("/healthz", Origin="http://evil.example")
    check(
        "no page of another site reads",
        answer.status == 403 and "access-control-allow-origin" not in answer.headers,
        answer,
    )


def absolute(server):
    """Addresses with the server's name before them, as clients write them who take this for a proxy."""
    for target, host, status in (
        ("http://localhost/v1/models?x=http://a", "localhost", 200),
        ("http://localhost:4848/healthz", "evil.example", 200),  # what the line says counts
        ("HTTP://127.0.0.1", "localhost", 200),
        ("http://localhost?a=b", "localhost", 200),
        ("http://evil.example/healthz", "localhost", 421),
        ("http:///healthz", "localhost", 421),
        ("http://localhost@evil.example/healthz", "localhost", 421),
        ("ftp://localhost/healthz", "localhost", 404),
    ):
        with server.socket() as s:
            s.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            said = s.recv(4096).split(b"\r\n")[0].decode()
        check(f"GET {target}: {status}", f" {status} " in said, said)


def smuggling(server):
    """Bodies whose end a proxy could see elsewhere: one answer, and the connection is closed."""
    hidden = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for name, head in (
        ("both lengths", "Content-Length: 4\r\nTransfer-Encoding: chunked"),
        ("two lengths", "Content-Length: 4\r\nContent-Length: 400"),
        ("a negative length", "Content-Length: -4"),
        ("a length with a sign", "Content-Length: +4"),
        ("no number", "Content-Length: 4x"),
        ("a length beyond all", "Content-Length: 99999999999999999999999"),
        ("another coding", "Transfer-Encoding: gzip, chunked"),
        ("a coding twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        ("a coding in disguise", "Transfer-Encoding: xchunked"),
        ("a blank before the colon", "Content-Length : 4"),
        ("two hosts", "Host: evil.example\r\nContent-Length: 500"),
    ):
        with server.socket() as s:
            s.settimeout(10)
            s.sendall(f"POST /v1/session HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n0\r\n\r\n".encode() + hidden)
            s.shutdown(socket.SHUT_WR)
            said = b""
            try:
                while more := s.recv(65536):
                    said += more
            except OSError:
                pass
        check(f"{name}: refused", not said or b" 4" in said.split(b"\r\n")[0], said[:200])
        check(f"{name}: nothing hidden is answered", b"fine-x4" not in said, said[:300])


def tokens():
    ran = subprocess.run(
        [PROGRAM, "serve", "--listen", "0.0.0.0", "--port", "0"], capture_output=True, text=True, timeout=60
    )
    check(
        "other addresses need a token",
        ran.returncode == 2 and "--token-file" in ran.stderr and "docs/serve.md" in ran.stderr,
        ran,
    )
    ran = subprocess.run(
        [PROGRAM, "serve", "--token", "short", "--port", "0"], capture_output=True, text=True, timeout=60
    )
    check("short tokens are refused", ran.returncode == 2 and "16" in ran.stderr, ran)
    with tempfile.TemporaryDirectory() as folder:
        for text, word in (("", "0 characters"), ("one two three four five\n", "does not travel")):
            file = pathlib.Path(folder) / "token"
            file.write_text(text or "\n")
            words = [PROGRAM, "serve", "--token-file", str(file), "--port", "0"]
            ran = subprocess.run(words, capture_output=True, text=True, timeout=60)
            check(f"a token file with {text!r}", ran.returncode == 2 and word in ran.stderr, ran)
    secret = "0123456789abcdef0123"
    with Server(
        PROGRAM, "--listen", "0.0.0.0", "--host-name", "pictures.example", "--prefix", "/big", ENLARGE_TOKEN=secret
    ) as server:
        for headers, status in [
            ({}, 401),
            ({"Authorization": f"Bearer {secret}"}, 200),
            ({"Authorization": f"bearer {secret}"}, 200),
            ({"Authorization": f"Bearer {secret}x"}, 401),
            ({"Authorization": f"Bearer {secret[:-1]}"}, 401),
            ({"Authorization": "Bearer "}, 401),
            ({"Authorization": f"Basic {secret}"}, 401),
            ({"Cookie": f"a=b; enlarge_token={secret}"}, 200),
        ]:
            check(f"token: {headers}", server.ask("POST", FAST, png(8, 8), headers).status == status)
        check("health is for all", server.get("/healthz").status == 200)
        check("metrics are not", server.get("/metrics").status == 401)
        check("its name", server.get("/healthz", Host="pictures.example").status == 200)
        check(
            "under a prefix", server.get("/big/healthz").status == 200 and server.get("/bigger/healthz").status == 404
        )
        bare = server.get("/big")
        check("the prefix alone leads to the page", bare.status == 308 and bare.headers["location"] == "/big/", bare)


def crowd():
    """Many at once: each gets its own, and those beyond the queue are told when to come again."""

    def one(server, number):
        colour = (number * 13 % 256, number * 29 % 256, number * 53 % 256)
        answer = server.post(FAST + "&format=ppm", png(40, 30, colour))
        return number, colour, answer

    with Server(PROGRAM) as server, concurrent.futures.ThreadPoolExecutor(24) as pool:
        for number, colour, answer in pool.map(lambda n: one(server, n), range(48)):
            width, height, pixel = ppm_pixels(answer.body) if answer.status == 200 else (0, 0, (0, 0, 0))
            near = all(abs(a - b) < 12 for a, b in zip(pixel, colour))
            check(
                f"picture {number} of the crowd is its own",
                (width, height) == (80, 60) and near,
                (answer, colour, pixel),
            )
    with Server(PROGRAM, "--queue", "2") as server, concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: server.post(SLOW, png(64, 64)), range(16)))
        statuses = [a.status for a in answers]
        check("a full queue says so", set(statuses) == {200, 429}, statuses)
        check(
            "and when to come again",
            all(a.headers.get("retry-after", "").isdigit() for a in answers if a.status == 429),
        )
        check("and takes more when it is not full", server.post(FAST, png(8, 8)).status == 200)


def crashes():
    with Server(PROGRAM) as server, concurrent.futures.ThreadPoolExecutor(2) as pool:
        server.post(FAST, png(8, 8))
        first = server.workers()
        check("one worker", len(first) == 1, first)
        asked = pool.submit(server.post, SLOW, png(200, 150))
        check("it is at work", until(lambda: server.metric("enlarge_queue_running") == 1))
        os.kill(first[0], signal.SIGKILL)
        answer = asked.result()
        check("work goes on after a kill", answer.status == 200 and png_size(answer.body) == (800, 600), answer)
        check("the crash is counted", server.metric("enlarge_worker_crashes_total") == 1)
        asked = pool.submit(server.post, SLOW, png(200, 150))
        check("it is at work again", until(lambda: server.metric("enlarge_queue_running") == 1))
        waiting = pool.submit(server.post, FAST, png(8, 8))
        gone = set(first)
        while not asked.done():  # whoever takes it
            for pid in set(server.workers()) - gone:
                if (
                    until(lambda: asked.done() or server.metric("enlarge_queue_waiting") is not None, 1)
                    and not asked.done()
                ):
                    if waiting.done():
                        break
                    gone.add(pid)
                    os.kill(pid, signal.SIGKILL)
        answer = asked.result()
        check(
            "what ends workers is given up",
            answer.status == 500 and answer.says("signal 9") and answer.says("3 tries"),
            answer,
        )
        check("and costs nobody else", waiting.result().status == 200, waiting.result())


def memory():
    """What a worker may take is bounded; a picture beyond it costs itself at most, and the next has all again."""
    with Server(PROGRAM) as server:
        server.post(FAST, png(8, 8))
        bound = lambda pid: resource.prlimit(pid, resource.RLIMIT_DATA)
        (first,) = server.workers()
        with open("/proc/meminfo", encoding="ascii") as file:
            free = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemTotal"))
        soft, hard = bound(first)
        check("a worker's memory is bounded", 1 << 30 <= soft == hard, (soft, hard))
        with open(f"/proc/{first}/status", encoding="ascii") as file:
            there = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData"))
        # Beside what is reserved: terabytes under sanitizers.
        check("below the machine's", soft - there < max(free, 2 << 30), (soft, there, free))
        resource.prlimit(first, resource.RLIMIT_DATA, (there + (8 << 20),) * 2)
        answer = server.post(FAST, png(2000, 1500))
        good = answer.status == 413 and answer.json["error"]["code"] == "memory"
        check("a picture beyond it: a sentence, or another try", good or answer.status == 200, answer)
        check("by another worker", until(lambda: first not in server.workers(), 10), server.workers())
        answer = server.post(FAST, png(2000, 1500))
        check("which has all of it", answer.status == 200 and png_size(answer.body) == (4000, 3000), answer)
        (second,) = server.workers()
        check("and its own bound", bound(second)[0] >= 1 << 30, bound(second))


def patience():
    with Server(PROGRAM, "--patience", "1") as server:
        sockets = []
        for begun in (
            b"GET /hea",
            b"POST /v1/upscale HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nabc",
            b"",
        ):
            sockets.append(server.socket())
            sockets[-1].sendall(begun)
        began = time.monotonic()
        closed = 0
        for s in sockets:
            s.settimeout(0.2)
            while time.monotonic() - began < 30:
                try:
                    if not s.recv(1000):
                        closed += 1
                        break
                except TimeoutError:
                    try:
                        s.sendall(b"x")  # a byte now and then
                    except OSError:
                        closed += 1
                        break
                except OSError:
                    closed += 1
                    break
            s.close()
        check("slow clients are cut off", closed == 3, closed)
        check("and counted", server.metric("enlarge_http_connections_cut_total") >= 3)
        check("others are served", server.post(FAST, png(8, 8)).status == 200)
        # One that leaves takes its work with it.
        body = png(300, 300)
        s = server.socket()
        s.sendall(f"POST {SLOW} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        check("it began", until(lambda: server.metric("enlarge_queue_running") == 1))
        s.close()
        check("work for nobody is stopped", until(lambda: server.metric("enlarge_queue_running") == 0, 30))
        check("as cancelled", server.metric('enlarge_work_total{end="cancelled"}') == 1)


def rest(server):
    models = server.get("/v1/models").json
    names = [m["name"] for m in models["models"]]
    check("models", {"fine-x4", "swift-x2", "faithful-x4"} <= set(names) and models["default"] == "fine-x4", models)
    one = server.get("/v1/models/fine-x4").json
    check("a model", one["scale"] == 4 and one["purpose"] and one["licence"], one)
    for line in server.get("/metrics").body.decode().splitlines():
        good = line.startswith("# ") or re.fullmatch(
            r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+', line
        )
        check("metrics are Prometheus' text", good, line)
    ran = subprocess.run(
        [PROGRAM, "serve", "--port", "0", "--data", str(server.data)], capture_output=True, text=True, timeout=60
    )
    check("one server in a folder", ran.returncode == 5 and "another server" in ran.stderr, ran)
    ran = subprocess.run(
        [PROGRAM, "serve", "--port", str(server.port), "--data", str(server.data) + "2"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    check("a port that is taken", ran.returncode == 4 and "--port" in ran.stderr, ran)
    for garbage in (
        b"\0" * 100,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET " + b"/a" * 60000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01" * 50,
    ):
        with server.socket() as s:
            try:
                s.sendall(garbage)
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):
                    pass
            except OSError:
                pass
    check("garbage harms nobody", server.get("/healthz").json["status"] == "ok")
    check("it ends when asked", server.stop() == 0, server.said)


def main():
    with Server(PROGRAM) as server:
        pictures(server)
        refusals(server)
        others(server)
        absolute(server)
        smuggling(server)
        rest(server)
    limits()
    tokens()
    crowd()
    crashes()
    memory()
    patience()
    return finish()


sys.exit(main())
