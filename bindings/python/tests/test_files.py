# SPDX-License-Identifier: Apache-2.0
"""Picture and video files, models and devices: the bytes of the command line, progress, stopping, errors."""
import enlarge
import pytest


def test_a_picture_file_has_the_bytes_of_the_command_line(engine, program, source, tmp_path):
    cat = source / "samples" / "cat.jpg"
    for name, options in (("a.png", {}), ("b.jpg", {"scale": 1.5, "quality": 80}), ("c.webp", {"size": (0, 200)})):
        words = {"scale": ["--scale", 1.5], "quality": ["--quality", 80], "size": ["--height", 200]}
        program(cat, "-o", tmp_path / name, "--model", "swift-x2", *[w for key in options for w in words[key]])
        report = enlarge.upscale_file(cat, tmp_path / ("own-" + name), engine, **options)
        assert (tmp_path / name).read_bytes() == (tmp_path / ("own-" + name)).read_bytes()
        assert report.tiles > 0 and report.output[0] > 0


def test_errors_have_classes(engine, source, tmp_path):
    cat, out = source / "samples" / "cat.jpg", tmp_path / "out.png"
    out.write_bytes(b"mine")
    with pytest.raises(FileExistsError) as caught:
        enlarge.upscale_file(cat, out, engine)
    assert isinstance(caught.value, enlarge.Error) and caught.value.status == 5 and out.read_bytes() == b"mine"
    with pytest.raises(FileNotFoundError):
        enlarge.upscale_file(tmp_path / "no.png", tmp_path / "x.png", engine)
    (tmp_path / "broken.png").write_bytes(cat.read_bytes()[:2000])
    with pytest.raises(enlarge.Error):
        enlarge.upscale_file(tmp_path / "broken.png", tmp_path / "x.png", engine)
    with pytest.raises(enlarge.NotFoundError):
        enlarge.Model.open("no-such-model-anywhere")
    with pytest.raises(enlarge.UnsupportedError):
        enlarge.Model.read(b"garbage" * 100)
    with pytest.raises(enlarge.CancelledError):
        enlarge.upscale_file(cat, tmp_path / "x.png", engine, progress=lambda fraction: False)
    assert not (tmp_path / "x.png").exists()
    kinds = {kind.status for kind in enlarge.Error.__subclasses__()}
    assert kinds == set(range(1, 14))


def test_a_video_file_has_the_bytes_of_the_command_line(engine, program, source, tmp_path):
    clip = source / "samples" / "clip.mp4"
    program(clip, "-o", tmp_path / "a.mkv", "--model", "swift-x2", "--to", "0.3", "--crf", "30",
            "--preset", "ultrafast")
    notices, seen = [], []
    video = enlarge.upscale_video(clip, tmp_path / "b.mkv", engine, to_seconds=0.3, crf=30, preset="ultrafast",
                                  notice=lambda code, text: notices.append(code))
    for now in video:
        seen.append(now.frames)
    report = video.result()
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()
    assert seen[-1] == report.frames_out > 0 and "encoder" in notices
    with pytest.raises(enlarge.ExistsError):
        list(enlarge.upscale_video(clip, tmp_path / "b.mkv", engine))


def test_a_video_is_stopped(engine, source, tmp_path):
    clip = source / "samples" / "clip.mp4"
    stop = enlarge.Cancellation()
    stop.cancel()
    with pytest.raises(enlarge.CancelledError):
        enlarge.upscale_video(clip, tmp_path / "x.mkv", engine, cancel=stop).result()
    video = enlarge.upscale_video(clip, tmp_path / "y.mkv", engine, scale=4)
    for _ in video:
        video.stop()
        break
    with pytest.raises(enlarge.CancelledError):
        video.result()
    with enlarge.upscale_video(clip, tmp_path / "z.mkv", engine, scale=4):
        pass
    assert not list(tmp_path.glob("?.mkv"))
    with pytest.raises(enlarge.ArgumentError, match="unknown option crfs"):
        enlarge.upscale_video(clip, tmp_path / "x.mkv", engine, crfs=1)


def test_models_and_devices(source):
    assert len(enlarge.models()) > 100
    found = enlarge.models("realesr general", family="compact", scale=4, runs=True)
    assert found and all(model.runs and model.scale == 4 and len(model.sha256) == 64 for model in found)
    assert "swift-x2" in enlarge.builtin_models()
    assert any(device.id == "cpu" and device.usable and "fp32" in device.precisions for device in enlarge.devices())
    model = enlarge.Model.open(source / "models" / "swift-x2.safetensors")
    assert (model.scale, model.family, model.facts["scale"]) == (2, "Compact", "2")
    assert model.blend(model, 0.5).parameters == model.parameters
    with pytest.raises(enlarge.LimitError):
        enlarge.Model.open(source / "models" / "swift-x2.safetensors", file_bytes=100)


def test_pulling_without_a_network_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("ENLARGE_OFFLINE", "1")
    with pytest.raises(enlarge.NetworkError):
        enlarge.pull("realesr-general-x4v3")


def test_lines_of_an_engine_and_its_name():
    engine = enlarge.Engine("swift-x2", device="reference", log=lambda code, text: None)
    assert engine.device.kind == "reference" and engine.precision == "fp32" and "reference" in engine.description
