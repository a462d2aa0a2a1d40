"""Identities: two people cross, one is hidden, one comes back, one is found twice."""

import numpy as np
import pytest
from films import BODY, DOTS, dots, dots_predictor
from pose_files import frame_of, person_at

from fidip.predict.follow import Follower, Plan
from fidip.predict.smoothing import OneEuro, OnlineFilter, Smoothing
from fidip.predict.sources import SourceImage
from fidip.predict.tracking import MEMORY, Tracker
from fidip.skeleton import COCO17

STEP = 0.04  # s


def person(centre, score=0.9, box_from="detector", track=0):
    xy = BODY + np.asarray(centre, float)
    box = np.array([*(xy.min(0) - 8), *(np.ptp(xy, 0) + 16)])
    return person_at(xy, np.full(3, score), track, box_from, box=box)


def together(persons):
    """The persons of one frame."""
    return frame_of(0, 0.0, persons)


def identities(tracker, frames, first=0):
    """Feed lists of persons who were found by a detector; their identities frame by frame."""
    return [
        tracker.assign(STEP * (first + i), together(persons), [-1] * len(persons))
        for i, persons in enumerate(frames)
    ]


def crossing(count=40, speed=4.0, apart=0.0):
    """Centres of two people who walk through each other, x from 0 to 156 and back."""
    return [((speed * i, 60.0), (speed * (count - 1 - i), 60.0 + apart)) for i in range(count)]


@pytest.mark.parametrize("apart", [0.0, 12.0])
def test_two_people_who_cross_keep_their_identities(apart):
    tracker = Tracker(DOTS.sigmas)
    frames = [[person(a), person(b)] for a, b in crossing(apart=apart)]
    found = identities(tracker, frames)
    # within the step in which they stand in the same place nobody could tell
    far = [i for i, (a, b) in enumerate(crossing()) if abs(a[0] - b[0]) > 8]
    assert all(found[i] == [0, 1] for i in far)


def test_the_order_in_which_persons_are_found_does_not_matter():
    tracker, rng = Tracker(DOTS.sigmas), np.random.default_rng(0)
    for i, centres in enumerate(crossing(apart=12.0)):
        order = rng.permutation(2) if i else [0, 1]
        found = tracker.assign(STEP * i, together([person(centres[k]) for k in order]), [-1, -1])
        assert found == list(order)


def test_who_is_hidden_while_crossing_comes_out_on_the_other_side():
    tracker = Tracker(DOTS.sigmas)
    for i, (a, b) in enumerate(crossing()):
        hidden = abs(a[0] - b[0]) < 30  # the second is behind the first
        found = identities(tracker, [[person(a)] if hidden else [person(a), person(b)]], i)[0]
        assert found == ([0] if hidden else [0, 1])


def test_without_motion_the_crossing_would_swap_them():
    """What the prediction is for: people hidden for a moment are nearer to the other's last place."""
    tracker, lost = Tracker(DOTS.sigmas), []
    for i, (a, b) in enumerate(crossing()):
        if abs(a[0] - b[0]) < 30:
            continue
        for track in tracker.tracks.values():
            track.velocity[:] = 0
        lost.append(identities(tracker, [[person(a), person(b)]], i)[0])
    assert lost[0] == [0, 1] and lost[-1] != [0, 1]


def test_a_person_found_twice_is_one():
    tracker = Tracker(DOTS.sigmas)
    persons = [person((50, 60), 0.7), person((51, 60), 0.9), person((120, 60), 0.5)]
    assert tracker.assign(0.0, together(persons), [-1, -1, -1]) == [-1, 0, 1]
    given = [person((50, 60), 0.7, "given"), person((51, 60), 0.9, "given")]
    assert Tracker(DOTS.sigmas).assign(0.0, together(given), [-1, -1]) == [0, 1]


def test_who_leaves_for_long_comes_back_as_somebody_else():
    tracker = Tracker(DOTS.sigmas)
    identities(tracker, [[person((50, 60)), person((120, 60))]] * 3)
    away = int(MEMORY / STEP) - 5
    identities(tracker, [[person((120, 60))]] * away, 3)
    assert identities(tracker, [[person((52, 60)), person((120, 60))]], 3 + away)[0] == [0, 1]
    identities(tracker, [[person((120, 60))]] * (away + 10), 4 + away)
    assert identities(tracker, [[person((52, 60)), person((120, 60))]], 14 + 2 * away)[0] == [2, 1]


def test_a_pose_that_was_not_found_keeps_the_owner_of_its_box():
    tracker = Tracker(DOTS.sigmas)
    tracker.assign(0.0, together([person((50, 60))]), [-1])
    lost = person((70, 90), 0.05, "track")
    assert tracker.assign(STEP, together([lost]), [0]) == [0]
    assert tracker.tracks[0].missed == 1 and tracker.tracks[0].pose.keypoints[0] == pytest.approx(
        BODY + (50, 60)
    )
    assert tracker.assign(2 * STEP, together([person((70, 90), 0.05, "frame")]), [-1]) == [-1]  # nobody there


def test_two_people_cross_in_a_film():
    """The whole chain: pictures, detector, network, boxes, identities. The second is drawn over the first."""
    centres = [((30 + 4 * i, 44.0), (130 - 4 * i, 72.0)) for i in range(26)]
    asked = iter(centres)

    def detect(rgb):
        boxes = [(x - 30, y - 35, 60, 62) for x, y in next(asked)]
        return np.array(boxes[1:] if abs(boxes[0][0] - boxes[1][0]) < 16 else boxes, float)

    images = [SourceImage(i, STEP * i, "", dots(both)) for i, both in enumerate(centres)]
    follower = Follower(dots_predictor(), Plan(detect=detect, detect_every=1))
    seen = {0: [], 1: []}
    for frame, both in zip(follower.run(images), centres, strict=True):
        assert len({p.track[0] for p in frame}) == len(frame) and len(frame) <= 2
        if abs(both[0][0] - both[1][0]) > 50:  # no one in the other's crop
            for found in frame:
                seen[found.track[0]].append(np.abs(found.keypoints[0] - BODY - both[found.track[0]]).max())
    assert len(seen[0]) == len(seen[1]) > 10
    assert max(seen[0] + seen[1]) < 3


def test_identities_are_taken_up_from_frames():
    tracker, again = Tracker(DOTS.sigmas), Tracker(DOTS.sigmas)
    frames = [[person(a), person(b)] for a, b in crossing(apart=12.0)]
    for i, persons in enumerate(frames[:18]):
        found = tracker.assign(STEP * i, together(persons), [-1, -1])
        kept = tuple(person(c, track=k) for c, k in zip(crossing(apart=12.0)[i], found, strict=True))
        again.restore(frame_of(i, STEP * i, kept))
    assert again.tracks.keys() == tracker.tracks.keys()
    for key, track in tracker.tracks.items():
        assert again.tracks[key].velocity == pytest.approx(track.velocity)
    assert identities(again, frames[18:], 18) == identities(tracker, frames[18:], 18)
    assert again.assign(9.0, person((300, 300)), [-1]) == [2]


def test_one_person_alone_is_always_the_same():
    tracker = Tracker(COCO17.sigmas, alone=True)
    rng = np.random.default_rng(0)
    for i in range(5):
        one = person_at(
            rng.uniform(0, 900, (17, 2)), rng.uniform(size=17), box_from="frame", box=[0, 0, 9, 9]
        )
        assert tracker.assign(100.0 * i, one, [-1]) == [0]


def test_each_person_has_a_filter():
    online, alone = OnlineFilter(Smoothing()), {0: OneEuro(3), 1: OneEuro(3)}
    rng = np.random.default_rng(0)
    for i in range(20):
        both = tuple(person(rng.uniform(20, 30, 2) + 90 * k, track=k) for k in (0, 1))
        for k, found in enumerate(online.step(frame_of(i, STEP * i, both))):
            assert found.keypoints[0] == pytest.approx(
                alone[k].step(STEP * i, both[k].keypoints[0], both[k].scores[0])
            )
            assert found.track[0] == k
