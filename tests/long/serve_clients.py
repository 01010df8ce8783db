#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`enlarge serve` called by clients of others: webuiapi (AUTOMATIC1111), tritonclient (KServe), tuspy (uploads).

serve_clients.py PROGRAM. They come from the Python index into a virtual environment; ENLARGE_CLIENTS names one that has
them already.
"""

import io
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "serve"))
from client import Server, check, finish, png, png_size, until  # noqa: E402

PACKAGES = ["webuiapi", "tritonclient[http]", "tuspy", "pillow", "numpy"]


def by_webuiapi(server):
    import webuiapi
    from PIL import Image

    api = webuiapi.WebUIApi(host="127.0.0.1", port=server.port)
    names = [u["name"] if isinstance(u, dict) else u for u in api.get_upscalers()]
    check("webuiapi: upscalers", {"None", "R-ESRGAN 4x+", "fine-x4"} <= set(names), names)
    picture = Image.open(io.BytesIO(png(40, 30)))
    result = api.extra_single_image(image=picture, upscaler_1="swift-x4", upscaling_resize=2)
    check("webuiapi: a picture", result.image.size == (80, 60), result.image.size)
    result = api.extra_single_image(
        image=picture, upscaler_1="R-ESRGAN 4x+", resize_mode=1, upscaling_resize_w=100, upscaling_resize_h=100
    )
    check("webuiapi: a size", result.image.size == (100, 100), result.image.size)
    result = api.extra_batch_images(images=[picture, picture], upscaler_1="swift-x2", upscaling_resize=2)
    check("webuiapi: a batch", [i.size for i in result.images] == [(80, 60)] * 2, result.images)
    check("webuiapi: progress", api.get_progress()["progress"] == 0)


def by_tritonclient(server):
    import numpy
    import tritonclient.http as triton

    client = triton.InferenceServerClient(url=server.host)
    alive = client.is_server_live() and client.is_server_ready() and client.is_model_ready("fine-x4")
    check("tritonclient: health", alive)
    check("tritonclient: metadata", client.get_model_metadata("fine-x4")["inputs"][0]["datatype"] == "UINT8")
    pixels = numpy.arange(24 * 32 * 3, dtype=numpy.uint32).astype(numpy.uint8).reshape(24, 32, 3)
    answers = []
    for binary in (True, False):
        tensor = triton.InferInput("image", pixels.shape, "UINT8")
        tensor.set_data_from_numpy(pixels, binary_data=binary)
        wanted = [triton.InferRequestedOutput("image", binary_data=binary)]
        answers.append(client.infer("swift-x2", [tensor], outputs=wanted).as_numpy("image"))
        check(f"tritonclient: a tensor, binary: {binary}", answers[-1].shape == (48, 64, 3), answers[-1].shape)
    check("tritonclient: both ways the same", (answers[0] == answers[1]).all())
    try:
        client.infer("none", [tensor])
        check("tritonclient: an unknown network fails", False)
    except triton.InferenceServerException as error:
        check("tritonclient: an unknown network fails in a sentence", "no model" in str(error), error)


class Cutter(threading.Thread):
    """A proxy that drops every connection after so many bytes from the client, the first `times` times."""

    def __init__(self, port, times, after):
        super().__init__(daemon=True)
        self.port, self.left, self.after, self.cuts = port, times, after, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()[1]

    def run(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        server = socket.create_connection(("127.0.0.1", self.port))
        threading.Thread(target=self.back, args=(server, client), daemon=True).start()
        sent, patch = 0, False
        while data := client.recv(16384):
            patch = patch or data.startswith(b"PATCH")
            server.sendall(data)
            sent += len(data)
            if patch and sent > self.after and self.left > 0:
                self.left -= 1
                self.cuts += 1
                break
        for one in (client, server):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def back(self, server, client):
        try:
            while data := server.recv(16384):
                client.sendall(data)
        except OSError:
            pass


def by_tuspy(server):
    from tusclient import client as tus

    cutter = Cutter(server.port, 5, 60000)
    cutter.start()
    data = b"P6\n400 400\n255\n" + os.urandom(400 * 400 * 3)
    tus_client = tus.TusClient(f"http://127.0.0.1:{cutter.address}/v1/uploads")
    uploader = tus_client.uploader(
        file_stream=io.BytesIO(data),
        metadata={"filename": "noise.ppm"},
        retries=20,
        retry_delay=0.1,
        chunk_size=len(data),
    )
    uploader.upload()
    check("tuspy: the connection was cut five times", cutter.cuts == 5, cutter.cuts)
    name = uploader.url.split("/")[-1]
    made = server.ask(
        "PUT",
        "/v1/jobs/noise",
        json.dumps({"upload": name, "options": {"model": "swift-x2"}}),
        {"Content-Type": "application/json"},
    )
    check("tuspy: a job of the upload", made.status == 201 and made.json["name"] == "noise.ppm", made)
    check("tuspy: byte for byte", server.get("/v1/jobs/noise/input").body == data)
    check("tuspy: done", until(lambda: server.get("/v1/jobs/noise").json["state"] == "done", 120))


def main():
    if "--inside" not in sys.argv:
        with tempfile.TemporaryDirectory() as folder:
            python = pathlib.Path(os.environ.get("ENLARGE_CLIENTS", folder)) / "bin" / "python"
            if not python.exists():
                subprocess.run([sys.executable, "-m", "venv", folder], check=True)
                ran = subprocess.run(
                    [python, "-m", "pip", "install", "-q", *PACKAGES], capture_output=True, text=True
                )
                if ran.returncode:
                    print("SKIPPED: clients of the Python index: they cannot be installed here")
                    print("0 checks, 0 failures")
                    return 0
            return subprocess.run([python, __file__, sys.argv[1], "--inside"]).returncode
    with Server(sys.argv[1]) as server:
        check("the server is there", png_size(server.post("/v1/upscale?model=swift-x2", png(8, 8)).body) == (16, 16))
        for step in (by_webuiapi, by_tritonclient, by_tuspy):
            try:
                step(server)
            except Exception as error:  # noqa: BLE001
                check(f"{step.__name__} goes through: {error!r}", False)
    return finish()


sys.exit(main())
