#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`enlarge serve`: /openapi.json against the server, the page's files, the addresses of AUTOMATIC1111 and KServe.

shims_test.py PROGRAM
"""

import base64
import concurrent.futures
import json
import os
import re
import struct
import sys

from client import Server, check, finish, png, png_size, until

PROGRAM = sys.argv[1]
JSON = {"Content-Type": "application/json"}


def wrong(schema, value, root, at="$"):
    """What about the value is not as the schema says, or ''. As much of JSON Schema as the document uses."""
    if "$ref" in schema:
        target = root
        for part in schema["$ref"].split("/")[1:]:
            target = target[part]
        return wrong(target, value, root, at)
    for part in schema.get("allOf", []):
        if found := wrong(part, value, root, at):
            return found
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    is_kind = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    right = [
        k
        for k in kinds
        if (
            number and (k == "number" or isinstance(value, int))
            if k in ("number", "integer")
            else isinstance(value, is_kind[k])
        )
    ]
    if kinds and not right:
        return f"{at} should be {kinds}, is {value!r}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{at} should be one of {schema['enum']}, is {value!r}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"{at} should fit {schema['pattern']}, is {value!r}"
    if number and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return f"{at} is beyond its bounds: {value!r}"
    if isinstance(value, dict):
        for name in schema.get("required", []):
            if name not in value:
                return f"{at} lacks {name}"
        known = schema.get("properties", {})
        for name, one in value.items():
            if known and name not in known:
                return f"{at}.{name} is not in the document"
            if name in known and (found := wrong(known[name], one, root, f"{at}.{name}")):
                return found
    if isinstance(value, list):
        for index, one in enumerate(value):
            if found := wrong(schema.get("items", {}), one, root, f"{at}[{index}]"):
                return found
    return ""


def document(server):
    answer = server.get("/openapi.json")
    check("the document", answer.status == 200 and answer.headers["content-type"] == "application/json", answer)
    doc = answer.json
    check("is OpenAPI 3.1", doc["openapi"] == "3.1.0" and doc["info"]["title"])
    for path, operations in doc["paths"].items():
        there = server.ask("BREW", re.sub(r"\{[a-z]+\}", "x", path))
        allowed = {m.strip().lower() for m in there.headers.get("allow", "").split(",")}
        check(
            f"{path}: the methods are the server's",
            there.status == 405 and allowed == set(operations),
            (allowed, set(operations)),
        )
        for method, operation in operations.items():
            names = {p.get("name") for p in operation.get("parameters", []) if p.get("in") == "path"}
            check(f"{method} {path}: its parts are described", names == set(re.findall(r"\{([a-z]+)\}", path)), names)
            check(f"{method} {path}: has answers", operation["summary"] and "default" in operation["responses"])
    refused = server.post("/v1/upscale?nothing=1", png(8, 8)).json["error"]["message"]
    listed = set(refused.split("there are ")[1].split(", "))
    check(
        "the parameters are the server's",
        listed == set(doc["components"]["parameters"]),
        listed ^ set(doc["components"]["parameters"]),
    )

    def fits(what, schema, value):
        found = wrong(schema, value, doc)
        check(f"{what} fits the document", not found, found)

    def answer_schema(path, method="get", status="200"):
        return doc["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]

    server.ask("PUT", "/v1/jobs/one?model=swift-x2", png(16, 16))
    until(lambda: server.get("/v1/jobs/one").json["state"] == "done")
    server.ask("PUT", "/v1/jobs/two?model=swift-x2", png(60, 60)[:-90])
    until(lambda: server.get("/v1/jobs/two").json["state"] == "failed")
    for path in ("/healthz", "/v1/models", "/v1/jobs", "/sdapi/v1/upscalers", "/sdapi/v1/progress", "/v2"):
        fits(path, answer_schema(path), server.get(path).json)
    fits("a job", answer_schema("/v1/jobs/{id}"), server.get("/v1/jobs/one").json)
    fits("a model", answer_schema("/v1/models/{name}"), server.get("/v1/models/fine-x4").json)
    fits("a KServe model", answer_schema("/v2/models/{model}"), server.get("/v2/models/fine-x4").json)
    fits("a failure", doc["components"]["schemas"]["Error"], server.get("/v1/jobs/none").json)
    check(
        "the test of fitting can fail",
        wrong(answer_schema("/healthz"), {"status": 1}, doc) and wrong({"type": "integer"}, 1.5, doc),
    )
    check("thumbnails", server.get("/v1/jobs/one/thumb").body[:3] == b"\xff\xd8\xff")
    check("views", png_size(server.get("/v1/jobs/one/view/output").body) == (32, 32))


def page_files(server):
    for name, kind in (
        ("", "text/html"),
        ("page/app.js", "text/javascript"),
        ("page/compare.js", "text/javascript"),
        ("page/style.css", "text/css"),
        ("page/icon.svg", "image/svg+xml"),
        ("page/sample.jpg", "image/jpeg"),
        ("page/drawing.jpg", "image/jpeg"),
    ):
        answer = server.get(f"/{name}")
        check(
            f"/{name}",
            answer.status == 200 and answer.headers["content-type"].startswith(kind) and answer.body,
            answer,
        )
        check(f"/{name} is kept", server.get(f"/{name}", **{"If-None-Match": answer.headers["etag"]}).status == 304)
        check(
            f"/{name} asks no other address",
            not re.search(rb"https?://(?!www\.w3\.org/2000/svg)", answer.body) or name.endswith("jpg"),
        )
        check(f"/{name}: a strict policy", "default-src 'none'" in answer.headers["content-security-policy"])
    check("no other files", server.get("/page/none").status == 404 and server.get("/page/..%2fapp.js").status == 404)
    sample = server.get("/v1/models/swift-x4/sample")
    check("a sample of a network", sample.status == 200 and sample.body[:3] == b"\xff\xd8\xff", sample)
    sample = server.get("/v1/kinds/drawing/sample")
    check("a sample of a kind", sample.status == 200 and sample.body[:3] == b"\xff\xd8\xff", sample)
    check("no sample of no kind", server.get("/v1/kinds/nothing/sample").status == 404)
    check("no sample of none", server.get("/v1/models/none/sample").status == 404)
    # What browsers cannot show is made for them.
    tiff = server.post("/v1/upscale?model=swift-x2&scale=1&format=tif", png(20, 10)).body
    server.ask("PUT", "/v1/jobs/tiff?model=swift-x2", tiff)
    until(lambda: server.get("/v1/jobs/tiff").json["state"] == "done")
    for side, size in (("input", (20, 10)), ("output", (40, 20))):
        answer = server.get(f"/v1/jobs/tiff/view/{side}")
        check(
            f"a TIFF's {side} for browsers",
            answer.headers["content-type"] == "image/png" and png_size(answer.body) == size,
            answer,
        )


def extras(server):
    def single(**fields):
        return server.post("/sdapi/v1/extra-single-image", json.dumps(fields), **JSON)

    small = base64.b64encode(png(30, 20)).decode()
    answer = single(image=small, upscaling_resize=2, upscaler_1="swift-x2")
    check("a picture", answer.status == 200 and png_size(base64.b64decode(answer.json["image"])) == (60, 40), answer)
    check(
        "the picture of /v1/upscale",
        base64.b64decode(answer.json["image"])
        == server.post("/v1/upscale?scale=2&model=swift-x2&format=png", png(30, 20)).body,
    )
    for fields, size in (
        ({"upscaler_1": "R-ESRGAN 4x+", "upscaling_resize": 4}, (120, 80)),
        ({"upscaler_1": "None"}, (60, 40)),
        ({"resize_mode": 1, "upscaling_resize_w": 50, "upscaling_resize_h": 50, "upscaler_1": "swift-x2"}, (50, 50)),
        (
            {
                "resize_mode": 1,
                "upscaling_resize_w": 50,
                "upscaling_resize_h": 50,
                "upscaling_crop": False,
                "upscaler_1": "swift-x2",
            },
            (75, 50),
        ),
        (
            {
                "upscaler_2": "swift-x4",
                "extras_upscaler_2_visibility": 0,
                "gfpgan_visibility": 0,
                "show_extras_results": True,
            },
            (60, 40),
        ),
    ):
        answer = single(image="data:image/png;base64," + small, **fields)
        check(f"{fields}", answer.status == 200 and png_size(base64.b64decode(answer.json["image"])) == size, answer)
    for fields, status in (
        ({"image": "%%%"}, 400),
        ({}, 400),
        ({"image": "http://localhost/a.png"}, 415),
        ({"image": small, "upscaler_1": "../x"}, 404),
        ({"image": small, "upscaler_2": "swift-x2", "extras_upscaler_2_visibility": 0.5}, 415),
        ({"image": small, "codeformer_visibility": 1}, 415),
        ({"image": small, "resize_mode": 7}, 400),
        ({"image": small, "upscaling_resize": 1000}, 400),
        ({"image": base64.b64encode(b"#EXTM3U\n").decode()}, 415),
    ):
        answer = single(**fields)
        check(
            f"refused in a sentence: {str(fields)[:80]}",
            answer.status == status and answer.json.get("detail"),
            answer,
        )
    long = server.ask("POST", "/sdapi/v1/extra-single-image", b"", {"Content-Length": str(10**12)})
    check("too long: as A1111's clients read it", long.status == 413 and "bytes" in long.json["detail"], long)
    check("no JSON", server.post("/sdapi/v1/extra-single-image", "{", **JSON).status == 400)
    check("deep JSON", server.post("/sdapi/v1/extra-single-image", "[" * 100000, **JSON).status == 400)
    colours = [(250, 10, 10), (10, 250, 10), (10, 10, 250)]
    images = [{"data": base64.b64encode(png(20, 20, c)).decode(), "name": f"{i}.png"} for i, c in enumerate(colours)]
    answer = server.post(
        "/sdapi/v1/extra-batch-images",
        json.dumps({"imageList": images, "upscaling_resize": 2, "upscaler_1": "swift-x2"}),
        **JSON,
    )
    alone = [single(image=i["data"], upscaling_resize=2, upscaler_1="swift-x2").json["image"] for i in images]
    check("a batch, in its order", answer.status == 200 and answer.json["images"] == alone, answer)
    images[1]["data"] = base64.b64encode(b"text").decode()
    answer = server.post("/sdapi/v1/extra-batch-images", json.dumps({"imageList": images}), **JSON)
    check("one bad of a batch", answer.status == 415 and "detail" in answer.json, answer)


def tensors(server):
    pixels = bytes(range(48)) * 3
    head = {"inputs": [{"name": "image", "datatype": "UINT8", "shape": [6, 8, 3], "data": list(pixels)}], "id": "7"}
    answer = server.post("/v2/models/swift-x2/infer", json.dumps(head), **JSON)
    output = answer.json["outputs"][0]
    check(
        "a tensor in JSON",
        output["shape"] == [12, 16, 3] and len(output["data"]) == 12 * 16 * 3 and answer.json["id"] == "7",
        answer,
    )
    ppm = server.post("/v1/upscale?model=swift-x2&format=ppm", b"P6\n8 6\n255\n" + pixels).body
    check("the pixels of /v1/upscale", bytes(output["data"]) == ppm[-12 * 16 * 3 :])
    del head["inputs"][0]["data"]
    head["inputs"][0]["parameters"] = {"binary_data_size": len(pixels)}
    head["outputs"] = [{"name": "image", "parameters": {"binary_data": True}}]
    head["parameters"] = {"scale": 3}
    text = json.dumps(head).encode()
    headers = {"Inference-Header-Content-Length": str(len(text)), "Content-Type": "application/octet-stream"}
    answer = server.post("/v2/models/swift-x2/versions/1/infer", text + pixels, **headers)
    length = int(answer.headers["inference-header-content-length"])
    output = json.loads(answer.body[:length])["outputs"][0]
    check(
        "a binary tensor",
        output["shape"] == [18, 24, 3]
        and output["parameters"]["binary_data_size"] == len(answer.body) - length == 18 * 24 * 3,
        answer,
    )
    grey = {"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, 4, 4, 1], "data": [[7] * 4] * 4}]}
    answer = server.post("/v2/models/swift-x2/infer", json.dumps(grey), **JSON)
    check("grey, in a batch of one, nested", answer.json["outputs"][0]["shape"] == [1, 8, 8, 1], answer)
    for change, status in (
        ({"shape": [6, 8, 4]}, 415),
        ({"shape": [2, 6, 8, 3]}, 415),
        ({"shape": [6, 9, 3]}, 400),
        ({"shape": [1 << 40, 8, 3]}, 413),
        ({"shape": "x"}, 400),
        ({"datatype": "FP64"}, 415),
        ({"datatype": "FP32"}, 415),
        ({"data": [0.5] * len(pixels)}, 400),
        ({"data": [256] * len(pixels)}, 400),
        ({"data": ["1"] * len(pixels)}, 400),
        ({"data": {"a": 1}}, 400),
    ):
        bad = {"inputs": [{"name": "image", "datatype": "UINT8", "shape": [6, 8, 3], "data": list(pixels), **change}]}
        answer = server.post("/v2/models/swift-x2/infer", json.dumps(bad), **JSON)
        check(f"refused in a sentence: {change}", answer.status == status and answer.json.get("error"), answer)
    floats(server)
    check(
        "an unknown network",
        server.get("/v2/models/none").status == 404 and server.post("/v2/models/none/infer", "{}").status == 404,
    )
    check(
        "too long a head",
        server.post("/v2/models/swift-x2/infer", "{}", **{"Inference-Header-Content-Length": "99"}).status == 400,
    )
    check(
        "health",
        server.get("/v2/health/live").status
        == server.get("/v2/health/ready").status
        == server.get("/v2/models/swift-x2/ready").status
        == 200,
    )


def floats(server):
    """Version 2: planes of floats, the same picture as version 1's."""
    colours = [(x * 30, y * 40, 128) for y in range(6) for x in range(8)]
    rows = bytes(c for colour in colours for c in colour)
    planes = [colour[c] / 255 for c in range(3) for colour in colours]
    raw = struct.pack(f"<{len(planes)}f", *planes)
    head = {
        "inputs": [
            {"name": "image", "datatype": "FP32", "shape": [1, 3, 6, 8], "parameters": {"binary_data_size": len(raw)}}
        ],
        "outputs": [{"name": "image", "parameters": {"binary_data": True}}],
        "parameters": {"precision": "fp32"},
    }
    text = json.dumps(head).encode()
    headers = {"Inference-Header-Content-Length": str(len(text)), "Content-Type": "application/octet-stream"}
    answer = server.post("/v2/models/swift-x2/versions/2/infer", text + raw, **headers)
    length = int(answer.headers.get("inference-header-content-length", 0))
    said = json.loads(answer.body[:length])
    output = said["outputs"][0]
    check("floats", (output["datatype"], output["shape"]) == ("FP32", [1, 3, 12, 16]), answer)
    check("their version", said["model_version"] == "2", said)
    got = struct.unpack(f"<{3 * 12 * 16}f", answer.body[length:])
    ppm = server.post("/v1/upscale?model=swift-x2&precision=fp32&format=ppm", b"P6\n8 6\n255\n" + rows).body
    wanted = [ppm[-12 * 16 * 3 :][p * 3 + c] for c in range(3) for p in range(12 * 16)]
    apart = max(abs(min(1, max(0, a)) * 255 - b) for a, b in zip(got, wanted))
    check("the pixels of /v1/upscale, before rounding", 0.01 < apart < 0.51, apart)
    head = {
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [3, 6, 8], "data": planes}],
        "parameters": {"precision": "fp32"},
    }
    answer = server.post("/v2/models/swift-x2/infer", json.dumps(head), **JSON)
    output = answer.json["outputs"][0]
    near = max(abs(a - b) for a, b in zip(output["data"], got))
    check("floats in JSON, without a version", output["shape"] == [3, 12, 16] and near < 1e-6, (near, answer))
    for path, status in (("/versions/1/infer", 400), ("/versions/3/infer", 404)):
        answer = server.post(f"/v2/models/swift-x2{path}", json.dumps(head), **JSON)
        check(f"{path} is refused", answer.status == status and isinstance(answer.json["error"], str), answer)
    nan = text + struct.pack("<f", float("nan")) + raw[4:]
    check("what is no number", server.post("/v2/models/swift-x2/infer", nan, **headers).status == 400)
    one, two = (server.get(f"/v2/models/swift-x2/versions/{v}").json["inputs"][0] for v in (1, 2))
    check("metadata of version 1", (one["datatype"], one["shape"]) == ("UINT8", [-1, -1, -1]), one)
    check("metadata of version 2", (two["datatype"], two["shape"]) == ("FP32", [1, 3, -1, -1]), two)
    check("no version 3", server.get("/v2/models/swift-x2/versions/3").status == 404)


def much(server):
    """Small texts that would be large values: refused while they are read."""
    before = resident(server.process.pid)
    for name, text in (
        ("a tensor of nothing", '{"inputs": [{"data": [' + "[]," * 3_000_000 + "[]]}]}"),
        ("many tensors", '{"inputs": [' + "{}," * 3_000_000 + "{}]}"),
        ("objects in a tensor", '{"inputs": [{"data": [' + "{}," * 3_000_000 + "{}]}]}"),
        ("many numbers", '{"parameters": [' + "1," * 5_000_000 + "1]}"),
    ):
        answer = server.post("/v2/models/swift-x2/infer", text, **JSON)
        check(f"{name}: refused", answer.status in (400, 415), answer)
    grown = resident(server.process.pid) - before
    check("and cost little memory", grown < 120_000, grown)


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def progress(server):
    """Of AUTOMATIC1111's clients' own work."""
    get = lambda: server.get("/sdapi/v1/progress").json
    check("nothing is in work", get()["progress"] == 0 and get()["state"]["job_count"] == 0, get())
    image = base64.b64encode(png(480, 360)).decode()
    body = {"imageList": [{"data": image, "name": "a"}] * 2, "upscaler_1": "fine-x4", "upscaling_resize": 4}
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.post, "/sdapi/v1/extra-batch-images", json.dumps(body), **JSON)
        heard = []
        while not asked.done():
            heard.append(get())
        check("the batch is done", asked.result().status == 200)
    busy = [h for h in heard if h["state"]["job_count"] == 2]
    parts = [h["progress"] for h in busy]
    check("progress grows", parts == sorted(parts) and 0 <= parts[0] < 0.5 < parts[-1] <= 1, parts)
    check("it is no fixed number", len(set(parts)) > 3, parts)
    check("time left is told", any(h["eta_relative"] > 0 for h in busy), busy[-1])
    check("and which it is", {h["state"]["job_no"] for h in busy} >= {0, 1}, busy[-1])
    check("afterwards nothing is", get()["progress"] == 0, get())


def refused_outside():
    """What is refused before the request is looked at has those clients' form as well."""
    with Server(PROGRAM, ENLARGE_TOKEN="a-token-of-the-test-0123") as server:
        for method, path, status in (
            ("GET", "/v2/models/swift-x2", 401),
            ("POST", "/v2/models/swift-x2/infer", 401),
            ("GET", "/v2/nothing", 404),
            ("DELETE", "/v2/models/swift-x2/infer", 405),
            ("GET", "/sdapi/v1/upscalers", 401),
        ):
            said = server.ask(method, path)
            text = isinstance(said.json["error"], str) and said.json["detail"] == said.json["error"]
            check(f"{method} {path}: {status}, in those clients' form", said.status == status and text, said)
        check("others have ours", server.get("/v1/models").json["error"]["code"] == "token")


def main():
    refused_outside()
    # Under the address sanitizer what was given back counts as taken for a while: not for long.
    sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
    with Server(PROGRAM, ASAN_OPTIONS=sanitizer) as server:
        document(server)
        page_files(server)
        extras(server)
        tensors(server)
        progress(server)
        much(server)
    return finish()


sys.exit(main())
