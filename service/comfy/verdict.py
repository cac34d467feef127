"""What the server's history says about a prompt that is over: the only place where a render is judged by words."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from service.errors import Problem
from service.foreign import without_paths

#: What a file is, by its ending: output nodes put videos, pictures and sound under any key they like.
_VIDEOS = (".mp4", ".webm", ".mkv", ".mov", ".avi", ".m4v", ".gif")
_PICTURES = (".png", ".webp", ".jpg", ".jpeg", ".avif", ".apng", ".bmp", ".tif", ".tiff")
#: VideoHelperSuite names a numbered series of pictures by its pattern.
_SERIES = re.compile(r"%\d+d")
_MEMORY_WORDS = ("out of memory", "outofmemory", "can't allocate memory", "allocation on device", "hip out of memory")
_LONGEST_REASON = 300


@dataclass(frozen=True)
class OutputFile:
    """A file on the server, as GET /view takes it, and the id of the node that made it."""

    filename: str
    subfolder: str
    type: str
    node: str

    @property
    def is_media(self) -> bool:
        """Whether its name is that of a video or a picture."""
        return self.filename.lower().endswith((*_VIDEOS, *_PICTURES))

    @property
    def is_picture(self) -> bool:
        """Whether its name is that of a picture, moving or not."""
        return self.filename.lower().endswith(_PICTURES)


@dataclass(frozen=True)
class Succeeded:
    """The prompt ended well and names these files, the likeliest result first; the examiner says if they are good."""

    outputs: tuple[OutputFile, ...]


@dataclass(frozen=True)
class Errored:
    """The prompt ended, and there is no result."""

    problem: Problem


@dataclass(frozen=True)
class Interrupted:
    """Somebody interrupted the prompt."""


def judge(entry: Mapping[str, Any], output_node: str | None = None) -> Succeeded | Errored | Interrupted:
    """Given a whole /history entry, return how the prompt ended.

    With `output_node` only that node's files count. Previews (type "temp") are never a result.
    """
    status = entry.get("status")
    status = status if isinstance(status, dict) else {}
    last, said = _last_message(status.get("messages"))
    # An interrupted prompt says "error" like a failed one; only its last message tells them apart.
    if last == "execution_interrupted":
        return Interrupted()
    if last == "execution_error" or status.get("status_str") == "error":
        return Errored(_problem(said if last == "execution_error" else {}))
    files = _files(entry.get("outputs"), output_node)
    if files and output_node is not None and not files[0].is_media:
        return Errored(_no_media(files[0], output_node))
    return Succeeded(files) if files else Errored(_nothing_made(entry.get("outputs"), output_node))


def _last_message(messages: Any) -> tuple[str, dict[str, Any]]:
    """Return the last message that ended something: node packs may add others behind it."""
    for message in reversed(messages) if isinstance(messages, list) else ():
        if not isinstance(message, list | tuple) or len(message) != 2 or not isinstance(message[0], str):
            continue
        if message[0] in {"execution_interrupted", "execution_error", "execution_success"}:
            return message[0], message[1] if isinstance(message[1], dict) else {}
    return "", {}


def _files(outputs: Any, output_node: str | None) -> tuple[OutputFile, ...]:
    """Return what was saved, whatever keys it stands under, the likeliest result first."""
    found: list[OutputFile] = []
    for node, output in outputs.items() if isinstance(outputs, dict) else ():
        if not isinstance(output, dict) or (output_node is not None and node != output_node):
            continue
        for items in output.values():
            found += [_file(item, node) for item in items if _is_result(item)] if isinstance(items, list) else []
    names = {file.filename for file in found}
    return tuple(sorted(dict.fromkeys(found), key=lambda file: _unlikeliness(file, names)))


def _unlikeliness(file: OutputFile, names: Collection[str]) -> tuple[int, bool]:
    """Videos come before pictures, and these before all else; of a video's two files the one with sound comes first."""
    kinds = (_VIDEOS, _PICTURES)
    kind = next((at for at, endings in enumerate(kinds) if file.filename.lower().endswith(endings)), len(kinds))
    stem, dot, ending = file.filename.rpartition(".")
    return kind, f"{stem}-audio{dot}{ending}" in names


def _is_result(item: Any) -> bool:
    named = isinstance(item, dict) and isinstance(item.get("filename"), str) and bool(item["filename"])
    return named and item.get("type", "output") == "output" and not _SERIES.search(item["filename"])


def _file(item: Mapping[str, Any], node: str) -> OutputFile:
    return OutputFile(str(item["filename"]), str(item.get("subfolder") or ""), "output", node)


def _nothing_made(outputs: Any, output_node: str | None) -> Problem:
    where = f"its output node {output_node}" if output_node is not None else "any of its output nodes"
    mine = outputs.get(output_node) if isinstance(outputs, dict) and output_node is not None else None
    if isinstance(mine, dict) and "unfinished_batch" in mine:
        return Problem(
            "result_missing",
            "VHS_BatchManager split the render into several prompts, and the first one holds no video.",
            "Take VHS_BatchManager out of the workflow.",
        )
    if mine is not None and any(map(_SERIES.search, _names(mine))):
        return Problem(
            "result_missing",
            "VHS_VideoCombine saved a series of single pictures in place of a video.",
            "Choose one of its video formats in the workflow.",
        )
    return Problem(
        "result_missing",
        f"ComfyUI reports success, but no file from {where}.",
        "Retry the job; if it happens again, check that the workflow's last node saves its video.",
    )


def _names(output: Any) -> list[str]:
    items = [item for each in output.values() if isinstance(each, list) for item in each] if output else []
    return [str(item.get("filename")) for item in items if isinstance(item, dict)]


def _no_media(file: OutputFile, output_node: str) -> Problem:
    return Problem(
        "result_missing",
        f"The output node {output_node} made {file.filename}, which is neither a video nor a picture.",
        "Name a node that saves a video or a picture as the output of the workflow's manifest.",
    )


def _problem(said: Mapping[str, Any]) -> Problem:
    message = str(said.get("exception_message") or "").strip()
    reason = without_paths((message.splitlines() or ["the server gave no reason"])[0])[:_LONGEST_REASON]
    kind = str(said.get("exception_type") or "")
    at = f"node {said.get('node_id', '?')} ({said.get('node_type', '?')})" if said else "the server"
    if any(word in f"{kind} {message}".lower() for word in _MEMORY_WORDS):
        return Problem(
            "out_of_memory",
            f"The server ran out of memory at {at}.",
            "Ask for fewer frames or a smaller size, or free memory on the server.",
            reason,
        )
    if "no space left on device" in message.lower():
        return Problem(
            "server_disk_full", f"The server's disk is full at {at}.", "Free space there, then retry.", reason
        )
    return Problem(
        "node_failed",
        f"ComfyUI failed at {at}: {_sentence(reason)}",
        "Change the setting that this node complains about and retry; the server's log has the details.",
        kind,
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
