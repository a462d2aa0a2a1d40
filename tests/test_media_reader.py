"""Reading pictures and videos: the right way up, at the right time, in the background."""

import threading
import time

import cv2
import numpy as np
import pytest
from films import dots, turn_film, write_film
from PIL import Image

from fidip.errors import DataError
from fidip.predict.media import in_background, read_video, upright, video_facts
from fidip.predict.sources import ImageFiles, Video, Webcam, find_sources

CORNER = np.zeros((48, 64, 3), np.uint8)
CORNER[:12, :20] = 255  # the upper left corner is white


def film(path, count=12, **options):
    images = [np.roll(CORNER, index, 1) for index in range(count)]
    return write_film(path, images, **options)


def white(image):
    """Which corner is white: rows and columns from the upper left."""
    dark = image[..., 0] < 128
    return [bool(not dark[y, x]) for y, x in ((2, 2), (2, -3), (-3, -3), (-3, 2))].index(True)


def test_frames_are_what_was_written(tmp_path):
    images = [dots([(50 + i, 60)]) for i in range(5)]
    path = write_film(tmp_path / "a.mkv", images)
    frames = list(read_video(path))
    assert [index for index, _, _ in frames] == [0, 1, 2, 3, 4]
    for image, (_, _, rgb) in zip(images, frames, strict=True):
        np.testing.assert_array_equal(rgb, image)


@pytest.mark.parametrize(("degrees", "corner"), [(90, 1), (180, 2), (270, 3)])
def test_a_turned_video_is_shown_upright(tmp_path, degrees, corner):
    path = film(tmp_path / "a.mp4", codec="h264", pixels="yuv420p")
    assert white(next(read_video(path))[2]) == 0
    turn_film(path, degrees)
    size = (64, 48) if degrees == 180 else (48, 64)
    assert video_facts(path).size == size
    rgb = next(read_video(path))[2]
    assert rgb.shape[1::-1] == size and white(rgb) == corner


def test_a_mirrored_display_matrix_is_obeyed():
    matrix = np.array([-1, 0, 0, 0, 1, 0, 0, 0, 1])
    np.testing.assert_array_equal(upright(CORNER, matrix), CORNER[:, ::-1])


def test_times_of_a_variable_rate_are_kept(tmp_path):
    times = [0, 40, 50, 200, 210, 1000]
    path = film(tmp_path / "a.mkv", 6, times=times)
    assert [seconds for _, seconds, _ in read_video(path)] == pytest.approx([t / 1000 for t in times])


def test_times_begin_at_zero_and_increase(tmp_path):
    path = film(tmp_path / "a.mkv", 4, times=[5000, 5040, 5080, 5120])
    assert [seconds for _, seconds, _ in read_video(path)] == pytest.approx([0, 0.04, 0.08, 0.12])


def test_a_start_leaves_frames_out_and_changes_none(tmp_path):
    path = film(tmp_path / "a.mp4", codec="h264", pixels="yuv420p")
    whole, rest = list(read_video(path)), list(read_video(path, 5))
    assert [frame[:2] for frame in rest] == [frame[:2] for frame in whole[5:]]
    np.testing.assert_array_equal(rest[0][2], whole[5][2])


def test_a_truncated_video_gives_what_there_is(tmp_path, caught):
    noise = np.random.default_rng(0).integers(0, 255, (100, 48, 64, 3), dtype=np.uint8)
    path = write_film(tmp_path / "a.mkv", list(noise))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    frames = list(read_video(path))
    assert 50 <= len(frames) < 70
    np.testing.assert_array_equal(frames[40][2], noise[40])
    (warning,) = [r.getMessage() for r in caught.records if "cut short" in r.getMessage()]
    assert f"end at {0.04 * len(frames):.2f} s of 4.00 s" in warning


def test_a_damaged_part_is_passed_over(tmp_path, caught):
    noise = np.random.default_rng(0).integers(0, 255, (60, 48, 64, 3), dtype=np.uint8)
    path = write_film(tmp_path / "a.mp4", list(noise), codec="h264", pixels="yuv420p", movflags="faststart")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    path.write_bytes(content)
    times = [seconds for _, seconds, _ in read_video(path)]
    assert 50 <= len(times) < 60 and times[-1] == pytest.approx(59 * 0.04)
    assert any("damaged parts could not be decoded" in r.getMessage() for r in caught.records)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
def test_pictures_are_turned_by_exif(tmp_path, kind):
    turned = Image.fromarray(CORNER)
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / f"a b é.{kind}", exif=exif)
    (source,) = find_sources([str(tmp_path)])
    (picture,) = source.read()
    assert picture.rgb.shape == (64, 48, 3) and white(picture.rgb) == 1
    assert picture.name == f"a b é.{kind}" and source.size == (48, 64)


def test_folders_patterns_and_lists_are_found(tmp_path):
    for name in ("b.png", "a.png", "notes.txt"):
        Image.fromarray(CORNER).save(tmp_path / name, format="png")
    film(tmp_path / "v w.mkv")
    (folder,) = find_sources([str(tmp_path)])
    assert [path.name for path in folder.files] == ["a.png", "b.png"] and not folder.moving
    (pictures,) = find_sources([str(tmp_path / "*.png")])
    assert pictures.count == 2 and pictures.name == tmp_path.name
    video, both = find_sources([str(tmp_path / n) for n in ("v w.mkv", "b.png", "a.png")])
    assert isinstance(video, Video) and [path.name for path in both.files] == ["b.png", "a.png"]
    (video,) = find_sources([str(tmp_path / "*w.mkv")])
    assert (video.name, video.size, video.rate, video.count) == ("v w", (64, 48), 25.0, 12)


def test_pictures_may_be_the_frames_of_a_video(tmp_path):
    for index in range(3):
        Image.fromarray(CORNER).save(tmp_path / f"{index}.png")
    (source,) = find_sources([str(tmp_path)], rate=10)
    assert source.moving and source.size == (64, 48)
    assert [picture.time for picture in source.read(1)] == [0.1, 0.2]


def test_a_camera_gives_its_newest_frames(monkeypatch):
    class Camera:
        def __init__(self, number):
            self.shots = 0

        def isOpened(self):  # noqa: N802
            return True

        def get(self, what):
            return 30.0

        def read(self):
            self.shots += 1
            return self.shots <= 200, np.full((4, 6, 3), self.shots, np.uint8)

        def release(self):
            self.shots = -1

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    camera = Webcam(0)
    assert camera.live and camera.size == (6, 4)
    seen = []
    for picture in in_background(camera.read(), newest=True):
        time.sleep(0.001)
        seen.append(picture)
    assert [p.time for p in seen] == sorted(p.time for p in seen) and seen[-1].rgb[0, 0, 0] == 200
    assert camera._camera.shots == -1


def test_a_camera_that_is_not_there_is_named():
    with pytest.raises(DataError, match="camera 97 gives no picture"):
        find_sources(["97"])


def test_the_background_is_bounded_and_ends():
    made, before = [], threading.active_count()

    def numbers():
        for number in range(1000):
            made.append(number)
            yield number

    items = in_background(numbers(), depth=3)
    assert [next(items), next(items)] == [0, 1]
    time.sleep(0.05)
    assert len(made) <= 2 + 3 + 1
    items.close()
    assert threading.active_count() == before


def test_an_error_in_the_background_is_raised_where_frames_are_used():
    def broken():
        yield 1
        raise DataError("broken")

    items = in_background(broken())
    assert next(items) == 1
    with pytest.raises(DataError, match="broken"):
        next(items)


def test_names_are_relative_to_the_folder(tmp_path):
    (tmp_path / "sub").mkdir()
    Image.fromarray(CORNER).save(tmp_path / "sub" / "a.png")
    source = ImageFiles("x", tmp_path, [tmp_path / "sub" / "a.png"], tmp_path)
    assert next(source.read()).name == "sub/a.png"
