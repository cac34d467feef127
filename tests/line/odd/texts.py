"""Job files with everything that YAML, editors, other systems and people get wrong."""

from __future__ import annotations

from collections.abc import Iterator

from service.job_fields import UNBUILT
from tests.line.odd.rows import Row, refused, rendered

TASK = "text-to-video"
#: The smallest render; what is odd about a row comes before it.
TINY = "width: 64\nheight: 64\nframes: 2\nsteps: 1\nseed: 7\n"
GOOD = f"prompt: a plain good job\n{TINY}"
MERGE_BOMB = (
    "a: &a {x: 1}\n" + "".join(f"b{n}: &b{n} {{<<: [*b{n - 1}, *b{n - 1}]}}\n" for n in range(2, 30))
).replace("*b1,", "*a,")
LAUGHS = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*b{n - 1}, *b{n - 1}]\n" for n in range(1, 30)).replace("*b0", "*a")


def traps() -> Iterator[Row]:
    """What YAML makes of harmless words: here it stays what was written, or is refused where a number was meant."""
    for name, word, other in (
        ("norway", "NO", "off"),
        ("ratio", "16:9", "9:16"),
        ("clock", "1:30", "yes"),
        ("octal", "010", "0777"),
        ("date", "2026-01-02", "2026-13-45"),
        ("number", "1984", "1e3"),
        ("equals", "= 1 + 1", "~x"),
    ):
        content = f"prompt: {word}\nnegative_prompt: {other}\n{TINY}"
        yield rendered(TASK, name, content, prompt=word, negative_prompt=other)
    for name, line, *words in (
        ("exponent", "seed: 1e3", "seed: 1000"),
        ("octal-number", "seed: 010", "without the zero", "seed: 10"),
        ("hex-number", "seed: 0x10", "whole number"),
        ("underscored", "seed: 1_000", "whole number"),
        ("sexagesimal", "seed: 1:30", "whole number", "1:30"),
        ("dated", "seed: 2026-02-30", "whole number"),
        ("yes-as-number", "seed: yes", "whole number"),
        ("digits", "seed: " + "9" * 5000, "seed"),
        ("float-digits", "cfg: " + "9" * 5000, "cfg"),
        ("negative-digits", "seed: -" + "9" * 5000, "seed"),
        ("infinite", "cfg: .inf", "finite"),
        ("truth-yes", "rerun: yes", "rerun: true"),
        ("truth-off", "rerun: off", "rerun: false"),
    ):
        rest = "\nprompt: x\n"
        yield refused(TASK, name, line + rest, *words, at=(1, line.index(":") + 3))


def syntax() -> Iterator[Row]:
    """What no YAML parser takes, or takes for something that nobody meant."""
    for name, line, at, *words in (
        ("comment-lost", "prompt: red #ff0000", (1, 9), "comment", "quotes"),
        ("at-sign", "prompt: @x", (1, 9), "quotes", '"@x"'),
        ("bold", "prompt: *bold", (1, 9), "quotes", "bold"),
        ("colon-inside", "prompt: a cat: on a mat", (1, 14), "quotes", '"a cat: on a mat"'),
        ("bang", "prompt: !x", (1, 9), "quotes"),
        ("percent", "prompt: %x", (1, 9), "quotes"),
        ("backtick", "prompt: `x`", (1, 9), "quotes"),
        ("anchor", "prompt: &x cat", (1, 9), "&"),
        ("open-quote", 'prompt: "a cat', (1, 9), "never closed"),
        ("open-bracket", "prompt: [a cat", (1, None)),
        ("backslash", 'prompt: "C:\\q"', (1, None), "backslash"),
        ("tab-indent", "output:\n\tname: x", (2, None), "tab", "spaces"),
        ("tab-line", "prompt: x\n\tseed: 1", (2, None), "tab", "spaces"),
        ("indented-too-far", "prompt: x\n  seed: 1", (2, None)),
        ("no-colon", "prompt: x\nseed 1", (2, 1), "seed 1"),
        ("number-key", "prompt: x\n1: y", (2, 1), "1"),
        ("truth-key", "prompt: x\ntrue: y", (2, 1), "true"),
        ("null-key", "prompt: x\n~: y", (2, 1)),
        ("list-key", "prompt: x\n[a]: y", (2, 1)),
        ("question-key", "? prompt\n: x\n? [a, b]\n: y", (3, None)),
        ("twice", "prompt: x\nseed: 1\nprompt: y", (3, 1), "twice", "line 1"),
        ("twice-inside", "prompt: x\noutput: {name: a, name: b}", (2, 19), "name", "twice"),
        ("alias", "prompt: &p x\nnegative_prompt: *p", (1, 9)),
        ("merge-key", "prompt: x\n<<: {seed: 1}", (2, 1)),
        ("tagged", "prompt: x\nseed: !!python/object/apply:os.system ['true']", (2, 7), "tag"),
        ("directive", "%TAG ! tag:x,2026:\n---\nprompt: !y x", None),
        ("merge-bomb", MERGE_BOMB, (1, 4)),
        ("laughs", LAUGHS, (1, 4)),
        ("deep-list", "prompt: " + "[" * 2000 + "]" * 2000, (1, None), "levels"),
        ("deep-fields", "prompt: " + "{a: " * 2000 + "}" * 2000, (1, None), "levels"),
        ("deep-lines", "".join(" " * n + "a:\n" for n in range(1300)), None, "levels"),
    ):
        yield refused(TASK, name, line + "\n", *words, at=at)


def shapes() -> Iterator[Row]:
    """Whole files that are something else than a job."""
    for name, content, *words in (
        ("empty", b"", "empty"),
        ("spaces", b"  \n\n \n", "empty"),
        ("comments", b"# nothing yet\n", "empty"),
        ("dashes", b"---\n", "empty"),
        ("null", b"null\n", "empty"),
        ("list", b"- a cat\n- a dog\n", "list"),
        ("list-of-jobs", b"- prompt: a cat\n- prompt: a dog\n", "jobs"),
        ("words", b"a harbour at dawn\n", "prompt"),
        ("a-number", b"42\n", "fields"),
        ("utf-16", "prompt: x\n".encode("utf-16"), "UTF-16", "UTF-8"),
        ("utf-16-be", b"\xfe\xff" + "prompt: x\n".encode("utf-16-be"), "UTF-16", "UTF-8"),
        ("utf-16-bare", "prompt: x\n".encode("utf-16-le"), "UTF-16"),
        ("utf-32", "prompt: x\n".encode("utf-32"), "UTF-8"),
        ("latin-1", "prompt: café\n".encode("latin-1"), "UTF-8"),
        ("nul-byte", b"prompt: a\0b\n", "control character", "U+0000"),
        ("bell", b"prompt: a\x07b\n", "control character", "U+0007"),
        ("surrogate", b'prompt: "a\\ud800b"\n', "backslash"),
        ("raw-surrogate", b"prompt: a\xed\xa0\x80b\n", "UTF-8"),
        ("megabyte", b"prompt: " + b"x" * (1 << 20) + b"\n", "1 MB"),
        ("picture", b"\x89PNG\r\n\x1a\n" + bytes(200), "UTF-8"),
        ("jobs-empty", b"prompt: x\njobs: []\n", "jobs"),
        ("jobs-no-list", b"prompt: x\njobs: 3\n", "jobs"),
        ("document-broken", b"prompt: x\n---\nprompt: [\n"),
        ("document-not-a-job", b"prompt: x\n---\n- y\n", "list"),
        ("json-comma", b'{"prompt": "x",, }\n'),
    ):
        yield refused(TASK, name, content, *words)
    yield rendered(TASK, "bom", b"\xef\xbb\xbf" + f"prompt: with a mark\n{TINY}".encode(), prompt="with a mark")
    lines = f"prompt: from windows\n{TINY}".replace("\n", "\r\n")
    yield rendered(TASK, "crlf", lines, prompt="from windows")
    yield rendered(TASK, "old-mac", f"prompt: from a mac\n{TINY}".replace("\n", "\r"), prompt="from a mac")
    yield rendered(TASK, "ends-in-dots", f"---\nprompt: framed\n{TINY}...\n", prompt="framed")
    yield rendered(TASK, "no-last-line-end", f"{TINY}prompt: abrupt", prompt="abrupt")
    json = b'{"prompt": "from json", "width": 64, "height": 64, "frames": 2, "steps": 1, "seed": 7}'
    yield Row({f"{TASK}/json.json": json}, f"{TASK}/json", "done", facts={"prompt": "from json"})
    yield Row({f"{TASK}/hidden-ending.yaml.txt": GOOD.encode()}, f"{TASK}/hidden-ending", "done")
    documents = f"prompt: one\n{TINY}---\nprompt: two\n{TINY}".encode()
    yield Row({f"{TASK}/documents.yaml": documents}, f"{TASK}/documents", "done", ("documents_0002",))


def fields() -> Iterator[Row]:
    """Fields that are unknown, of the wrong type, out of range, not built, or name what isn't there."""
    for name in ("prompt", "preset", "workflow", "sampler", "scheduler", "checkpoint", "vae"):
        yield refused(TASK, f"list-as-{name}", f"{name}: [a, b]\n", name, "not a list", at=(1, len(name) + 3))
    for name in ("seed", "width", "frames", "steps", "count"):
        yield refused(TASK, f"word-as-{name}", f"{name}: many\n", name, "whole number", at=(1, len(name) + 3))
        yield refused(TASK, f"half-as-{name}", f"{name}: 2.5\n", name, "whole number", at=(1, len(name) + 3))
    for name in ("seconds", "fps", "cfg"):
        yield refused(TASK, f"word-as-{name}", f"{name}: many\n", name, "a number", at=(1, len(name) + 3))
    for name, value in (
        ("seed", -1), ("seed", 2**53), ("width", 0), ("width", 999999), ("height", -8), ("frames", 0),
        ("frames", 5000), ("seconds", 0), ("fps", -1), ("fps", 1e9), ("steps", 0), ("steps", 9000), ("cfg", -0.5),
        ("cfg", 99), ("count", 0), ("count", 1001), ("priority", 101), ("prompt", "x" * 10001),
    ):  # fmt: skip
        number = str(value) if isinstance(value, int | float) else "long"
        prompt = "" if name == "prompt" else "\nprompt: x"
        by_workflow = (name, value) in (("frames", 5000), ("steps", 9000), ("cfg", 99))
        at = (1, 1 if by_workflow else len(name) + 3)
        yield refused(TASK, f"{name}-{number}", f"{name}: {value}{prompt}\n", name, at=at)
    for name in UNBUILT:
        yield refused(TASK, f"unbuilt-{name}", f"prompt: x\n{name}: anything\n", name, "not built yet", at=(2, 1))
    for name in ("start_at", "every"):
        yield refused(TASK, f"odd-{name}", f"prompt: x\n{name}: whenever\n", name)
    for name in ("consent", "shrink"):
        yield refused(
            TASK, f"perhaps-{name}", f"prompt: x\n{name}: perhaps\n", name, "true or false", at=(2, len(name) + 3)
        )
    for name, value, words in (
        ("format", "mkv", "webm"), ("codec", "h266", "codec"), ("crf", "99", "63"), ("fps", "0", "more than 0"),
        ("audio", "loud", "drop"),
    ):  # fmt: skip
        yield refused(TASK, f"odd-output-{name}", f"prompt: x\noutput: {{{name}: {value}}}\n", name, words)
    for name, value, words in (
        ("loras", "[{name: none_such.safetensors, weight: 1}]", "none_such"), ("sliders", "{age: 3}", "or less"),
        ("matrix", "{colour: [1, 2]}", "colour"), ("switches", "{upscale: true}", "switches"),
    ):  # fmt: skip
        yield refused(TASK, f"odd-{name}", f"prompt: x\n{name}: {value}\n", name, words)
    for name, line, at, *words in (
        ("misspelt", "promt: x", (1, 1), "Did you mean prompt?"),
        ("synonym", "prompt: x\nguidance_scale: 7", (2, 1), "Did you mean cfg?"),
        ("unlike-anything", "prompt: x\nqqq: 7", (2, 1), "qqq"),
        ("capital", "Prompt: x", (1, 1), "Did you mean prompt?"),
        ("no-value", "prompt: x\nseed:", (2, 1), "no value"),
        ("blank", 'prompt: "  "', (1, 9), "empty"),
        ("no-prompt", "seed: 1", None, "prompt"),
        ("both-lengths", "prompt: x\nframes: 4\nseconds: 1", (3, 1), "frames and seconds"),
        ("no-workflow", "prompt: x\nworkflow: text_to_video_basc", (2, 1), "text_to_video_basic"),
        ("workflow-path", "prompt: x\nworkflow: ../../etc/passwd", (2, 1), "workflow"),
        ("not-built-workflow", "prompt: x\nworkflow: text_to_video_nsfw", (2, 1), "inbox/adult/"),
        ("no-preset", "prompt: x\npreset: cinematc", (2, 1), "cinematic"),
        ("no-sampler", "prompt: x\nsampler: eulr", (2, 1), "sampler can't be", "euler"),
        ("no-scheduler", "prompt: x\nscheduler: nrmal", (2, 1), "normal"),
        (
            "no-checkpoint",
            "prompt: x\ncheckpoint: dreamshaper.safetensors",
            (2, 1),
            "dreamshaper",
            "which checkpoint names",
        ),
        ("wildcard", "prompt: a __colur__ cat", (1, 1), "colur"),
        ("field-not-taken", "prompt: x\nimage: cat.jpg", (2, 1), "image"),
        ("output-folders", "prompt: x\noutput: {name: ../x}", (2, 16), "folders"),
        ("output-ending", "prompt: x\noutput: {name: x.mp4}", (2, 16), "ending"),
        ("output-word", "prompt: x\noutput: x", (2, 9), "output"),
        ("metadata", "prompt: x\noutput: {metadata: none}", (2, 20), "full"),
    ):
        yield refused(TASK, name, line + "\n", *words, at=at)
    yield rendered(TASK, "snapped", f"prompt: x\n{TINY}".replace("width: 64", "width: 65"), width=64)
