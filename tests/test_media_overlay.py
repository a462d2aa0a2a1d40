"""Overlay videos and pictures decoded again; faces that must not be recognisable."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from figures import stick_infant
from pose_files import frame_of, person_at, write_frames

from fidip.errors import ConfigError, DataError
from fidip.evaluation.pictures import PREDICTION_COLOURS
from fidip.predict.export import EXPORTS
from fidip.predict.export.face import FaceBlur, face_joints, face_region
from fidip.skeleton import COCO17

LEFT, RIGHT, _ = (np.array(colour) for colour in PREDICTION_COLOURS)
FACE = range(5)


def write_video(path, images, ticks, clock=1000, sound=False):
    """A lossless video whose frames are shown at ``ticks`` / ``clock`` s."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = images[0].shape[:2]
        # 4:4:4 also takes odd sides
        stream.pix_fmt, stream.options = "yuv444p", {"crf": "1", "preset": "ultrafast"}
        stream.time_base = stream.codec_context.time_base = Fraction(1, clock)
        audio = container.add_stream("aac", rate=8000, layout="mono") if sound else None
        for image, tick in zip(images, ticks, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, clock)
            container.mux(stream.encode(frame))
        if audio is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            silence.rate, silence.pts = 8000, 0
            container.mux(audio.encode(silence))
            container.mux(audio.encode())
        container.mux(stream.encode())


def turn_quarter(path):
    """Make an MP4 say that it is to be shown turned clockwise by 90 degrees."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    numbers = np.frombuffer(content, ">i4", 9, matrix)
    assert numbers.tolist() == [1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30]
    numbers[:] = [0, 1 << 16, 0, -(1 << 16), 0, 0, 121 << 16, 0, 1 << 30]
    path.write_bytes(content)


def decoded(path):
    """(times, images, stream facts) of a video."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(stream)]
        facts = (stream.codec_context.name, stream.codec_context.pix_fmt, len(container.streams))
    return [time for time, _ in frames], [image for _, image in frames], facts


@pytest.fixture
def clip(tmp_path):
    """A video of odd size and uneven times of a moving stick infant, and its poses."""
    size, ticks = (161, 121), [0, 40, 80, 160, 170, 300, 340]
    images, frames = [], []
    for index, tick in enumerate(ticks):
        image, joints = stick_infant(np.random.default_rng(index), size)
        images.append(image)
        if index != 3:
            frames.append(frame_of(index, tick / 1000, (person_at(joints, np.full(17, 0.9)),)))
    path = tmp_path / "näked name.mp4"
    write_video(path, images, ticks, sound=True)
    poses = write_frames(tmp_path / "clip.poses.jsonl", frames, size=size)
    return path, poses, images


def test_video_keeps_times_and_drops_sound(clip, tmp_path):
    path, poses, images = clip
    (out,) = EXPORTS["video"](poses, path, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["clip.overlay.mp4"]
    times, shown, facts = decoded(out)
    assert facts == ("h264", "yuv420p", 1)
    np.testing.assert_allclose(times, decoded(path)[0], atol=1e-5)
    assert all(image.shape == (122, 162, 3) for image in shown)
    frames = {frame.index: frame for frame in poses}
    for index in range(7):
        drawn = frames[index].draw(images[index], boxes=True) if index in frames else images[index]
        difference = np.abs(shown[index][:121, :161].astype(int) - drawn)
        assert np.median(difference) <= 3, index
        assert difference.mean() < 8, index
    # a frame without poses is shown as it is, but for the words at its top
    assert np.abs(shown[3][20:121, :161].astype(int) - images[3][20:]).mean() < 4.3


def test_a_turned_video_comes_out_upright(clip, tmp_path):
    path, poses, images = clip
    turn_quarter(path)
    upright = write_frames(tmp_path / "turned.poses.jsonl", list(poses), size=(121, 161))
    (out,) = EXPORTS["video"](upright, path, tmp_path)
    shown = decoded(out)[1]
    assert shown[3].shape == (162, 122, 3)
    assert np.abs(shown[3][20:161, :121].astype(int) - np.rot90(images[3], -1)[20:]).mean() < 4.3
    assert b"tkhd" in (content := out.read_bytes())
    assert np.frombuffer(content, ">i4", 2, content.index(b"tkhd") + 44).tolist() == [1 << 16, 0]


def test_colours_survive_the_encoder(tmp_path):
    colours = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [128, 128, 128]], np.uint8)
    image = np.repeat(np.repeat(colours[None], 64, axis=0), 32, axis=1)
    write_video(tmp_path / "a.mp4", [image] * 2, [0, 40])
    poses = write_frames(tmp_path / "a.poses.jsonl", [], size=(128, 64))
    shown = decoded(EXPORTS["video"](poses, tmp_path / "a.mp4", tmp_path)[0])[1][0]
    middles = shown[32, 16::32].astype(int)
    source = decoded(tmp_path / "a.mp4")[1][0][32, 16::32].astype(int)
    assert np.abs(middles - source).max() <= 4


def test_what_is_not_the_source_is_refused(clip, tmp_path):
    _, poses, images = clip
    out = tmp_path / "out"
    with pytest.raises(DataError, match="give the video or pictures"):
        EXPORTS["video"](poses, None, out)
    write_video(tmp_path / "small.mp4", [image[:100, :100] for image in images], range(0, 280, 40))
    with pytest.raises(DataError, match="shows 100 x 100 px, the poses are of 161 x 121 px"):
        EXPORTS["video"](poses, tmp_path / "small.mp4", out)
    write_video(tmp_path / "slow.mp4", images, range(0, 700, 100))
    with pytest.raises(DataError, match=r"frame 1 is at 0.04 s, in .*slow.mp4 at 0.1 s"):
        EXPORTS["video"](poses, tmp_path / "slow.mp4", out)
    assert not any(out.iterdir())


def test_pictures_of_a_video(clip, tmp_path):
    path, poses, images = clip
    paths = EXPORTS["pictures"](poses, path, tmp_path, kind="png", every=3)
    assert [p.relative_to(tmp_path).as_posix() for p in paths] == [
        f"clip.overlay/{number:06d}.png" for number in (0, 3, 6)
    ]
    drawn = cv2.imread(str(paths[0]))[..., ::-1].astype(int)
    assert drawn.shape == images[0].shape
    joints = next(iter(poses)).keypoints[0]
    for joint, colour in ((9, LEFT), (10, RIGHT)):
        x, y = np.rint(joints[joint]).astype(int)
        assert np.abs(drawn[y, x] - colour).max() < 12
    with pytest.raises(ConfigError, match="kind 'gif'"):
        EXPORTS["pictures"](poses, path, tmp_path, kind="gif")


def test_pictures_keep_their_names_and_stay_in_their_folder(tmp_path):
    frames = []
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for index, name in enumerate(("sub/a.png", "../b.png")):
        image, joints = stick_infant(np.random.default_rng(index))
        cv2.imwrite(str(tmp_path / "in" / name), image)
        frames.append(frame_of(index, 0.0, (person_at(joints, np.ones(17)),), name))
    poses = write_frames(tmp_path / "in.poses.jsonl", frames, size=(0, 0), rate=0.0)
    paths = EXPORTS["pictures"](poses, tmp_path / "in", tmp_path / "out")
    with pytest.raises(DataError, match="export pictures instead"):
        EXPORTS["video"](poses, tmp_path / "in", tmp_path)
    assert [p.relative_to(tmp_path).as_posix() for p in paths] == ["out/in.overlay/sub/a.jpg", "out/in.overlay/b.jpg"]  # fmt: skip


def test_joints_that_were_not_seen_are_hollow():
    image = np.full((240, 320, 3), 128, np.uint8)
    xy = np.column_stack([np.linspace(20, 300, 17), np.full(17, 120)])
    score = np.full(17, 0.9)
    score[5], score[7] = 0.1, 0.0
    drawn = person_at(xy, score, filled=[9]).draw(image)
    assert (image == 128).all()  # the original is left as it is
    inside = {joint: drawn[120, int(np.rint(xy[joint, 0]))].tolist() for joint in (5, 7, 9, 11)}
    assert inside[11] == LEFT.tolist()
    assert inside[5] != LEFT.tolist()
    assert inside[9] != LEFT.tolist()

    def ring(joint):
        x = int(np.rint(xy[joint, 0]))
        return (np.abs(drawn[110:131, x - 6 : x + 7].astype(int) - LEFT).max(axis=2) < 40).any()

    assert ring(5)
    assert ring(9)


def checkered(width=320, height=240):
    """Fine stripes: blurring is seen as the loss of contrast."""
    return np.repeat(((np.indices((height, width)).sum(axis=0) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)  # fmt: skip


def infant(seed=0, size=(320, 240)):
    return stick_infant(np.random.default_rng(seed), size)[1]


def blurred_at(image, points):
    """Whether every point lies in a blurred part."""
    patches = [image[max(int(y) - 1, 0) : int(y) + 2, max(int(x) - 1, 0) : int(x) + 2] for x, y in points]
    return all(np.ptp(patch.astype(int)) < 128 for patch in patches)


@pytest.mark.parametrize("score", [0.9, 0.03])
@pytest.mark.parametrize("kept", [[0, 1, 2, 3, 4], [3], [0, 4], [1, 2]])
def test_every_face_joint_and_its_surroundings_are_blurred(score, kept):
    joints, scores = infant(), np.zeros(17)
    scores[5:], scores[kept] = 0.9, score
    blur = FaceBlur(COCO17.names)
    image = blur(checkered(), frame_of(0, 0.0, (person_at(joints, scores),)))
    head = joints[:5] if len(kept) > 2 else joints[kept]
    radius = 0.5 * np.ptp(joints[:5], axis=0).max()
    for angle in np.linspace(0, 2 * np.pi, 12):
        assert blurred_at(image, np.clip(head + radius * np.array([np.cos(angle), np.sin(angle)]), 1, 238))
    if score > 0.2:
        assert not blurred_at(image, joints[15:])  # feet


def test_a_lost_face_is_blurred_where_it_was():
    joints = infant()
    blur = FaceBlur(COCO17.names)
    everywhere = np.stack(np.meshgrid(np.arange(5, 315, 10), np.arange(5, 235, 10)), axis=-1).reshape(-1, 2)
    assert blurred_at(blur(checkered(), frame_of(0, 0.0, ())), everywhere)  # nobody known: all of it
    hidden = np.r_[np.zeros(5), np.ones(12)]
    person = person_at(joints, hidden)
    inside = everywhere[
        (
            (everywhere > person.boxes[0][:2] + 2)
            & (everywhere < person.boxes[0][:2] + person.boxes[0][2:] - 2)
        ).all(axis=1)
    ]
    assert blurred_at(blur(checkered(), frame_of(1, 0.0, (person,))), inside)  # no face yet: the whole person
    blur(checkered(), frame_of(2, 0.1, (person_at(joints, np.ones(17)),)))
    moved = person_at(joints + 20, hidden)
    assert blurred_at(blur(checkered(), frame_of(3, 0.2, (moved,))), joints[:5])
    assert blurred_at(blur(checkered(), frame_of(4, 0.3, ())), joints[:5])
    unsure = person_at(joints + 60, np.r_[np.full(5, 0.05), np.ones(12)])
    image = blur(checkered(), frame_of(5, 0.4, (unsure,)))
    assert blurred_at(image, joints[:5])  # where it surely was
    assert blurred_at(image, np.clip(joints[:5] + 60, 1, 238))  # and where it may be
    again = person_at(joints, np.ones(17), track=7)
    assert len(blur.regions(frame_of(6, 0.5, (again,)))) == 1  # a new number for the same face


def test_blur_cannot_be_undone():
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    joints = infant()
    hidden = FaceBlur(COCO17.names)(image, frame_of(0, 0.0, (person_at(joints, np.ones(17)),)))
    region = face_region(person_at(joints, np.ones(17)), COCO17.names)
    mask = np.zeros((240, 320), np.uint8)
    cv2.fillConvexPoly(mask, np.rint(region).astype(np.int32), 1)
    inside = mask > 0
    assert hidden[inside].std() < 0.2 * image[inside].std()
    assert (hidden[~inside] == image[~inside]).all()


def test_face_joints_are_found_by_their_names():
    assert face_joints(COCO17.names) == [0, 1, 2, 3, 4]
    assert face_joints(("left_forearm", "Head", "noseTip", "LeftEye", "heart", "neck")) == [1, 2, 3]


@pytest.mark.parametrize(
    ("box", "rows"),
    [((30, 60, 80, 60), (40, 59)), ((30, 2, 80, 100), (104, 125)), ((30, 2, 80, 170), (0, 20))],
)
def test_the_label_is_above_the_box_else_below_it_else_inside(box, rows):
    person = person_at(np.zeros((17, 2)), np.zeros(17), 1, box=box)
    drawn = person.draw(np.full((180, 240, 3), 128, np.uint8), boxes=True)
    dark = np.flatnonzero(
        (drawn[:, 33:36] < 60).all(axis=(1, 2))
    )  # the label's ground, and the box's two edges
    inside = (dark >= rows[0]) & (dark < rows[1])
    assert inside.sum() >= 7 and (~inside).sum() <= 4


def test_far_outside_the_picture_nothing_fails():
    image = np.zeros((60, 80, 3), np.uint8)
    frame = frame_of(
        0, 0.0, (person_at(np.full((17, 2), 1e7), np.ones(17)), person_at(-infant() * 1e4, np.ones(17), 1))
    )
    assert frame.draw(image, boxes=True).shape == image.shape
    assert FaceBlur(COCO17.names)(image, frame).shape == image.shape
