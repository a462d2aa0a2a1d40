"""What the page does with one upload: check it against the limits, find joints, draw, write tables."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fidip.errors import DataError
from fidip.predict.export import EXPORTS
from fidip.predict.export.tables import rows
from fidip.predict.follow import Follower, Plan
from fidip.predict.media import SUFFIXES, in_background, is_image, video_facts
from fidip.predict.pose_file import Header, PoseFile, PoseStream, stream_path
from fidip.predict.predictor import Predictor
from fidip.predict.sources import ImageFiles, SourceImage, Video

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm")
IMAGE_HEADERS = ("person", "joint", "x, px", "y, px", "score", "seen")
VIDEO_HEADERS = ("person", "joint", "frames", "seen, %", "mean score")

Report = Callable[[float], object]  # share of the work that is done, 0..1


@dataclass(frozen=True)
class Limits:
    """What one upload may be. megapixels: of a picture or frame. seconds, frames: of a video."""

    megabytes: float = 50.0
    megapixels: float = 25.0
    seconds: float = 60.0
    frames: int = 3600

    def in_words(self) -> str:
        """For the page."""
        return (
            f"at most {self.megabytes:g} MB, {self.megapixels:g} megapixels; videos {self.seconds:g} s "
            f"and {self.frames} frames"
        )


@dataclass(frozen=True)
class Findings:
    """overlay: a picture or a video. headers, table: one row a joint. files: to be downloaded. summary: a sentence."""

    overlay: Path
    is_video: bool
    headers: tuple[str, ...]
    table: list[list[str]]
    files: list[Path]
    summary: str


def analyse(
    predictor: Predictor,
    upload: Path,
    plan: Plan,
    limits: Limits,
    folder: Path,
    blur_faces: bool = False,
    report: Report = lambda share: None,
) -> Findings:
    """Find joints in one picture or video and write all results into ``folder``.

    plan: where to look; whether pictures follow each other is found out here. Raises DataError for an upload that
    is unreadable or beyond the limits; its message names the file, not where it lies.
    """
    try:
        return _analyse(predictor, upload, plan, limits, folder, blur_faces, report)
    except DataError as error:
        raise DataError(str(error).replace(str(upload), upload.name)) from error


def _analyse(
    predictor: Predictor,
    upload: Path,
    plan: Plan,
    limits: Limits,
    folder: Path,
    blur_faces: bool,
    report: Report,
) -> Findings:
    source = open_upload(upload, limits)
    folder.mkdir(parents=True, exist_ok=True)
    moving = isinstance(source, Video)
    follower = Follower(predictor, Plan(**{**vars(plan), "moving": moving}))
    header = Header(upload.name, predictor.skeleton.names, source.size, source.rate, predictor.name)
    path = stream_path(folder, source.name)
    with PoseStream(path, header) as stream, closing(in_background(source.read())) as images:
        for done, frame in enumerate(follower.run(_within(images, limits, upload)), start=1):
            stream.write(frame)
            report(done / max(source.count, done))
    poses = PoseFile(path)
    (overlay,) = EXPORTS["video" if moving else "pictures"](poses, upload, folder, blur_faces=blur_faces)
    files = [overlay, *EXPORTS["csv"](poses, upload, folder), *EXPORTS["coco"](poses, upload, folder), path]
    table, count = (_video_table if moving else _image_table)(poses)
    people = f"{count} {'person' if count == 1 else 'persons'}"
    size = f"{source.size[0]} x {source.size[1]} px"
    summary = f"{upload.name}, {size}: {people}" + (f", {source.count} frames" if moving else "")
    return Findings(overlay, moving, VIDEO_HEADERS if moving else IMAGE_HEADERS, table, files, summary)


def open_upload(upload: Path, limits: Limits) -> ImageFiles | Video:
    """The upload as a source. Raises DataError for a kind that is not known, or one beyond the limits."""
    megabytes = upload.stat().st_size / 1e6
    if megabytes > limits.megabytes:
        raise DataError(f"{upload.name} has {megabytes:.1f} MB; {limits.in_words()}")
    suffix = upload.suffix.lower()
    if suffix not in (*SUFFIXES, *VIDEO_SUFFIXES):
        known = ", ".join((*SUFFIXES, *VIDEO_SUFFIXES))
        raise DataError(f"{upload.name} is no picture or video by its name; known are {known}")
    if is_image(upload):
        source: ImageFiles | Video = ImageFiles(upload.stem, upload, [upload], upload.parent)
    else:
        facts = video_facts(upload)
        if facts.seconds > limits.seconds or facts.count > limits.frames:
            raise DataError(
                f"{upload.name} has {facts.count} frames in {facts.seconds:.1f} s; {limits.in_words()}"
            )
        source = Video(upload)
    if source.size[0] * source.size[1] > limits.megapixels * 1e6:
        raise DataError(f"{upload.name} has {source.size[0]} x {source.size[1]} px; {limits.in_words()}")
    return source


def _within(images: Iterator[SourceImage], limits: Limits, upload: Path) -> Iterator[SourceImage]:
    """Hand pictures on while they are within the limits: a video's header need not say how long it is."""
    for image in images:
        height, width = image.rgb.shape[:2]
        if image.index >= limits.frames or image.time > limits.seconds:
            raise DataError(f"{upload.name} is longer than its header says; {limits.in_words()}")
        if height * width > limits.megapixels * 1e6:
            raise DataError(f"{upload.name}, frame {image.index}: {width} x {height} px; {limits.in_words()}")
        yield image


def _image_table(poses: PoseFile) -> tuple[list[list[str]], int]:
    """One row a joint, and how many persons there are."""
    frame = next(iter(poses))
    table = [
        [str(track), joint, _px(x), _px(y), f"{score:.2f}", "yes" if visible else "no"]
        for _, _, track, joint, x, y, score, visible, _ in rows(frame)
    ]
    return table, len(frame)


def _px(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _video_table(poses: PoseFile) -> tuple[list[list[str]], int]:
    """One row a joint over all frames, and how many persons there are."""
    sums: dict[tuple[int, str], list[float]] = defaultdict(lambda: [0, 0, 0.0])
    for frame in poses:
        for _, _, track, joint, _, _, score, visible, _ in rows(frame):
            total = sums[track, joint]
            total[0] += 1
            total[1] += visible
            total[2] += score
    table = [
        [str(track), joint, str(count), f"{100 * seen / count:.0f}", f"{score / count:.2f}"]
        for (track, joint), (count, seen, score) in sums.items()
    ]
    return table, len({track for track, _ in sums})
