"""What a job says of its result's file: its name, what is written into it, and how it is encoded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from service.declaration import Declared, did_you_mean, mistake
from service.job_texts import OutputName
from service.media import encodings


def _check_codec(name: str) -> str:
    if encodings.codec_of(name) is None:
        fix = did_you_mean(name, list(encodings.names()), "Write for example codec: hevc, av1, vp9 or prores.")
        raise mistake("bad_value", f"{{field}} {name!r} is no codec that we know.", fix)
    return name


class Output(Declared):
    """How the result is called, what is written into it, and how it is encoded."""

    name: OutputName | None = Field(
        None, description="The result's name; default: the job file's.", examples=["harbour"]
    )
    metadata: Literal["full", "minimal"] = Field(
        "full",
        description="full: everything to make it again is inside the file; minimal: only that it is AI-made, "
        "the job's id and a hash.",
        examples=["minimal"],
    )
    format: Literal["mp4", "webm", "mov", "gif", "webp"] | None = Field(
        None, description="The container; default: video_format of config.yaml.", examples=["webm"]
    )
    codec: Annotated[str, Field(max_length=40), AfterValidator(_check_codec)] | None = Field(
        None,
        description="h264, hevc, av1, vp9 or prores, or an encoder of ffmpeg such as hevc_nvenc; one that this machine "
        "lacks is replaced by another of its codec.",
        examples=["hevc"],
    )
    crf: int | None = Field(
        None, ge=0, le=63, description="Quality, lower is better and larger; it encodes the result anew.", examples=[18]
    )
    fps: float | None = Field(
        None, gt=0, le=240, description="Frames a second of the file: frames are repeated or left out.", examples=[30]
    )
    audio: Literal["keep", "drop"] | None = Field(None, description="Whether sound is kept.", examples=["drop"])

    @model_validator(mode="after")
    def _can_be_encoded(self) -> Output:
        codec = encodings.codec_of(self.codec) if self.codec is not None else None
        known = encodings.CODECS[self.format] if self.format is not None else ()
        if self.format is not None and codec is not None and codec not in known:
            fix = f"Write codec: {known[0]}." if known else "Take codec out."
            raise mistake("conflict", f"{self.format} files don't take {self.codec}.", fix, "output.codec")
        if self.crf is not None and (self.format is not None or codec is not None):
            self._check_crf(codec or (known[0] if known else self.format) or "")
        if self.audio == "keep" and self.format in ("gif", "webp"):
            raise mistake("conflict", f"{self.format} files have no sound.", "Take audio out.", "output.audio")
        return self

    def _check_crf(self, codec: str) -> None:
        most = encodings.LARGEST_CRF.get(codec)
        if most is None:
            raise mistake("conflict", f"{codec} has no crf.", "Take crf out.", "output.crf")
        if self.crf is not None and self.crf > most:
            title = f"crf must be at most {most} with {codec}."
            raise mistake("out_of_range", title, f"Write crf: {most}.", "output.crf")
