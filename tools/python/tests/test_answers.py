"""Answers are those of e3-run, bit for bit, whatever the frame is made of."""

import copy
import os
import platform
import subprocess
import sys
import threading

import numpy as np
import pytest
from conftest import MODELS, PICTURES, ROOT
from PIL import Image, ImageOps

import e3
from e3._files import other_file


def float32(values):
    return np.array(values, np.float64).astype(np.float32)


def assert_equal(answer, found):
    """`found` is e3-run's JSON: nine digits, which read back as the library's floats."""
    assert (answer.probabilities == float32(found["probabilities"])).all()
    logits = [member["logits"] for member in found["members"]]
    assert (answer.member_logits == float32(logits)).all()
    assert answer.top_class == found["top"][0]["index"]
    assert [c for c, _, _ in answer.top(len(found["top"]))] == [top["index"] for top in found["top"]]
    assert answer.label == found["top"][0].get("label", "")
    if "decision" in found:
        assert answer.decision == found["decision"]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_shipped_model_answers_every_shipped_picture_as_e3_run_does(path, e3_run):
    model = e3.Model(path)
    assert len(PICTURES) >= 8
    for picture in PICTURES:
        image = Image.open(picture)
        pixels = np.asarray(image)
        found = e3_run(path, pixels.tobytes(), "rgb24", image.width, image.height)
        assert_equal(model(pixels), found)
        assert_equal(model(image), found)


def test_networks_of_one_file_answer_as_their_own_files_do():
    whole = e3.Model(ROOT / "models/fashion-vit-ensemble.e3")
    parts = [e3.Model(ROOT / f"models/{name}.e3") for name in ("fashion-vit", "fashion-vit-2")]
    assert whole.networks == 2 and whole.members == 2 and "2 networks" in repr(whole)
    assert [whole.network(index)["members"] for index in range(2)] == [1, 1]
    assert whole.multiply_accumulates == sum(part.multiply_accumulates for part in parts)
    assert whole.network(1)["multiply_accumulates"] == parts[1].multiply_accumulates
    for picture in PICTURES:
        pixels = np.asarray(Image.open(picture))
        expected = np.concatenate([part(pixels).member_logits for part in parts])
        assert np.array_equal(whole(pixels).member_logits, expected)
    with pytest.raises(IndexError):
        whole.network(2)


def test_a_deep_ensemble_stops_early_where_it_is_asked_to():
    path = ROOT / "models/fashion-vit-ensemble.e3"
    whole, early = e3.Model(path), e3.Model(path, early=True)
    assert whole.has_early_stops and early.networks == 2
    stopped = 0
    for picture in PICTURES:
        frame = Image.open(picture)
        expected, answer = whole(frame), early(frame)
        assert expected.networks == 2 and answer.networks in (1, 2)
        assert np.array_equal(answer.member_logits, expected.member_logits[: answer.networks])
        if answer.networks == 1:
            stopped += 1
            assert answer.members == 1 and answer.decision == "accept" and answer.mutual_information == 0
            assert "1 of 2 networks answered" in answer._repr_html_() and "1 of 2 networks>" in repr(answer)
        else:
            assert np.array_equal(answer.probabilities, expected.probabilities)
            assert "networks answered" not in answer._repr_html_()
    assert 0 < stopped < len(PICTURES)
    one = ROOT / "models/fashion-e3.e3"
    assert not e3.Model(one).has_early_stops
    with pytest.raises(e3.E3Error, match="no early stops"):
        e3.Model(one, early=True)


def test_a_library_that_does_not_know_of_it_is_not_asked_to_stop_early(monkeypatch):
    monkeypatch.setattr(e3._library.lib, "e3_abi_version", lambda: 1 << 16 | 3)
    path = ROOT / "models/fashion-vit-ensemble.e3"
    with pytest.raises(ValueError, match="older than early="):
        e3.Model(path, early=True)
    assert e3.Model(path)(Image.open(PICTURES[0])).networks == 2


def test_a_part_of_a_model_stays_in_memory_and_the_rest_is_read(model, tmp_path):
    path = tmp_path / "model.e3"
    path.write_bytes((ROOT / "models/fashion-e3.e3").read_bytes())
    least = e3.Model(path).resident_minimum
    assert 0 < least < path.stat().st_size
    for resident in (least, path.stat().st_size):
        part = e3.Model(path, resident=resident)
        for picture in PICTURES[:4]:
            frame = Image.open(picture)
            assert np.array_equal(part(frame).member_logits, model(frame).member_logits)
    with pytest.raises(e3.E3Error, match="fewer resident bytes"):
        e3.Model(path, resident=least - 1)
    with pytest.raises(ValueError, match="needs the path"):
        e3.Model(path.read_bytes(), resident=least)
    # What is read is what was mapped, also when another file has its name now.
    part = e3.Model(path, resident=least)
    path.unlink()
    frame = Image.open(PICTURES[0])
    assert np.array_equal(part(frame).member_logits, model(frame).member_logits)


def test_a_yuyv_frame_answers_as_e3_run_does(model, e3_run):
    pixels = (ROOT / "models/frames/garment-bag-160x120.yuyv").read_bytes()
    frame = e3.Frame("yuyv", np.frombuffer(pixels, np.uint8).reshape(120, 160, 2))
    assert_equal(model(frame), e3_run(model.path, pixels, "yuyv", 160, 120))


def test_nv12_is_a_tuple_of_luma_and_chroma(model, e3_run):
    random = np.random.default_rng(1)
    luma, chroma = random.integers(0, 256, (48, 64), np.uint8), random.integers(0, 256, (24, 32, 2), np.uint8)
    found = e3_run(model.path, luma.tobytes() + chroma.tobytes(), "nv12", 64, 48)
    assert_equal(model((luma, chroma)), found)
    assert_equal(model((luma, chroma.reshape(24, 64))), found)
    assert_equal(model(e3.Frame("nv12", luma, chroma)), found)
    with pytest.raises(ValueError, match=r"plane 1 of nv12 is \[24, 32, 2\], not \[24, 31, 2\]"):
        model((luma, chroma[:, 1:]))


def test_formats_ranges_rectangles_and_transforms_are_those_of_e3_h(model):
    rgb = np.random.default_rng(11).integers(0, 256, (24, 40, 3), np.uint8)
    expected = model(rgb).member_logits
    bgrx = np.dstack([rgb[:, :, ::-1], np.full((24, 40), 9, np.uint8)])
    assert (model(e3.Frame("bgrx32", bgrx)).member_logits == expected).all()
    assert (model(e3.Frame("rgb24", rgb, range="limited")).member_logits != expected).any()
    part = model(rgb[3:20, 5:35]).member_logits
    assert (model(e3.Frame("rgb24", rgb, crop=(5, 3, 30, 17))).member_logits == part).all()
    turned = model(np.rot90(rgb, -1)).member_logits
    assert (model(e3.Frame("rgb24", rgb, transform="rotate_90")).member_logits == turned).all()
    luma, u, v = (np.random.default_rng(n).integers(0, 256, s, np.uint8) for n, s in [(1, (24, 40)), (2, (12, 20)), (3, (12, 20))])
    two = model((luma, np.dstack([u, v]))).member_logits
    assert (model(e3.Frame("i420", luma, u, v)).member_logits == two).all()
    assert (model(e3.Frame("yv12", luma, v, u)).member_logits == two).all()
    assert (model(e3.Frame("i420", luma, u, v, matrix="bt709", range="full")).member_logits != two).any()
    grey = model(luma).member_logits
    assert (model(e3.Frame("gray16", luma.astype(np.uint16) * 257)).member_logits == grey).all()
    for arguments, options, words in [
        (("rgb48", rgb), {}, "no pixel format 'rgb48'"),
        (("nv12", luma), {}, "nv12 has 2 planes, not 1"),
        (("rgb24", rgb), {"range": "tv"}, "no range 'tv'"),
        (("rgb24", rgb), {"crop": (30, 0, 11, 5)}, "not inside 40 x 24"),
    ]:
        with pytest.raises(ValueError, match=words):
            e3.Frame(*arguments, **options)
    with pytest.raises(TypeError, match="is uint16"):
        e3.Frame("gray16", luma)


@pytest.mark.parametrize("format", ["nv12", "nv21", "i420", "yv12", "nv16", "yuyv", "uyvy", "yvyu"])
def test_sides_that_share_u_and_v_are_even(format):
    from e3.frame import _FORMATS

    def frame(height, width):
        # As a camera of odd sides would have them: the last line and column have U and V of their own.
        planes = [(-(-height // lines), -(-width // pixels), values) for lines, pixels, values in _FORMATS[format][1]]
        return e3.Frame(format, *(np.zeros(plane, np.uint8) for plane in planes))

    assert frame(6, 8).struct.width == 8
    is_of_two_lines = format in ("nv12", "nv21", "i420", "yv12")
    with pytest.raises(ValueError, match=f"^the width of {format} must be even, but the frame has 7 x 6 pixels$"):
        frame(6, 7)
    sides = "width and height" if is_of_two_lines else "width"
    with pytest.raises(ValueError, match=f"^the {sides} of {format} must be even, but the frame has 7 x 359 pixels$"):
        frame(359, 7)
    if is_of_two_lines:
        with pytest.raises(ValueError, match=f"^the height of {format} must be even, but the frame has 8 x 359 pixels$"):
            frame(359, 8)
    else:
        assert frame(359, 8).struct.height == 359


def test_lines_may_lie_anywhere(model, e3_run):
    pixels = np.random.default_rng(2).integers(0, 256, (40, 60, 3), np.uint8)
    for part in [pixels[3:30, 5:50], pixels[::2], pixels[::-1], pixels[:, ::-1], pixels[:, :, ::-1], pixels[:, ::3]]:
        found = e3_run(model.path, part.tobytes(), "rgb24", part.shape[1], part.shape[0])
        assert_equal(model(part), found)
    column = np.broadcast_to(pixels[:1], (20, 60, 3))
    assert_equal(model(column), e3_run(model.path, column.tobytes(), "rgb24", 60, 20))


def test_grey_is_an_array_of_two_axes_or_a_pillow_image_of_mode_l(model, e3_run):
    pixels = np.random.default_rng(3).integers(0, 256, (30, 41), np.uint8)
    found = e3_run(model.path, pixels.tobytes(), "gray8", 41, 30)
    for frame in [pixels, pixels[:, :, None], Image.fromarray(pixels), memoryview(pixels), e3.Frame("gray8", pixels)]:
        assert_equal(model(frame), found)


def test_a_prepared_image_is_what_preprocess_gives(model):
    pixels = np.random.default_rng(4).integers(0, 256, (50, 40, 3), np.uint8)
    values = model.preprocess(pixels)
    assert values.shape == (model.image_height, model.image_width, model.channels) and values.dtype == np.float32
    direct, prepared = model(pixels), model.run_tensor(values)
    assert (direct.member_logits == prepared.member_logits).all()
    assert (model.run_tensor(values[:, ::-1]).member_logits != direct.member_logits).any()
    for wrong in [values[1:], values.astype(np.float64)]:
        with pytest.raises(ValueError, match="a prepared image is float32"):
            model.run_tensor(wrong)


def test_a_prepared_image_of_another_range_is_refused_by_the_rule_of_e3_run(model):
    values = model.preprocess(np.random.default_rng(5).integers(0, 256, (50, 40, 3), np.uint8))
    low, high = f"{model.value_low:.2f}", f"{model.value_high:.2f}"
    odd, slack = values.copy(), 1.5 * (model.value_high - model.value_low)
    odd[3, 4] = 255
    with pytest.raises(ValueError, match=rf"the value 255.00 is no prepared pixel: the model takes {low} to {high}$"):
        model.run_tensor(odd)
    odd[3, 4] = model.value_low - 1.01 * slack
    with pytest.raises(ValueError, match="is no prepared pixel"):
        model.run_tensor(odd[:, ::-1])
    odd[3, 4] = model.value_low - 0.99 * slack  # noise and sharpening leave the range a little
    model.run_tensor(odd)
    odd[3, 4] = np.nan
    with pytest.raises(e3.E3Error, match="a NaN or an infinity"):
        model.run_tensor(odd)
    # Without NumPy too.
    import array

    shape = [model.image_height, model.image_width, model.channels]
    bytes_ = memoryview(array.array("f", [255.0] * values.size)).cast("B").cast("f", shape)
    numpy = sys.modules.pop("numpy")
    try:
        with pytest.raises(ValueError, match="the value 255.00 is no prepared pixel"):
            model.run_tensor(bytes_)
    finally:
        sys.modules["numpy"] = numpy


def test_what_is_not_certain_is_refused(model):
    rgb = np.zeros((8, 8, 3))
    for frame, kind, words in [
        (rgb, TypeError, "is uint8"),
        (rgb.astype(np.int8), TypeError, "is uint8"),
        (rgb.astype(bool), TypeError, "is uint8"),
        (np.zeros((8, 8, 4), np.uint8), ValueError, r"an array is .*\(RGB\) or .*\(grey\), not \[8, 8, 4\]$"),
        (np.zeros((3, 8, 9), np.uint8), ValueError, r"not \[3, 8, 9\]; numpy.moveaxis\(array, 0, -1\) puts"),
        (np.zeros((1, 8, 8, 3), np.uint8), ValueError, r"not \[1, 8, 8, 3\]: one frame at a time; Model.batch"),
        (np.zeros(8, np.uint8), ValueError, r"not \[8\]$"),
        (np.zeros((0, 8, 3), np.uint8), e3.E3Error, "width or height is zero"),
        (b"12345", TypeError, "no frame"),
        ("picture.jpg", TypeError, "no frame"),
        (None, TypeError, "no frame"),
        (Image.new("RGBA", (8, 8)), ValueError, "mode RGBA"),
        (Image.new("P", (8, 8)), ValueError, "mode P"),
        ((1, 2, 3), ValueError, "luma and chroma"),
    ]:
        with pytest.raises(kind, match=words):
            model(frame)
    assert model(np.zeros((8, 8, 3), np.uint8)).classes == 10


def test_masked_arrays_are_refused_wherever_arrays_are_taken(model):
    pixels = np.random.default_rng(5).integers(0, 256, (8, 8, 3), np.uint8)
    hiding = np.ma.masked_greater(pixels, 99)
    whole, luma, chroma = np.ma.array(pixels), np.zeros((8, 8), np.uint8), np.zeros((4, 4, 2), np.uint8)
    values = np.ma.array(model.preprocess(pixels))
    for refused in [
        lambda: model(hiding),
        lambda: model(whole),
        lambda: model(hiding[:, :, 0]),
        lambda: model((luma, np.ma.array(chroma))),
        lambda: e3.Frame("rgb24", hiding),
        lambda: model.batch([pixels, hiding]),
        lambda: model.batch(np.ma.array([pixels, pixels])),
        lambda: model.batch(hiding),
        lambda: model.learn("x", [hiding]),
        lambda: model.preprocess(hiding),
        lambda: model.run_tensor(values),
        lambda: model.run_tensor(values[:, ::-1]),
    ]:
        with pytest.raises(ValueError, match=r"^a masked array: .*; give array.filled\(VALUE\) or array.data$"):
            refused()
    assert (model(hiding.filled(0)).member_logits == model(np.where(pixels > 99, 0, pixels).astype(np.uint8)).member_logits).all()
    assert (model(hiding.data).member_logits == model(pixels).member_logits).all()


def lying(path, pixels, orientation=6):
    """A picture in a file that says how it is turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    return Image.open(path)


def test_the_orientation_beside_a_picture_counts(model, tmp_path):
    pixels = np.random.default_rng(5).integers(0, 256, (20, 30, 3), np.uint8)
    expected = model(np.rot90(pixels, -1)).member_logits
    image = lying(tmp_path / "turned.png", pixels)
    for _ in range(2):  # the image stays what it is
        assert (model(image).member_logits == expected).all()
    # What changes the opened picture itself leaves it lying.
    image.thumbnail((15, 15))
    assert (model(image).member_logits == model(np.rot90(np.asarray(image), -1)).member_logits).all()


def test_an_image_that_may_have_been_turned_already_is_refused(model, tmp_path):
    pixels = np.random.default_rng(5).integers(0, 256, (20, 30, 3), np.uint8)
    expected = model(np.rot90(pixels, -1)).member_logits
    for ending in ("png", "jpg"):
        image = lying(tmp_path / f"turned.{ending}", pixels)
        for made in [
            image.transpose(Image.Transpose.ROTATE_270),
            image.rotate(270, expand=True),
            image.crop((0, 0, 20, 20)),
            image.resize((28, 28)),
            image.convert("RGB"),
            image.convert("L"),
            image.copy(),
        ]:
            with pytest.raises(ValueError, match=r"^a Pillow image .* orientation 6, .*: call ImageOps.exif_transpose\(image\) on the"):
                model(made)
    turned = ImageOps.exif_transpose(Image.open(tmp_path / "turned.png"))
    for made in [turned, turned.convert("RGB"), turned.copy(), np.asarray(turned)]:
        assert (model(made).member_logits == expected).all()
    # What lies as it is stored may be changed at will, and a number that is no orientation says nothing.
    for orientation in (1, 0, 9):
        made = lying(tmp_path / "upright.png", pixels, orientation).convert("RGB")
        assert (model(made).member_logits == model(pixels).member_logits).all()


def test_a_transparent_colour_is_refused_and_lies_on_white_as_the_readme_says(model, tmp_path):
    generator = np.random.default_rng(6)
    path = tmp_path / "transparent.png"
    for pixels, colour in [
        (generator.integers(0, 200, (20, 30, 3), np.uint8), (250, 0, 250)),
        (generator.integers(0, 200, (20, 30), np.uint8), 250),
    ]:
        pixels[5:12, 4:20] = colour
        Image.fromarray(pixels).save(path, transparency=colour)
        image = Image.open(path)
        words = rf"^a Pillow image of mode {image.mode} with a transparent colour: convert it to RGBA and paste it on a ground, or"
        for refused in [image, image.copy(), image.convert(image.mode)]:
            with pytest.raises(ValueError, match=words):
                model(refused)
        picture = ImageOps.exif_transpose(image).convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        answer = model(Image.alpha_composite(white, picture).convert("RGB"))
        on_white = pixels.copy()
        on_white[5:12, 4:20] = 255
        colours = on_white if on_white.ndim == 3 else np.repeat(on_white[:, :, None], 3, axis=2)
        assert (answer.member_logits == model(colours).member_logits).all()
        del image.info["transparency"]
        assert (model(image).member_logits == model(pixels).member_logits).all()


def test_an_answer_stays_when_the_model_goes_on_and_ends():
    model = e3.Model(ROOT / "models/fashion-e3.e3")
    frames = np.random.default_rng(6).integers(0, 256, (4, 28, 28), np.uint8)
    answers = [model(frame) for frame in frames]
    copies = [answer.member_logits.copy() for answer in answers]
    width = model.representation_size
    del model
    for answer, copy in zip(answers, copies):
        assert (answer.member_logits == copy).all()
        assert np.isclose(answer.probabilities.sum(), 1, atol=1e-5)
        assert answer.representations.shape == (answer.members, width)
        assert answer.total_entropy >= answer.expected_entropy >= 0
    assert (copies[0] != copies[1]).any()
    with pytest.raises(ValueError):
        answers[0].probabilities[0] = 1


def test_a_batch_and_many_threads_give_the_answers_of_one(model):
    frames = list(np.random.default_rng(7).integers(0, 256, (100, 28, 28), np.uint8))
    expected = [model(frame).member_logits.tobytes() for frame in frames]
    for threads in [None, 1, 3]:
        assert [answer.member_logits.tobytes() for answer in model.batch(iter(frames), threads=threads)] == expected
    found = [None] * len(frames)

    def work(first):
        for index in range(first, len(frames), 4):
            found[index] = model(frames[index]).member_logits.tobytes()

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected
    for threads in [0, 65, -1]:
        with pytest.raises(ValueError, match=f"^threads is {threads}, expected 1 to 64$"):
            model.batch(frames, threads=threads)
    with pytest.raises(ValueError):
        model.batch(frames[:20] + [np.zeros((1, 1, 7), np.uint8)] + frames)


def test_threads_tiers_and_bytes_give_the_same_bits(model):
    pixels = np.random.default_rng(8).integers(0, 256, (28, 28), np.uint8)
    expected = model(pixels).member_logits.tobytes()
    contents = (ROOT / "models/fashion-e3.e3").read_bytes()
    for other in [e3.Model(model.path, threads=3), e3.Model(model.path, isa="scalar"), e3.Model(contents)]:
        assert other(pixels).member_logits.tobytes() == expected
    assert e3.Model(model.path, isa="scalar").isa == "scalar"


def test_a_forked_child_runs_its_parents_model(model):
    pixels = np.random.default_rng(9).integers(0, 256, (28, 28), np.uint8)
    expected = model(pixels).member_logits.tobytes()
    child = os.fork()
    if child == 0:
        os._exit(0 if model(pixels).member_logits.tobytes() == expected else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_a_forked_child_and_its_parent_run_the_model_at_once(threads):
    model = e3.Model(ROOT / "models/fashion-e3.e3", threads=threads)
    pixels = np.random.default_rng(9).integers(0, 256, (28, 28), np.uint8)
    expected = model(pixels).member_logits.tobytes()
    children = []
    for _ in range(3):
        children.append(os.fork())
        if children[-1] == 0:
            same = all(model(pixels).member_logits.tobytes() == expected for _ in range(100))
            del model  # its sessions are destroyed in the child
            os._exit(0 if same else 1)
    assert all(model(pixels).member_logits.tobytes() == expected for _ in range(300))
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert model(pixels).member_logits.tobytes() == expected


def test_what_a_forked_child_learns_is_its_own():
    model = e3.Model(ROOT / "models/fashion-e3.e3")
    frames = list(np.random.default_rng(3).integers(0, 256, (5, 28, 28), np.uint8))
    model.learn("wing nut", frames)
    child = os.fork()
    if child == 0:
        model.forget("wing nut")
        model.learn("gear", frames)
        model.learn("rivet", frames[::-1])
        os._exit(0 if len(model.learned) == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert [learned.label for learned in model.learned] == ["wing nut"]
    assert model(frames[0]).learned == "wing nut"


def test_one_frame_where_several_are_expected_is_refused(model):
    own = e3.Model(ROOT / "models/fashion-e3.e3")
    grey, color = np.zeros((28, 28), np.uint8), np.zeros((30, 40, 3), np.uint8)
    for frame in (grey, color, grey[..., None], (grey, np.zeros((14, 28), np.uint8)), e3.Frame("gray8", grey)):
        for call in (model.batch, own.learn_unlike, lambda frames: own.learn("valve", frames)):
            with pytest.raises(TypeError, match="one frame, where several are expected: give a list of frames"):
                call(frame)
    assert own.learned == []
    assert len(model.batch(np.zeros((5, 28, 28), np.uint8))) == len(model.batch((grey, grey))) + 3 == 5


def test_a_large_frame_with_u_and_v_has_the_matrix_that_e3_run_takes():
    for height, matrix in ((718, "bt601"), (720, "bt709")):
        planes = [np.zeros((height, 32), np.uint8), np.zeros((height // 2, 32), np.uint8)]
        default, named = e3.Frame("nv12", *planes), e3.Frame("nv12", *planes, matrix=matrix)
        assert default.struct.matrix in (0, 2) and max(default.struct.matrix, 1) == named.struct.matrix
    assert e3.Frame("rgb24", np.zeros((720, 32, 3), np.uint8)).struct.matrix == 0


def test_nv12_of_high_definition_is_answered_as_by_e3_run(e3_run):
    draw = np.random.default_rng(5)
    luma, chroma = draw.integers(0, 256, (720, 64), np.uint8), draw.integers(0, 256, (360, 64), np.uint8)
    model = e3.Model(ROOT / "models/parts-e3.e3")
    assert_equal(model((luma, chroma)), e3_run(model.path, luma.tobytes() + chroma.tobytes(), "nv12", 64, 720))


def test_an_interrupt_ends_a_batch(model):
    program = (
        "import e3, itertools, numpy, signal, threading\n"
        f"model = e3.Model({str(ROOT / 'models/fashion-e3.e3')!r})\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job has it ignored
        "main = threading.main_thread().ident\n"
        "threading.Timer(0.5, signal.pthread_kill, [main, signal.SIGINT]).start()\n"
        "model.batch(itertools.repeat(numpy.zeros((28, 28), numpy.uint8)), threads=2)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "KeyboardInterrupt" in done.stderr


def test_a_model_is_not_copied_and_a_tensor_is_told_its_next_step(model):
    with pytest.raises(TypeError, match="neither copied nor sent to another process: open its file there"):
        copy.deepcopy(model)

    class Tensor:
        shape, numpy = (28, 28), None

    with pytest.raises(TypeError, match=r"give tensor.numpy\(\)"):
        model(Tensor())


def test_a_model_says_what_it_is(model):
    assert (model.classes, model.members, model.channels) == (10, 2, 1)
    assert model.labels[8] == "bag" and len(model.labels) == 10
    assert (model.calibration.set_score, model.calibration.class_conditional) == ("least-ambiguous", False)
    assert model.calibration.images > 0 and 0 < model.calibration.accept_threshold < 1
    assert model.preprocessing.low is not None or model.preprocessing.mean is not None
    assert isinstance(model.provenance, dict) and model.provenance
    model.self_test()
    model.verify()
    assert "10 classes" in repr(model)


def test_verify_warns_of_bytes_behind_the_model(tmp_path):
    path = tmp_path / "longer.e3"
    path.write_bytes(MODELS[0].read_bytes() + b"123")
    model = e3.Model(path)
    with pytest.warns(UserWarning, match="longer.e3: 3 bytes behind the model, which belong to nothing"):
        model.verify()


def test_files_that_cannot_be_used_are_named(tmp_path):
    path = tmp_path / "m.e3"
    with pytest.raises(FileNotFoundError):
        e3.Model(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="m.e3"):
        e3.Model(path)
    path.write_bytes(b"no model " * 100)
    with pytest.raises(e3.E3Error, match="m.e3: not an E3 model file") as error:
        e3.Model(path)
    assert error.value.status == 34
    for options, problem in [
        ({"threads": 0}, "threads is 0, expected 1 to 64"),
        ({"threads": 65}, "threads is 65, expected 1 to 64"),
        ({"resident": -1}, "resident is -1, expected 0 to 18446744073709551615"),
    ]:
        with pytest.raises(ValueError, match=f"^{problem}$"):
            e3.Model(MODELS[0], **options)
    os.mkfifo(tmp_path / "pipe.e3")
    for arguments in [{"source": tmp_path / "pipe.e3"}, {"source": MODELS[0], "classes": tmp_path / "pipe.e3"}]:
        with pytest.raises(ValueError, match="pipe.e3: is no regular file"):
            e3.Model(**arguments)
    path = tmp_path / "two\nlines.e3"
    path.write_bytes(b"no model " * 100)
    with pytest.raises(e3.E3Error, match=r"two\\nlines.e3: not an E3 model file"):
        e3.Model(path)
    with pytest.raises(e3.E3Error, match="fast: no such instruction-set tier"):
        e3.Model(MODELS[0], isa="fast")


@pytest.mark.parametrize(
    "start",
    [
        b"PK\3\4",
        b"H\0\0\0\0\0\0\0{",
        b"\x08\x08\x12\7pytorch",
        b"\x1c\0\0\0TFL3",
        b"GGUF",
        b"\x89HDF\r\n\x1a\n",
        b"\x80\2\x8a\nl",
        b"\x89E3C\r\n\x1a\n",
        b"version https://git-lfs.github.com/spec/v1",
        b"<!DOCTYPE html>",
    ],
)
def test_a_file_of_another_kind_is_called_what_e3_run_calls_it(tmp_path, start):
    path = tmp_path / "m.e3"
    path.write_bytes(start + bytes(100))
    program = ROOT / f"build/{platform.machine()}/bin/e3-run"
    done = subprocess.run([program, path, PICTURES[0]], capture_output=True, text=True)
    with pytest.raises(e3.E3Error) as error:
        e3.Model(path)
    assert f"e3-run: {error.value}\n" == done.stderr and "m.e3: not an E3 model file" not in done.stderr


def test_a_few_bytes_tell_no_kind():
    for start in (b"", b"<", b"\x80\2", b"\x08\x08\x12"):
        assert other_file(start) is None



def test_a_notebook_shows_an_answer_as_a_table(model):
    answer = model(np.zeros((28, 28), np.uint8))
    shown = answer._repr_html_()
    assert shown.startswith("<table>") and answer.decision in shown and f"{100 * answer.top_probability:.1f} %" in shown
    assert shown.count("<tr>") == 6
    assert answer.decision in repr(answer)
