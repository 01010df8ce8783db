#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A network fetched over HTTPS from a server of the test's own, whose certificate nobody knows: it is trusted where
SSL_CERT_FILE or SSL_CERT_DIR says so, and nowhere else.

certificates.py PROGRAM NETWORK

Ends with "N checks, M failures".
"""
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from checks import check, finish  # noqa: E402


def openssl(*words):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, text=True).stdout.strip()


def make_certificate(folder):
    """(certificate, key) of 127.0.0.1, signed by itself."""
    certificate, key = folder / "server.pem", folder / "server.key"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=enlarge test", "-addext",
            "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate)
    return certificate, key


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # clients that do not trust us hang up


def serve(folder, certificate, key):
    server = Server(("127.0.0.1", 0), lambda *words: Quiet(*words, directory=folder))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def registry_of(network, address):
    data = network.read_bytes()
    return {"models": [{"name": "net", "file": network.name, "addresses": [address], "bytes": len(data),
                        "sha256": hashlib.sha256(data).hexdigest(), "licence": "MIT",
                        "licence_address": "https://example.org", "family": "Compact", "scale": 2,
                        "purpose": "tests"}]}


def main():
    program, network = (pathlib.Path(word).resolve() for word in sys.argv[1:])
    if not shutil.which("openssl"):
        print("skipped: openssl is not installed")
        return 77
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        (folder / "served").mkdir()
        (folder / "hashed").mkdir()
        shutil.copyfile(network, folder / "served" / network.name)
        certificate, key = make_certificate(folder)
        name = openssl("x509", "-in", certificate, "-noout", "-hash") + ".0"
        shutil.copyfile(certificate, folder / "hashed" / name)
        server = serve(folder / "served", certificate, key)
        address = f"https://127.0.0.1:{server.server_address[1]}/{network.name}"
        (folder / "registry.json").write_text(json.dumps(registry_of(network, address)))

        def pull(name, **variables):
            environment = {key: value for key, value in os.environ.items()
                           if not key.startswith(("SSL_CERT_", "ENLARGE_"))}
            environment.update(ENLARGE_MODELS_REGISTRY=str(folder / "registry.json"), XDG_DATA_HOME=str(folder / name),
                               NO_PROXY="127.0.0.1", **variables)
            ran = subprocess.run([program, "models", "pull", "net"], env=environment, capture_output=True, text=True)
            got = folder / name / "enlarge/models" / network.name
            return ran, got.exists() and got.read_bytes() == network.read_bytes()

        ran, there = pull("nobody")
        sentence = ran.stderr.strip().splitlines()[-1:] or [""]
        check("an unknown certificate is refused", ran.returncode != 0 and not there, ran.stderr)
        check("and the sentence says what helps", "no secure connection to 127.0.0.1" in sentence[0] and
              "SSL_CERT_FILE" in sentence[0], ran.stderr)
        ran, there = pull("file", SSL_CERT_FILE=str(certificate))
        check("a file of certificates is used", ran.returncode == 0 and there, ran.stderr)
        ran, there = pull("folder", SSL_CERT_DIR=str(folder / "hashed"))
        check("a folder of certificates is used", ran.returncode == 0 and there, ran.stderr)
        ran, there = pull("absent", SSL_CERT_FILE=str(folder / "absent.pem"))
        check("a file that is not there is named", ran.returncode != 0 and "absent.pem" in ran.stderr, ran.stderr)
        server.shutdown()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
