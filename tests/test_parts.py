"""Parts: as few as can be, nearly alike, nothing left out and nothing twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service import parts
from service.job import Expected, Parts, Render, Span

SKIP, TAKE = ("1", "skip_first_frames"), ("1", "frame_load_cap")


def render(frames: int, most: int) -> Render:
    graph = {"1": {"class_type": "VHS_LoadVideo", "inputs": {"skip_first_frames": 0, "frame_load_cap": 0}}}
    plan = Render("job", "first", graph, "1", Expected(frames=frames, fps=12.0), {}, [])
    return parts.anew(Render(**{**vars(plan), "parts": parts.parted(frames, most, [SKIP], [TAKE])}), "first")


def asked(plan: Render) -> tuple[int, int]:
    inputs = plan.graph["1"]["inputs"]
    return inputs["skip_first_frames"], inputs["frame_load_cap"]


@given(st.integers(1, 5000), st.integers(2, 400))
def test_parts_follow_each_other_to_the_last_frame(frames: int, most: int):
    found = parts.spans(frames, most)
    assert [span.skip for span in found] == [sum(span.frames for span in found[:at]) for at in range(len(found))]
    assert sum(span.frames for span in found) == frames
    lengths = {span.frames for span in found}
    assert max(lengths) <= most
    assert max(lengths) - min(lengths) <= 1
    assert len(found) == -(-frames // most)


def test_what_fits_into_one_prompt_has_no_parts():
    assert parts.parted(16, 16, [SKIP], [TAKE]) is None
    assert parts.parted(17, 16, [SKIP], [TAKE]) == Parts((Span(0, 8), Span(8, 9)), (SKIP,), (TAKE,))


def test_each_prompt_gets_the_frames_that_come_next():
    plan = render(40, 16)
    seen = []
    for number in range(3):
        seen.append((asked(plan), parts.expected_of(plan).frames, parts.is_last(plan), parts.later(plan)))
        plan = parts.after(plan, f"{number:04}.mp4", "sum", f"prompt {number + 1}")
    assert seen == [((0, 13), 13, False, 2), ((13, 13), 13, False, 1), ((26, 14), 14, True, 0)]
    assert plan.expected.frames == 40
    assert plan.prompt_id == "prompt 3"


def test_a_plan_is_never_changed_in_place():
    plan = render(40, 16)
    parts.after(plan, "0000.mp4", "sum", "second")
    assert asked(plan) == (0, 13)


def test_from_its_first_part_on_nothing_is_made():
    plan = parts.after(render(40, 16), "0000.mp4", "sum", "second")
    again = parts.anew(plan, "third")
    assert (asked(again), parts.is_going_on(plan), parts.is_going_on(again)) == ((0, 13), True, False)


def test_progress_covers_all_parts():
    plan = render(40, 10)
    assert [parts.overall(plan, done) for done in (0.0, 0.5, 1.0)] == [0.0, 0.125, 0.25]
    assert parts.overall(parts.after(plan, "0000.mp4", "sum", "second"), 0.5) == 0.375
    assert parts.overall(None, 0.5) == 0.5
    assert parts.told(plan, "sampling") == "part 1 of 4: sampling"
    assert parts.told(None, "sampling") == "sampling"


@given(st.integers(40, 2000), st.integers(20, 200), st.integers(0, 3))
def test_shorter_parts_keep_what_is_made(frames: int, most: int, made: int):
    plan = render(max(frames, most + 1), most)
    for number in range(min(made, parts.later(plan))):
        plan = parts.after(plan, f"{number:04}.mp4", "sum", "next")
    shorter = parts.smaller(plan)
    assert plan.parts is not None
    left = plan.parts.spans[len(plan.parts.made) :]
    if shorter is None:
        assert max(span.frames for span in left) < 32
        return
    assert shorter.parts is not None
    done = len(plan.parts.made)
    assert shorter.parts.spans[:done] == plan.parts.spans[:done]
    assert max(span.frames for span in shorter.parts.spans[done:]) <= max(span.frames for span in left) // 2
    assert sum(span.frames for span in shorter.parts.spans) == sum(span.frames for span in plan.parts.spans)
    assert asked(shorter)[0] == left[0].skip


def test_a_render_that_has_no_parts_has_no_shorter_ones():
    assert parts.smaller(Render("job", "first", {}, "1", Expected(), {}, [])) is None
