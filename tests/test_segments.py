"""Anchors by arithmetic; the schedule by simulating the native filter under every kind of interleaving."""

from __future__ import annotations

import random

import numpy as np
import pytest

from vsj4r.frames.scenes import Cuts, FoundCuts
from vsj4r.frames.segments import LIVE_STATES, RUN_FRAMES, Run, Schedule, Segments


@pytest.mark.parametrize(
    ("segment", "warmup", "n", "anchor", "start"),
    [
        (10, 4, 0, 0, 0),
        (10, 4, 9, 0, 0),
        (10, 4, 10, 10, 6),
        (10, 4, 37, 30, 26),
        (3, 8, 5, 3, 0),  # the run-in is longer than what is there
        (0, 8, 99, 0, 0),  # no periodic anchors
        (1, 0, 42, 42, 42),  # no memory at all
    ],
)
def test_anchor_and_start(segment: int, warmup: int, n: int, anchor: int, start: int) -> None:
    segments = Segments(100, segment, warmup, 1)
    assert segments.anchor(n) == anchor
    assert segments.start(n) == start


@pytest.mark.parametrize(("lookahead", "n", "neighbour"), [(1, 0, 1), (1, 99, 99), (0, 7, 7), (0, 99, 99)])
def test_neighbour_stays_in_the_clip(lookahead: int, n: int, neighbour: int) -> None:
    assert Segments(100, 10, 4, lookahead).neighbour(n) == neighbour


def test_nothing_crosses_a_cut() -> None:
    segments = Segments(100, 10, 4, 1, Cuts([25, 38]))
    assert [segments.anchor(n) for n in (24, 25, 29, 30, 35, 38, 40)] == [20, 25, 25, 30, 30, 38, 40]
    assert [segments.start(n) for n in (24, 25, 29, 30, 35, 38, 40)] == [16, 25, 25, 26, 26, 38, 38]
    assert [segments.neighbour(n) for n in (23, 24, 25)] == [24, 24, 26]


def test_only_the_cuts_that_matter_are_asked_for() -> None:
    cuts = FoundCuts(100)
    segments = Segments(100, 10, 4, 1, cuts)
    first, _ = segments.missing(35) or pytest.fail("nothing is known yet")
    assert first == 26
    assert Segments(100, 0, 4, 0, cuts).missing(0) is None


@pytest.mark.parametrize(
    ("segment", "warmup", "n", "block"),
    [
        (60, 8, 0, (0, 23, 24)),  # frame 25 begins a scene
        (60, 8, 24, (24, 24, 24)),
        (60, 8, 30, (25, 47, 55)),
        (60, 8, 50, (48, 59, 67)),  # the segment ends
        (60, 0, 47, (25, 47, 47)),
        (0, 30, 97, (96, 99, 99)),  # and so does the clip
        (10, 4, 38, (38, 39, 43)),
    ],
)
def test_the_block_through_which_the_way_back_goes(
    segment: int, warmup: int, n: int, block: tuple[int, int, int]
) -> None:
    cuts = Cuts([25, *([38] if segment == 10 else [])])
    assert Segments(100, segment, warmup, 1, cuts, bidirectional=True).block(n) == block


def test_the_neighbour_on_the_way_back() -> None:
    segments = Segments(100, 10, 4, 1, Cuts([25]), bidirectional=True)
    assert [segments.neighbour_back(n) for n in (0, 1, 10, 24, 25, 26)] == [0, 0, 9, 23, 25, 25]
    assert Segments(100, 10, 4, 0, bidirectional=True).neighbour_back(7) == 7


def test_both_ways_the_cuts_after_a_block_matter_too() -> None:
    cuts = FoundCuts(100)
    segments = Segments(100, 60, 4, 1, cuts, bidirectional=True)
    luma = np.zeros((12, 12), np.float32)
    looked = 0
    while missing := segments.missing(3):
        for looked in range(missing[0], missing[1] + 1):
            cuts.look(looked, luma, told=None)
    assert looked == 23 + 4


class Filter:
    """j4r.c in miniature: a state is the list of frames it was fed, an output is a copy of that list; both
    ways, it is joined with what the way back was fed before that frame."""

    def __init__(self, segments: Segments) -> None:
        self.segments = segments
        self.schedule = Schedule(segments)
        self.states: list[list[int]] = [[] for _ in range(LIVE_STATES)]
        self.back: list[list[int]] = [[] for _ in range(LIVE_STATES)]
        self.found: list[list[tuple[int, ...]]] = [[] for _ in range(LIVE_STATES)]
        self.is_back = [False] * LIVE_STATES
        self.outputs: dict[int, tuple[int, ...]] = {}
        self.steps = 0

    def feed(self, run: Run, until: int | None = None) -> None:
        """Step a run; ``until`` is a frame at which the step fails."""
        for i in run.frames:
            slot, fresh = self.schedule.claim(i, run.target, backward=run.backward)
            if fresh:
                self.states[slot].clear()
                self.found[slot].clear()
                self.is_back[slot] = False
            if i == until:
                self.schedule.lose(slot)
                raise RuntimeError(i)
            if run.backward and not self.is_back[slot]:
                self.back[slot].clear()
                self.found[slot].clear()
            self.is_back[slot] = run.backward
            found: tuple[int, ...] = ()
            if run.backward:
                self.back[slot].append(i)
                self.found[slot].append(tuple(self.back[slot]))
            else:
                self.states[slot].append(i)
                found = self.found[slot].pop() if self.found[slot] else ()
            self.schedule.advance(slot, i, run.target, backward=run.backward)
            self.steps += 1
            if i >= run.keep:
                self.outputs[i] = (*self.states[slot], *found)

    def expected(self, n: int) -> tuple[int, ...]:
        ahead = range(self.segments.start(n), n + 1)
        back = range(self.segments.block(n).begin, n - 1, -1) if self.segments.bidirectional else ()
        return (*ahead, *back)

    def reach(self, n: int) -> None:
        """Feed whatever leads to output ``n``, alone."""
        while n not in self.outputs:
            self.feed(self.schedule.reads(n))


def serve_all(derain: Filter, wanted: list[int], rng: random.Random) -> None:
    """Concurrent requests: each activation asks again, and steps only if it held the right frames already."""
    held: dict[int, Run] = {}
    waiting = list(wanted)
    for _ in range(100_000):
        if not waiting:
            return
        n = rng.choice(waiting)
        if n in derain.outputs:
            assert derain.outputs[n] == derain.expected(n)
            waiting.remove(n)
            del derain.outputs[n]  # a ring of no frames at all
            continue
        run = derain.schedule.reads(n)
        assert len(run.frames) <= RUN_FRAMES
        if held.get(n) == run:
            derain.feed(run)
        held[n] = run
    pytest.fail(f"requests still wait: {waiting}")


@pytest.mark.parametrize(("segment", "warmup"), [(0, 0), (7, 0), (7, 3), (7, 20), (40, 8), (1, 0), (120, 8)])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("bidirectional", [False, True])
def test_each_output_is_a_function_of_its_number(
    segment: int, warmup: int, seed: int, bidirectional: bool
) -> None:
    rng = random.Random(seed)
    cuts = Cuts(rng.sample(range(150), seed))
    derain = Filter(Segments(150, segment, warmup, 1, cuts, bidirectional=bidirectional))
    wanted = [rng.randrange(150) for _ in range(40)]
    serve_all(derain, list(dict.fromkeys(wanted)), rng)


def test_reading_on_costs_one_step_a_frame_and_the_warmup() -> None:
    derain = Filter(Segments(100, 20, 5, 1))
    for n in range(100):
        run = derain.schedule.reads(n)
        derain.feed(run)
        assert derain.outputs[n] == derain.expected(n)
    assert derain.steps == 100 + 4 * 5


def test_reading_on_both_ways_costs_two_steps_a_frame_and_the_run_ins() -> None:
    derain = Filter(Segments(240, 120, 8, 1, bidirectional=True))
    for n in range(240):
        derain.reach(n)
        assert derain.outputs[n] == derain.expected(n)
    assert derain.steps == 2 * 240 + 8 + 9 * 8  # one segment after the first; the last block has no run-in


def test_a_seek_goes_back_through_one_block_alone() -> None:
    derain = Filter(Segments(240, 120, 8, 1, bidirectional=True))
    derain.reach(100)
    assert derain.outputs[100] == derain.expected(100)
    assert derain.steps == 96 + (24 + 8) + 5


def test_a_way_back_that_was_given_up_is_taken_up_again_or_forgotten() -> None:
    for then in (30, 100, 50):
        derain = Filter(Segments(240, 120, 8, 1, bidirectional=True))
        derain.reach(23)
        run = derain.schedule.reads(30)
        assert (run.backward, run.first) == (True, 55)
        derain.feed(run)
        derain.schedule.forget(30)
        derain.reach(then)
        assert derain.outputs[then] == derain.expected(then)
        derain.reach(40)
        assert derain.outputs[40] == derain.expected(40)


def test_of_two_states_at_one_frame_the_one_on_its_way_back_goes_on() -> None:
    for first, then in ((47, 47), (60, 47)):
        derain = Filter(Segments(240, 120, 8, 1, bidirectional=True))
        derain.reach(first)
        derain.outputs.clear()
        derain.reach(30)  # the other state, for the first is beyond it
        derain.reach(then)
        derain.reach(50)
        assert derain.outputs[50] == derain.expected(50)


def test_a_failure_on_the_way_back_loses_the_state() -> None:
    derain = Filter(Segments(240, 120, 8, 1, bidirectional=True))
    derain.reach(23)
    with pytest.raises(RuntimeError):
        derain.feed(derain.schedule.reads(30), until=50)
    derain.schedule.forget(30)
    derain.reach(30)
    assert derain.outputs[30] == derain.expected(30)


def test_a_seek_beside_a_reader_does_not_cost_the_reader_its_state() -> None:
    derain = Filter(Segments(300, 100, 0, 1))
    for n in range(50):
        derain.feed(derain.schedule.reads(n))
    derain.feed(derain.schedule.reads(201))
    assert derain.schedule.reads(50).first == 50


def test_seeks_between_its_pieces_do_not_cost_a_long_request_its_state() -> None:
    derain = Filter(Segments(400, 100, 0, 0))
    derain.feed(derain.schedule.reads(99))
    for seek in (205, 305, 106):
        derain.schedule.reads(99)
        derain.feed(derain.schedule.reads(seek))
    assert derain.schedule.reads(99).first == 16


def test_the_last_run_reads_no_frame_beyond_the_clip() -> None:
    schedule = Schedule(Segments(10, 0, 0, 1))
    assert schedule.reads(9) == Run(target=9, first=0, keep=0, stop=9, last=9)
    assert schedule.reads(4) == Run(target=4, first=0, keep=0, stop=4, last=5)


def test_a_long_run_is_cut_and_the_rest_wait_for_it() -> None:
    schedule = Schedule(Segments(1000, 0, 0, 1))
    assert schedule.reads(500) == Run(500, 0, 0, RUN_FRAMES - 1, RUN_FRAMES)
    assert schedule.reads(900).target == 500
    schedule.forget(500)
    assert schedule.reads(900).target == 900


def test_frames_ahead_are_those_of_the_same_state() -> None:
    """Frame 3 is a cut, 10 an anchor with a run-in, 14 the last."""
    schedule = Schedule(Segments(15, 10, 4, 1, Cuts([3])), ahead=2)
    begun = [len(schedule.begins(n, n)) for n in range(15)]
    assert begun == [3, 2, 1, 3, 3, 3, 3, 3, 2, 1, 3, 3, 3, 2, 1]
    read = [schedule.reads(n).last for n in range(15)]
    assert read == [2, 2, 2, 6, 7, 8, 9, 10, 10, 10, 13, 14, 14, 14, 14]


def test_cuts_among_the_frames_ahead_are_asked_for() -> None:
    found = FoundCuts(40)
    for n in range(20):
        found.look(n, np.zeros((12, 12), np.float32), told=None)
    near, far = (Schedule(Segments(40, 0, 4, 1, found), ahead=ahead) for ahead in (0, 3))
    assert near.missing(17) is None
    assert far.missing(17) == (20, 21)


def test_a_failed_step_costs_the_state_and_nothing_else() -> None:
    derain = Filter(Segments(30, 0, 0, 0))
    with pytest.raises(RuntimeError):
        derain.feed(derain.schedule.reads(9), until=5)
    derain.schedule.forget(9)
    run = derain.schedule.reads(9)
    assert run.first == 0
    derain.feed(run)
    assert derain.outputs[9] == derain.expected(9)


def test_a_step_out_of_order_is_refused() -> None:
    schedule = Schedule(Segments(30, 0, 0, 0))
    with pytest.raises(ValueError, match="no state stands before frame 3"):
        schedule.claim(3, 9)


def test_a_step_the_wrong_way_is_refused() -> None:
    schedule = Schedule(Segments(240, 120, 8, 1, bidirectional=True))
    with pytest.raises(ValueError, match="no state stands before frame 31"):
        schedule.claim(31, 5)
    assert schedule.claim(31, 5, backward=True)[1]


def test_a_frame_passed_on_the_way_to_another_block_still_waits() -> None:
    """Nothing was found on the way back there, so it has no output yet."""
    derain = Filter(Segments(240, 120, 8, 1, bidirectional=True))
    for n in (100, 20):
        derain.schedule.reads(n)
    while (run := derain.schedule.reads(100)).first < 48:
        derain.feed(run)
    derain.schedule.forget(100)
    assert derain.schedule.reads(50).target == 20


def test_what_was_looked_at_tells_as_much_as_all_cuts() -> None:
    """For random clips, cuts and frames, in any order."""
    thumb, rng = np.zeros((12, 12), np.float32), random.Random(5)
    for _ in range(3000):
        length = rng.randint(1, 140)
        cuts = set(rng.sample(range(length), min(length, rng.choice([0, 1, 3, 8, 30])))) - {0}
        found = FoundCuts(length)
        shape = length, rng.choice([0, 1, 2, 7, 24, 30, 48]), rng.choice([0, 0, 1, 3, 8]), rng.choice([0, 1])
        bidirectional = rng.random() < 0.7
        looking, knowing = (Segments(*shape, of, bidirectional=bidirectional) for of in (found, Cuts(cuts)))
        for n in rng.sample(range(length), min(length, 3)):
            while missing := looking.missing(n):
                for i in range(missing[0], missing[1] + 1):
                    found.look(i, thumb, told=i in cuts)
            said = f"{shape}, {bidirectional = }, {n = }, {sorted(cuts)}"
            frames = range(knowing.start(n), n + 1)
            assert (looking.start(n), looking.anchor(n)) == (knowing.start(n), knowing.anchor(n)), said
            assert [*map(looking.neighbour, frames)] == [*map(knowing.neighbour, frames)], said
            if bidirectional:
                block = knowing.block(n)
                assert looking.block(n) == block, said
                back = range(block.first, block.begin + 1)
                assert [*map(looking.neighbour_back, back)] == [*map(knowing.neighbour_back, back)], said
