"""What a job and the configuration may ask of a result's file, and what becomes of it."""

import pytest

from service import config
from service.errors import Rejected
from service.jobfile import parse
from service.media import encodings
from service.media.encodings import encoding_of


@pytest.mark.parametrize(
    ("output", "code", "field", "words"),
    [
        ("{format: webm, codec: h264}", "conflict", "output.codec", "Write codec: vp9."),
        ("{format: gif, codec: av1}", "conflict", "output.codec", "Take codec out."),
        ("{format: mov, codec: vp9}", "conflict", "output.codec", "Write codec: h264."),
        ("{codec: prores, crf: 18}", "conflict", "output.crf", "Take crf out."),
        ("{format: webp, crf: 18}", "conflict", "output.crf", "Take crf out."),
        ("{codec: hevc, crf: 60}", "out_of_range", "output.crf", "Write crf: 51."),
        ("{crf: 64}", "out_of_range", "output.crf", "63"),
        ("{format: gif, audio: keep}", "conflict", "output.audio", "Take audio out."),
        ("{codec: h266}", "bad_value", "output.codec", "h26"),
        ("{format: mkv}", "bad_value", "output.format", "mp4"),
        ("{fps: 0}", "out_of_range", "output.fps", "more than 0"),
        ("{audio: loud}", "bad_value", "output.audio", "keep or drop"),
    ],
)
def test_what_does_not_fit_together_is_a_mistake_with_its_cure(output, code, field, words):
    with pytest.raises(Rejected) as caught:
        parse(f"prompt: a\noutput: {output}\n".encode())
    (problem,) = caught.value.problems
    assert (problem.code, problem.field) == (code, field)
    assert words in problem.sentence()


@pytest.mark.parametrize("name", encodings.names())
def test_every_name_has_an_encoder_of_its_codec_to_fall_back_on(name):
    first, *others = encodings.encoders_of(name)
    assert all(encodings.codec_of(each) == encodings.codec_of(name) for each in (first, *others))
    assert not encodings.is_hardware((first, *others)[-1])


def test_an_unchanged_wish_copies_the_pictures():
    assert encoding_of({}, 12.0) == encodings.USUAL
    assert encoding_of({"fps": 12}, 12.0) == encodings.USUAL
    assert encoding_of({"metadata": "minimal"}, 12.0) == encodings.USUAL
    assert encoding_of({"crf": 20}, 12.0).changes_pictures
    assert encoding_of({"fps": 24}, 12.0).fps == 24


def test_a_gif_is_never_faster_than_its_viewers():
    assert encoding_of({"format": "gif"}, 60.0).fps == 50
    assert encoding_of({"format": "gif"}, 12.0).fps is None


def test_the_configuration_names_a_codec_that_we_know(tmp_path):
    assert config.parse("video_codec: libx265\nvideo_format: mov\n", tmp_path).video_codec == "libx265"
    with pytest.raises(Rejected) as caught:
        config.parse("video_codec: libx266\n", tmp_path)
    assert "libx26" in caught.value.problems[0].fix
