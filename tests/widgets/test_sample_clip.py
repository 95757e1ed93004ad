from __future__ import annotations

import numpy as np
import pytest

from affectkit import AffectPipeline
from affectkit.labels import EXPRESSIONS
from affectkit.widgets import COURSE, sample_frames
from affectkit.widgets.sample_clip import (
    LONGEST,
    clip_jpegs,
    decode_frame,
    encode_frame,
)


@pytest.fixture(scope="module")
def clip():
    return clip_jpegs()


def test_the_drawn_clip_is_small_and_shows_every_expression(clip):
    jpegs, rate = clip
    assert len(jpegs) == len(EXPRESSIONS) * len(COURSE)
    assert rate == 15
    assert sum(map(len, jpegs)) < 2_000_000
    pipeline = AffectPipeline()
    strongest = [5 + len(COURSE) * code for code in range(len(EXPRESSIONS))]
    found = [pipeline(decode_frame(jpegs[number])) for number in strongest]
    assert [len(faces) for faces in found] == [1] * 8
    assert [faces[0].expression for faces in found] == list(EXPRESSIONS)


def test_a_clip_of_one_expression_is_steady():
    frames = list(sample_frames(("Happy",), (0.7,) * 3))
    assert [frame.shape for frame in frames] == [(480, 640, 3)] * 3
    assert frames[0].dtype == np.uint8
    again = list(sample_frames(("Happy",), (0.7,) * 3))
    assert all(np.array_equal(one, two) for one, two in zip(frames, again, strict=True))


def test_jpegs_keep_the_channel_order():
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    image = decode_frame(encode_frame(red))
    np.testing.assert_allclose(image[8, 8], [200, 0, 0], atol=4)


@pytest.mark.parametrize("damaged", [b"", b"no JPEG"])
def test_a_damaged_jpeg_is_told(damaged):
    with pytest.raises(ValueError, match=f"expected a JPEG from the page, got {len(damaged)} byt"):
        decode_frame(damaged)


def test_a_video_can_be_the_clip(variable_rate_video):
    path, _ = variable_rate_video
    jpegs, rate = clip_jpegs(path)
    assert 0 < len(jpegs) <= LONGEST
    assert rate > 0
    assert decode_frame(jpegs[0]).shape == (120, 160, 3)
