"""The keys of config.yaml that say when jobs are sent: time windows in words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from service.declaration import Slug, mistake
from service.windows import window_of

_WINDOW = 'Write for example windows: ["mon-fri 22:00-06:00", "sat,sun 00:00-24:00"].'


def _check_window(text: str) -> str:
    try:
        window_of(text)
    except ValueError as wrong:
        raise mistake("bad_value", f"{{field}} holds {text!r}, which is no window: {wrong}", _WINDOW) from None
    return text


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Window = Annotated[str, AfterValidator(_check_window)]
Windows = Annotated[tuple[Window, ...], BeforeValidator(_as_list)]

ForEverything = Annotated[
    Windows,
    Field(
        description="When jobs are sent to any backend, in this machine's local time; always without any. What runs "
        "goes on.",
        examples=[["mon-fri 22:00-06:00", "sat,sun 00:00-24:00"]],
    ),
]
OfTasks = Annotated[
    dict[Slug, Windows],
    Field(
        description="The windows of single tasks, in place of windows; [] is always.",
        examples=[{"face-swap": ["22:00-06:00"]}],
    ),
]
