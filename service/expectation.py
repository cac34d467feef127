"""What a render is to give: its size, length and sound, in how many parts, and how its nodes share the time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from service import parts
from service.job import Expected, MediaFacts, Parts
from service.manifest import Manifest

#: A node that the manifest's progress doesn't name is taken to be quick.
_QUICK_NODE = 0.5


def lasting(manifest: Manifest, media_facts: Mapping[str, MediaFacts]) -> tuple[float, float] | None:
    """Return the seconds and the rate of the video that frames can't outlast; None where nothing is known of one."""
    video = media_facts.get(manifest.length.follow) if manifest.length is not None else None
    if video is None or not video.fps or not video.frames:
        return None
    return video.frames / video.fps, video.fps


def seconds(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return how long the result lasts, as a setting beside frames and fps."""
    frames, fps = values.get("frames"), values.get("fps")
    return {"seconds": round(frames / fps, 3)} if frames and fps else {}


def expected(
    manifest: Manifest, values: Mapping[str, Any], media_facts: Mapping[str, MediaFacts], enlargement: int
) -> Expected:
    """Return what the result must be: what was set, and otherwise what the video has that it follows."""
    follow = manifest.output.follow
    followed = media_facts.get(follow) if follow is not None else None
    like = {name: getattr(followed, name, None) for name in ("width", "height", "fps", "frames")}
    wanted = {name: values.get(name, given) for name, given in like.items()}
    for side in ("width", "height"):
        wanted[side] = wanted[side] * enlargement if wanted[side] is not None else None
    return Expected(**wanted, audio=followed.audio if followed is not None else False)


def weights(manifest: Manifest, graph: Iterable[str]) -> dict[str, float]:
    """Return each node's share of the time, adding up to 1; nothing where the manifest doesn't say."""
    if not manifest.progress:
        # What kind of node each is says more than that they are all alike.
        return {}
    shares = {name: manifest.progress.get(name, _QUICK_NODE) for name in graph}
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def parted(
    manifest: Manifest,
    targets: Mapping[str, tuple[tuple[str, str], ...]],
    skip: tuple[str, str] | None,
    values: Mapping[str, Any],
    graph: dict[str, dict[str, Any]],
    sound: str | None,
) -> tuple[Parts | None, list[str]]:
    """Return the parts of a render that is too long for one prompt, with a line for `adjusted`.

    The graph gets the frames of the first; `sound` is the role of the video whose sound the result has.
    """
    if manifest.chunks is None or skip is None or "frames" not in values:
        return None, []
    made = parts.parted(values["frames"], manifest.chunks.frames, [skip], targets["frames"], sound)
    if made is None:
        return None, []
    parts.put(graph, made)
    most = max(span.frames for span in made.spans)
    return made, [f"{values['frames']} frames are rendered in {len(made.spans)} parts of at most {most}, then joined"]
