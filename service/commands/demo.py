"""reeldrop demo: the main job on real files, in a folder of its own, on the embedded engine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click

from service import config as configuration
from service.app import App
from service.commands.lines import Lines
from service.commands.speech import home, keep_log, on_terminal, serve
from service.commands.submit import drop_whole
from service.config import Config
from service.errors import Problem, Rejected, Unavailable
from service.inbox.lease import is_locked
from service.job import ENDED, Job, State

_MARKER = ".reeldrop-demo"
_SAMPLES = Path(__file__).with_name("samples")
_DEADLINE_S = 300.0
_INTERVAL_S = 0.25

#: What a user would drop, in this order: task, file name, its text or the sample that it is a copy of.
_DROPS: tuple[tuple[str, str, str | Path], ...] = (
    (
        "text-to-video",
        "harbour.yaml",
        "prompt: a fishing harbour at dawn, slow pan, film grain\nseed: 42\nframes: 24\nsteps: 12\n",
    ),
    ("image-to-video", "coffee.jpg", _SAMPLES / "coffee.jpg"),
    ("image-to-video", "coffee.yaml", "seed: 7\nwidth: 768\nheight: 512\nframes: 25\nsteps: 10\n"),
    ("text-to-video", "lighthouse.txt", "a lighthouse on a rock at sunset, clouds drifting\n"),
    ("image-to-video", "rocket.jpg", _SAMPLES / "rocket.jpg"),
    ("text-to-video", "broken.yaml", "promt: a storm at sea\nseed: twelve\n"),
)
_WANTED = {
    "harbour": State.DONE,
    "coffee": State.DONE,
    "lighthouse": State.DONE,
    "rocket": State.DONE,
    "broken": State.REJECTED,
}


@click.command()
def demo(config_file: Path | None) -> None:
    """Make five sample drops in demo/inbox and watch four become videos, without GPU, ComfyUI or weights."""
    base = config_file.resolve().parent if config_file else home()
    folder = base / "demo"
    config = _fresh(folder, base)
    keep_log(config, to_terminal=False)
    app = App(config)
    ended: dict[str, Job] = {}
    waited = [0.0]

    def hear(job: Job) -> None:
        if job.state in ENDED:
            ended[job.name] = job
        lines.hear(job)

    def over() -> bool:
        lines.refresh()
        waited[0] += _INTERVAL_S
        return (ended.keys() >= _WANTED.keys() and app.finished()) or waited[0] > _DEADLINE_S

    click.echo(f"Dropping {len(_DROPS)} files into {config.inbox_dir} …")
    with Lines(live=on_terminal()) as lines:
        app.on_change = hear
        app.on_start = lambda: _drop(config)
        serve(app, over, interval_s=_INTERVAL_S)
    _report(config, ended)
    if any(name not in ended or ended[name].state is not state for name, state in _WANTED.items()):
        raise Unavailable(
            "demo_failed",
            "The demo did not end as it should.",
            f"The log says why: {config.state_dir / 'reeldrop.log'}.",
        )


def _fresh(folder: Path, base: Path) -> Config:
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARKER).exists():
        raise Rejected(
            Problem(
                "not_ours", f"{folder} was not made by the demo, so it is left alone.", "Move it away, then try again."
            )
        )
    _refuse_if_running(folder / "var" / "lock")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MARKER).write_text("Made by reeldrop demo; emptied at each start.\n", encoding="utf-8")
    keys = {"engine": "embedded", "workflows_dir": str(base / "workflows"), "models_dir": str(base / "models")}
    # JSON is YAML, and needs no care for odd letters in the path.
    text = json.dumps(keys, ensure_ascii=False)
    return configuration.parse(text, folder)


def _refuse_if_running(lock: Path) -> None:
    if is_locked(lock):
        raise Unavailable("demo_running", "Another demo is running in this folder.", "Wait until it ends.")


def _drop(config: Config) -> None:
    for task, name, content in _DROPS:
        folder = config.inbox_dir / task
        if isinstance(content, Path):
            drop_whole(content, folder)
        else:
            part = folder / f".{name}.part"
            part.write_text(content, encoding="utf-8")
            part.rename(folder / name)


def _report(config: Config, ended: dict[str, Job]) -> None:
    click.echo("")
    for job in sorted(ended.values(), key=lambda job: (job.state is not State.DONE, job.task, job.name)):
        if job.state is State.DONE:
            out = job.outputs[0]
            size = (
                f"{out['width']}x{out['height']}, {out['frames']} frames, {out['fps']:g} fps, {out['bytes'] // 1024} KB"
            )
            click.echo(f"  {job.folder}/{out['file']:<16} {size}")
    for reason in sorted((config.inbox_dir / "rejected").rglob("*.reason.txt")):
        click.echo(f"\n  {reason.relative_to(config.inbox_dir.parent)}:")
        for line in reason.read_text(encoding="utf-8").splitlines():
            click.echo(f"    {line}" if line else "")
    click.echo(f"\nThe videos and their status files are in {config.output_dir}")
