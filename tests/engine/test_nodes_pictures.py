"""Pictures are loaded, changed and saved as ComfyUI does."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from service.engine.node import Interrupted
from service.engine.nodes import NODE_CLASSES
from service.engine.nodes.destinations import destination, with_tokens
from tests.engine.node_bench import Bench, colours, frames_of, pixels


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def picture(width: int = 40, height: int = 24) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.dstack((columns * 5, rows * 9, (rows + columns) * 3)).astype(np.uint8)


def test_a_picture_comes_back_as_it_was(bench: Bench) -> None:
    frames, mask = bench.run("LoadImage", image=bench.put("a.png", picture())).values
    assert (pixels(frames)[0] == picture()).all()
    assert mask.make().shape == (64, 64)
    assert not mask.make().any()
    assert not frames.drawn


def test_a_turned_photo_stands_upright(bench: Bench) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    bench.put("a.png", picture(), exif=exif)
    frames = bench.first("LoadImage", image="a.png")
    assert (frames.width, frames.height) == (24, 40)
    assert (pixels(frames)[0] == np.rot90(picture(), -1)).all()


def test_what_is_clear_becomes_the_mask(bench: Bench) -> None:
    alpha = np.full((24, 40, 1), 255, np.uint8)
    alpha[:, :10] = 0
    bench.put("a.png", np.dstack((picture(), alpha)))
    frames, mask = bench.run("LoadImage", image="a.png").values
    assert frames.count == 1
    assert mask.make()[:, :10].min() == 1
    assert mask.make()[:, 10:].max() == 0


def test_sixteen_bit_grey_is_brought_down(bench: Bench) -> None:
    Image.fromarray(np.full((8, 8), 30000, np.uint16)).save(bench.folders.input / "a.png")
    assert 110 <= int(pixels(bench.first("LoadImage", image="a.png"))[0][0, 0, 0]) <= 125


@pytest.mark.parametrize(("reference", "folder"), [("a.png [temp]", "temp"), ("sub/a.png [output]", "output/sub")])
def test_a_name_may_say_its_folder(bench: Bench, reference: str, folder: str) -> None:
    (bench.base / folder).mkdir(exist_ok=True)
    Image.fromarray(picture()).save(bench.base / folder / "a.png")
    assert NODE_CLASSES["LoadImage"].validate({"image": reference}, bench.folders) is True
    assert bench.first("LoadImage", image=reference).width == 40


@pytest.mark.parametrize("reference", ["nope.png", "../secret.png", "a.png [output]", "", "../temp/a.png"])
def test_a_file_that_is_not_there_or_outside_is_refused(bench: Bench, reference: str) -> None:
    (bench.base / "secret.png").write_bytes(b"x")
    Image.fromarray(picture()).save(bench.folders.temp / "a.png")
    answer = NODE_CLASSES["LoadImage"].validate({"image": reference}, bench.folders)
    assert answer == f"Invalid image file: {reference}"


def test_a_file_that_is_no_picture_fails_with_its_path(bench: Bench) -> None:
    path = bench.folders.input / "bad.png"
    path.write_bytes(b"no picture")
    with pytest.raises(UnidentifiedImageError, match=r"^cannot identify image file '") as caught:
        bench.run("LoadImage", image="bad.png")
    assert str(path) in str(caught.value)


def test_a_truncated_picture_fails_in_its_own_node(bench: Bench) -> None:
    rng = np.random.default_rng(1)
    bench.put("a.png", rng.integers(0, 255, (64, 64, 3), dtype=np.uint8))
    path = bench.folders.input / "a.png"
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(OSError, match="truncated"):
        bench.run("LoadImage", image="a.png")


def test_a_file_replaced_later_changes_nothing(bench: Bench) -> None:
    frames = bench.first("LoadImage", image=bench.put("a.png", picture()))
    Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(bench.base / "b.png")
    (bench.base / "b.png").replace(bench.folders.input / "a.png")
    assert (pixels(frames)[0] == picture()).all()


def test_a_replaced_file_has_another_fingerprint(bench: Bench) -> None:
    bench.put("a.png", picture())
    ask = NODE_CLASSES["LoadImage"].fingerprint
    before = ask({"image": "a.png"}, bench.folders)
    assert ask({"image": "a.png"}, bench.folders) == before
    bench.put("b.png", np.invert(picture()))
    (bench.folders.input / "b.png").replace(bench.folders.input / "a.png")
    assert ask({"image": "a.png"}, bench.folders) != before


def test_the_list_of_files_is_live(bench: Bench) -> None:
    info = NODE_CLASSES["LoadImage"].info
    assert info({}, bench.folders)["input"]["required"]["image"][0] == []
    bench.put("b.png", picture())
    bench.put("a.jpg", picture())
    (bench.folders.input / "notes.txt").write_text("x")
    assert info({}, bench.folders)["input"]["required"]["image"][0] == ["a.jpg", "b.png"]


def test_the_list_of_models_is_live(bench: Bench) -> None:
    models = {"checkpoints": ["one.safetensors"], "vae": ["v.pt"]}
    loader = NODE_CLASSES["CheckpointLoaderSimple"].info(models, bench.folders)
    assert loader["input"]["required"]["ckpt_name"][0] == ["one.safetensors"]
    vae = NODE_CLASSES["VAELoader"].info(models, bench.folders)
    assert vae["input"]["required"]["vae_name"][0] == ["v.pt", "pixel_space"]


def test_the_colour_of_an_empty_image_is_read_as_red_green_blue(bench: Bench) -> None:
    frames = bench.first("EmptyImage", width=8, height=4, batch_size=3, color=0x102030)
    assert [tuple(int(v) for v in found[0, 0]) for found in pixels(frames)] == [(16, 32, 48)] * 3


@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"])
def test_scaling_gives_the_size_that_was_asked(bench: Bench, method: str) -> None:
    source = frames_of([picture()])
    scaled = bench.first("ImageScale", image=source, upscale_method=method, width=17, height=31, crop="disabled")
    assert pixels(scaled)[0].shape == (31, 17, 3)


def test_a_side_of_nought_follows_the_other(bench: Bench) -> None:
    source = frames_of([picture()])
    scaled = bench.first("ImageScale", image=source, upscale_method="area", width=20, height=0, crop="disabled")
    assert (scaled.width, scaled.height) == (20, 12)
    same = bench.first("ImageScale", image=source, upscale_method="area", width=0, height=0, crop="disabled")
    assert (same.width, same.height) == (40, 24)


def test_cropping_to_the_centre_keeps_the_shape_of_things(bench: Bench) -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 255
    scaled = bench.first(
        "ImageScale", image=frames_of([wide]), upscale_method="bilinear", width=20, height=20, crop="center"
    )
    assert pixels(scaled)[0].min() == 255


def test_scaling_by_a_factor(bench: Bench) -> None:
    scaled = bench.first("ImageScaleBy", image=frames_of([picture()]), upscale_method="bilinear", scale_by=0.5)
    assert (scaled.width, scaled.height) == (20, 12)


def test_a_crop_stays_inside(bench: Bench) -> None:
    cut = bench.first("ImageCrop", image=frames_of([picture()]), width=100, height=10, x=30, y=20)
    assert (pixels(cut)[0] == picture()[20:24, 30:40]).all()


def test_batches_are_put_together_and_taken_apart(bench: Bench) -> None:
    both = bench.first("ImageBatch", image1=frames_of(colours(3)), image2=frames_of(colours(2, 16, 16)))
    assert (both.count, both.width, both.height) == (5, 32, 16)
    part = bench.first("ImageFromBatch", image=both, batch_index=2, length=9)
    assert [found[0, 0, 1] for found in pixels(part)] == [42, 40, 41]


def test_pictures_are_counted_on_from_what_lies_there(bench: Bench) -> None:
    (bench.folders.output / "set").mkdir()
    (bench.folders.output / "set" / "img_00041_.png").touch()
    ui = bench.run("SaveImage", images=frames_of(colours(2)), filename_prefix="set/img").ui
    assert [shown["filename"] for shown in ui["images"]] == ["img_00042_.png", "img_00043_.png"]
    with Image.open(bench.output(ui["images"][1])) as saved:
        assert (np.asarray(saved) == colours(2)[1]).all()
        assert json.loads(saved.text["prompt"]) == bench.prompt


@pytest.mark.parametrize("prefix", ["../../escape", "/tmp/escape", "a/../../escape"])
def test_a_prefix_that_leaves_the_folder_is_refused_in_the_known_words(bench: Bench, prefix: str) -> None:
    with pytest.raises(Exception, match="Saving image outside the output folder is not allowed"):
        bench.run("SaveImage", images=frames_of(colours(1)), filename_prefix=prefix)


def test_a_link_that_leaves_the_folder_is_refused(bench: Bench) -> None:
    (bench.folders.output / "out").symlink_to(bench.base)
    with pytest.raises(Exception, match="outside the output folder"):
        destination(bench.folders.output, "out/escape")


def test_only_known_tokens_are_replaced() -> None:
    filled = with_tokens("%date:yyyy-MM-dd%/%Node.width%_%width%x%height%", 640, 360)
    assert filled == "%date:yyyy-MM-dd%/%Node.width%_640x360"


def test_a_save_that_is_interrupted_leaves_whole_files_only(bench: Bench) -> None:
    bench.stop_at = lambda: bench.checks > 4
    with pytest.raises(Interrupted):
        bench.run("SaveImage", images=frames_of(colours(9)), filename_prefix="x")
    for path in bench.folders.output.iterdir():
        with Image.open(path) as saved:
            saved.load()


def test_previews_lie_in_the_temp_folder_under_a_name_of_chance(bench: Bench) -> None:
    first = bench.run("PreviewImage", images=frames_of(colours(1))).ui["images"][0]
    second = bench.run("PreviewImage", images=frames_of(colours(1))).ui["images"][0]
    assert first["type"] == "temp"
    assert first["filename"] != second["filename"]
    assert bench.output(first).exists()


def test_the_socket_node_sends_png_and_keeps_nothing(bench: Bench) -> None:
    result = bench.run("SaveImageWebsocket", images=frames_of(colours(2)))
    assert not result.ui
    assert [event for event, _payload in bench.sent] == [1, 1]
    assert bench.sent[0][1][:8] == struct.pack(">I", 2) + b"\x89PNG"
    assert [(value, maximum) for value, maximum, _ in bench.told] == [(0, 2), (1, 2)]


def test_the_socket_node_is_never_the_same() -> None:
    stamp = NODE_CLASSES["SaveImageWebsocket"].fingerprint({}, None)
    assert stamp != stamp


@pytest.mark.parametrize("count", [1, 4])
def test_an_animated_png_has_every_frame(bench: Bench, count: int) -> None:
    ui = bench.run(
        "SaveAnimatedPNG", images=frames_of(colours(count)), filename_prefix="x", fps=8.0, compress_level=4
    ).ui
    assert ui["animated"] == [True]
    with Image.open(bench.output(ui["images"][0])) as saved:
        assert getattr(saved, "n_frames", 1) == count
        for index in range(count):
            saved.seek(index)
            assert (np.asarray(saved.convert("RGB")) == colours(count)[index]).all()
        assert "prompt" in saved.text


def test_an_animated_webp_has_every_frame(bench: Bench) -> None:
    ui = bench.run(
        "SaveAnimatedWEBP",
        images=frames_of(colours(4)),
        filename_prefix="x",
        fps=8.0,
        lossless=True,
        quality=80,
        method="default",
    ).ui
    with Image.open(bench.output(ui["images"][0])) as saved:
        assert saved.n_frames == 4
        saved.seek(3)
        assert (np.asarray(saved.convert("RGB")) == colours(4)[3]).all()
        assert saved.getexif()[0x0110].startswith("prompt:{")
