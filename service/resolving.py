"""What a job asks and what it leaves open become the values that run: precedence, limits, rules, a picture's shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.declaration import written
from service.errors import Problem
from service.manifest import Manifest
from service.manifest_keys import Parameter


@dataclass
class Resolved:
    """The values that run, what was changed on the way, and what can't run."""

    values: dict[str, Any] = field(default_factory=dict)
    adjusted: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Question:
    """What the values are resolved from, strongest first: the job, the manifest, config.yaml, the graph."""

    workflow: str
    manifest: Manifest
    asked: Mapping[str, Any]
    defaults: Mapping[str, Any]
    graph_values: Mapping[str, Any]
    #: Width and height of the picture that sizes follow, if it is known.
    picture: tuple[int, int] | None = None
    #: How long the video is that frames can't outlast, and its frames a second, if it is known.
    lasting: tuple[float, float] | None = None


def resolve(question: Question) -> Resolved:
    """Given what is asked and what is left open, return the value of each parameter, and every problem."""
    made = Resolved()
    parameters = question.manifest.parameters.declared()
    for name, parameter in parameters.items():
        if name not in ("width", "height", "frames"):
            _take(question, made, name, parameter, question.asked.get(name))
    for name, value in _size(question, parameters).items():
        _take(question, made, name, parameters[name], value)
    if "frames" in parameters:
        _take_frames(question, made, parameters["frames"])
        _cut_to_length(question, made, parameters["frames"])
    return made


def _take(question: Question, made: Resolved, name: str, parameter: Parameter, asked: Any) -> None:
    """Put one value in place: one that was asked must be right, one from elsewhere is made right."""
    value = asked if asked is not None else _left_open(question, name, parameter)
    if parameter.type == "text":
        made.values[name] = value
        return
    value = _short_number(value)
    low, high = _limits(question, name, parameter)
    if asked is not None and (problem := _problem(question, name, parameter, value, (low, high))):
        made.problems.append(problem)
        return
    kept = min(max(value, low), high)
    if kept != value:
        made.adjusted.append(f"{name} {written(value)} became {written(kept)}: the limit of {question.workflow}")
    snapped = snap(kept, parameter, low, high)
    if snapped != kept:
        made.adjusted.append(f"{name} {written(kept)} became {written(snapped)}: {rule(parameter)}")
    made.values[name] = snapped


def _take_frames(question: Question, made: Resolved, parameter: Parameter) -> None:
    seconds, fps = _short_number(question.asked.get("seconds")), made.values.get("fps")
    if seconds is None or fps is None:
        _take(question, made, "frames", parameter, question.asked.get("frames"))
        return
    frames = max(1, math.floor(seconds * fps + 0.5))
    low, high = _limits(question, "frames", parameter)
    if not low <= frames <= high:
        title = f"seconds {written(seconds)} at {written(fps)} frames a second is {frames} frames"
        bound = f"{title}, and {question.workflow} takes {written(low)} to {written(high)}."
        most, least = math.floor(high / fps * 100) / 100, math.ceil(low / fps * 100) / 100
        fix = f"Write seconds: {most:g} or less." if frames > high else f"Write seconds: {least:g} or more."
        made.problems.append(Problem("out_of_range", bound, fix, field="seconds"))
        return
    snapped = snap(frames, parameter, low, high)
    if snapped != frames:
        made.adjusted.append(f"seconds {written(seconds)} became {snapped / fps:.2f}: frames are {rule(parameter)}")
    made.values["frames"] = snapped


def _cut_to_length(question: Question, made: Resolved, parameter: Parameter) -> None:
    """Let a clip that is made after a video last as long as that one, and say so where it can't or needn't."""
    if question.lasting is None or "frames" not in made.values:
        return
    seconds, own_fps = question.lasting
    fps = made.values.get("fps") or own_fps
    there = max(1, math.floor(seconds * fps + 0.5))
    low, high = _limits(question, "frames", parameter)
    asked = question.asked.get("frames") is not None or question.asked.get("seconds") is not None
    wanted = min(made.values["frames"], there) if asked else min(there, high)
    kept = _snapped_down(max(wanted, low), parameter, low)
    made.values["frames"], before = kept, made.values["frames"]
    at = f"{there} frames at {written(_short_number(round(fps, 3)))} a second"
    if asked and kept != before:
        made.adjusted.append(f"frames {before} became {kept}: the video that is followed has {at}")
    elif kept > there:
        made.adjusted.append(
            f"{kept} frames are the fewest of {question.workflow}: the video that is followed has {at}"
        )
    elif not asked and kept < there:
        made.adjusted.append(f"the first {kept} frames are used: the video that is followed has {at}")


def _snapped_down(value: float, parameter: Parameter, low: float) -> int:
    snapped = snap(value, parameter, low, value)
    return int(snapped if snapped >= low else snap(low, parameter, low, math.inf))


def _left_open(question: Question, name: str, parameter: Parameter) -> Any:
    for value in (parameter.default, question.defaults.get(name), question.graph_values.get(name)):
        if value is not None:
            return value
    return "" if parameter.type == "text" else 0


def _limits(question: Question, name: str, parameter: Parameter) -> tuple[float, float]:
    low = -math.inf if parameter.minimum is None else _short_number(parameter.minimum)
    high = math.inf if parameter.maximum is None else _short_number(parameter.maximum)
    if name == "frames" and parameter.maximum is None and question.defaults.get("max_frames") is not None:
        high = question.defaults["max_frames"]
    return low, max(low, high)


def _problem(
    question: Question, name: str, parameter: Parameter, value: float, limits: tuple[float, float]
) -> Problem | None:
    low, high = limits
    if parameter.type == "whole" and not isinstance(value, int):
        title = f"{name} must be a whole number with {question.workflow}, not {written(value)}."
        return Problem("wrong_type", title, f"Write {name}: {round(value)}.", field=name)
    if low <= value <= high:
        return None
    kept = min(max(value, low), high)
    most = "at least" if value < low else "at most"
    title = f"{name} must be {most} {written(kept)} with {question.workflow}, not {written(value)}."
    fix = f"Write {name}: {written(kept)}."
    if name == "frames" and parameter.maximum is None and value > high:
        fix += " The limit is max_frames in config.yaml."
    return Problem("out_of_range", title, fix, field=name)


def snap(value: float, parameter: Parameter, low: float, high: float) -> float:
    """Return the nearest value that the parameter's rule allows within its limits; of two equally near the larger."""
    if parameter.multiple_of is None:
        return value
    step, base = parameter.multiple_of, parameter.base
    snapped = base + math.floor((value - base) / step + 0.5) * step
    while snapped > high:
        snapped -= step
    while snapped < low:
        snapped += step
    return snapped


def rule(parameter: Parameter) -> str:
    """Return a parameter's rule in words."""
    step = parameter.multiple_of
    return f"a multiple of {step}" if not parameter.base else f"{step}n + {parameter.base}"


def _size(question: Question, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return width and height as asked, or as the picture's shape asks; None where they are left open."""
    asked = {name: question.asked.get(name) for name in ("width", "height") if name in parameters}
    if len(asked) < 2 or question.manifest.sizes is None or question.picture is None:
        return asked
    width, height = _nearest_shape(question.manifest.sizes.shapes, question.picture)
    if asked["width"] is None and asked["height"] is None:
        return {"width": width, "height": height}
    if asked["width"] is None and asked["height"] is not None:
        asked["width"] = _within(round(asked["height"] * width / height), parameters["width"])
    elif asked["height"] is None and asked["width"] is not None:
        asked["height"] = _within(round(asked["width"] * height / width), parameters["height"])
    return asked


def _within(value: int, parameter: Parameter) -> int:
    """A side that we work out ourselves is made right before anybody could be blamed for it."""
    low = -math.inf if parameter.minimum is None else parameter.minimum
    high = math.inf if parameter.maximum is None else parameter.maximum
    return int(snap(min(max(value, low), high), parameter, low, high))


def _nearest_shape(shapes: tuple[tuple[int, int], ...], picture: tuple[int, int]) -> tuple[int, int]:
    shape = math.log(max(1, picture[0]) / max(1, picture[1]))
    return min(shapes, key=lambda each: abs(math.log(each[0] / each[1]) - shape))


def _short_number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
