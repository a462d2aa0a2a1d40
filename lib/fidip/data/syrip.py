"""SyRIP: unpack the published, password-protected archives safely, and check what a folder holds.

SyRIP.zip has one annotation file per variant in a sub-folder (200R, 1000S, 200R_1000S, validate100,
validate500); syrip_for_train.zip has them where the training scripts look. Both have images/<split>/.
"""

import importlib
import logging
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fidip.data.coco_json import PICTURE_SUFFIXES, annotation_path, image_folder, read_coco, staging_folder
from fidip.errors import DataError
from fidip.progress import progress
from fidip.skeleton import COCO17

Plan = dict[PurePosixPath, tuple[Path, zipfile.ZipInfo]]  # place below the root -> archive and its entry

logger = logging.getLogger("fidip")

GIGABYTE = 10**9
DEFAULT_LIMIT = 20 * GIGABYTE  # the published archives unpack to about 1 GB
MAX_RATIO = 200  # unpacked : packed size; JSON of numbers reaches about 10, a zip bomb 1000
RATIO_FROM = 1_000_000  # bytes; smaller files may be as repetitive as they like

_AES = 99  # compression type that the zip format uses for AES encryption
_WAY_OUT = "unpack it with 7-Zip into the --root folder and run this with --check-only"
_DRIVE = re.compile(r"^[A-Za-z]:")

# (real, synthetic) pictures of the published files, by split and by the sub-folder of annotations
PUBLISHED_COUNTS: dict[tuple[str, str], tuple[tuple[int, int], ...]] = {
    ("train_infant", "."): ((200, 1000),),
    ("train_infant", "200R_1000S"): ((200, 1000),),
    ("train_infant", "200R"): ((200, 0),),
    ("train_infant", "1000S"): ((0, 1000),),
    ("validate_infant", "."): ((500, 0), (100, 0)),
    ("validate_infant", "validate500"): ((500, 0),),
    ("validate_infant", "validate100"): ((100, 0),),
}
TEST_SPLIT = "validate_infant"
# variant that becomes annotations/person_keypoints_<split>.json when an archive has only variants
DEFAULT_VARIANTS = {"train_infant": "200R_1000S", TEST_SPLIT: "validate500"}


@dataclass(frozen=True)
class SplitCheck:
    """What one annotation file holds. variant: its sub-folder of annotations, '.' for the one in use."""

    split: str
    variant: str
    annotation_file: Path
    real: int = 0
    synthetic: int = 0
    persons: int = 0
    missing: tuple[str, ...] = ()  # file names of pictures that are not in images/<split>
    problem: str = ""  # why the file cannot be used at all

    @property
    def expected(self) -> tuple[tuple[int, int], ...]:
        """Published (real, synthetic) counts; empty for a split that was never published."""
        return PUBLISHED_COUNTS.get((self.split, self.variant), ())

    @property
    def as_published(self) -> bool:
        """Whether the counts are the published ones, or none are known."""
        return not self.expected or (self.real, self.synthetic) in self.expected


def unpack(
    archives: Sequence[Path],
    root: Path,
    ask_password: Callable[[Path], bytes],
    limit: float = DEFAULT_LIMIT,
    test_set: str | None = None,
) -> None:
    """Unpack annotation files and pictures of SyRIP archives into ``root``: all of them or nothing.

    ``annotations`` and ``images`` are found at any depth. Of a file that is in two archives, the later one
    wins. ask_password: called once for each archive that needs one. limit: bytes, unpacked. test_set: variant
    (validate500 or validate100) to use as validate_infant; None: the archives' own, else validate500.
    Raises DataError for an archive that is damaged, too large or tries to write outside ``root``, for a wrong
    password, and when a split is in ``root`` already.
    """
    plan = _plan(archives)
    _check_size(plan, limit)
    for unit in _units([*plan]):
        if (root / unit).exists():
            raise DataError(f"{root / unit} exists already; delete it, or choose another --root")
    with staging_folder(root) as staging:
        for archive in archives:
            _extract(
                archive, {t: info for t, (a, info) in plan.items() if a == archive}, staging, ask_password
            )
        _use_variants(staging, root, test_set)
        _move_in(staging, root)


def _plan(archives: Sequence[Path]) -> Plan:
    plan: Plan = {}
    for archive in archives:
        replaced = used = 0
        for info in _read_list(archive):
            target = _target(archive, info)
            if target is None:
                continue
            used += 1
            old = plan.get(target, (archive, info))[1]
            replaced += (old.CRC, old.file_size) != (info.CRC, info.file_size)
            plan[target] = (archive, info)
        if not used:
            raise DataError(f"{archive} holds neither annotations/*.json nor images/<split>/; is it SyRIP?")
        if replaced:
            logger.warning("%d files differ between the archives; those of %s are used", replaced, archive)
    return plan


def _read_list(archive: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.infolist()
    except FileNotFoundError as error:
        raise DataError(f"{archive} does not exist; check the path") from error
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{archive} is not a whole zip file ({error}); download it again") from error


def _target(archive: Path, info: zipfile.ZipInfo) -> PurePosixPath | None:
    """Path below the root, or None for what is not needed. Raises DataError for an unsafe entry."""
    name = info.orig_filename.replace("\\", "/")  # orig_filename is not cut at a null byte, filename is
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or _DRIVE.match(name):
        raise DataError(
            f"{archive}: entry {info.orig_filename!r} points outside the folder; do not trust this file"
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise DataError(f"{archive}: entry {name!r} is a link; do not trust this file")
    if info.is_dir() or "__MACOSX" in path.parts or path.name.startswith("."):
        return None
    for index, part in enumerate(path.parts[:-1]):
        inside = PurePosixPath(*path.parts[index:])
        if part == "annotations" and path.suffix == ".json":
            return inside
        if part == "images" and path.suffix.lower() in PICTURE_SUFFIXES and len(inside.parts) > 2:
            return inside
    return None


def _check_size(plan: Plan, limit: float) -> None:
    total = sum(info.file_size for _, info in plan.values())
    if total > limit:
        raise DataError(
            f"the archives unpack to {total / GIGABYTE:.1f} GB, more than the limit of {limit / GIGABYTE:g} GB; "
            "raise it with --limit-gb if the files are what you expect"
        )
    for archive, info in plan.values():
        ratio = info.file_size / max(info.compress_size, 1)
        if info.file_size > RATIO_FROM and ratio > MAX_RATIO:
            raise DataError(
                f"{archive}: entry {info.filename!r} unpacks to {ratio:.0f} times its size; "
                "that is no picture or label file, do not trust this archive"
            )


def _units(paths: Sequence[PurePosixPath]) -> list[PurePosixPath]:
    """What is moved as a whole: images/<split> folders and single annotation files."""
    return sorted({PurePosixPath(*path.parts[:2]) if path.parts[0] == "images" else path for path in paths})


def _extract(
    archive: Path,
    targets: dict[PurePosixPath, zipfile.ZipInfo],
    staging: Path,
    ask_password: Callable[[Path], bytes],
) -> None:
    """Write the files of one archive below ``staging``; the smallest locked one tries the password first."""
    locked = [target for target, info in targets.items() if info.flag_bits & 1]
    password = ask_password(archive) if locked else None
    trial = min(locked, key=lambda target: targets[target].file_size, default=None)
    order = sorted(targets, key=lambda target: (target != trial, target))
    with _open_archive(archive, targets) as opened:
        for target in progress(order, len(order), f"unpacking {archive.name}", "files"):
            path = staging / target
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                # a reader stops at the declared size, which was checked, so a false size cannot fill the disk
                with opened.open(targets[target].filename, pwd=password) as packed, path.open("wb") as file:
                    shutil.copyfileobj(packed, file)
            except NotImplementedError as error:
                raise DataError(f"{archive} cannot be opened by Python ({error}); {_WAY_OUT}") from error
            except OSError as error:
                raise DataError(
                    f"{archive} cannot be unpacked ({error}); check disk and permissions"
                ) from error
            except (RuntimeError, zipfile.BadZipFile, zlib.error, EOFError) as error:
                if isinstance(error, RuntimeError) or target == trial:
                    raise DataError(f"the password of {archive} is wrong, or the file is damaged") from error
                raise DataError(f"{archive} is damaged at {str(target)!r}; download it again") from error


def _open_archive(archive: Path, targets: dict[PurePosixPath, zipfile.ZipInfo]) -> Any:
    if all(info.compress_type != _AES for info in targets.values()):
        return zipfile.ZipFile(archive)
    try:
        pyzipper = importlib.import_module("pyzipper")
    except ImportError as error:
        raise DataError(
            f"{archive} is locked with AES, which Python cannot open by itself; run 'pip install pyzipper', or "
            f"{_WAY_OUT}"
        ) from error
    return pyzipper.AESZipFile(archive)


def _use_variants(staging: Path, root: Path, test_set: str | None) -> None:
    """Copy variants of label files to where the training scripts look, when asked for or nothing is there."""
    for split, variant in {**DEFAULT_VARIANTS, **({TEST_SPLIT: test_set} if test_set else {})}.items():
        target = annotation_path(staging, split)
        source = target.parent / variant / target.name
        chosen = split == TEST_SPLIT and test_set is not None
        if chosen and not source.is_file():
            raise DataError(f"the archives have no annotations/{variant}/{source.name}; leave --test-set out")
        if source.is_file() and (chosen or not target.exists()) and not annotation_path(root, split).exists():
            shutil.copyfile(source, target)
            logger.info("%s is taken from the variant %s", target.name, variant)


def _move_in(staging: Path, root: Path) -> None:
    moved: list[Path] = []
    files = [
        PurePosixPath(path.relative_to(staging).as_posix()) for path in staging.rglob("*") if path.is_file()
    ]
    try:
        for unit in _units(files):
            target = root / unit
            target.parent.mkdir(parents=True, exist_ok=True)
            (staging / unit).rename(target)
            moved.append(target)
    except OSError as error:
        for target in moved:
            shutil.rmtree(target) if target.is_dir() else target.unlink()
        raise DataError(f"cannot write to {root} ({error}); check space and permissions") from error


def check_layout(root: Path) -> list[SplitCheck]:
    """Check every annotation file below ``root``/annotations against the pictures of its split.

    Raises DataError when there is no annotation file; what is wrong with a file is told in its SplitCheck.
    """
    files = sorted((root / "annotations").rglob("person_keypoints_*.json"), key=lambda p: (len(p.parts), p))
    if not files:
        raise DataError(
            f"{root / 'annotations'} has no person_keypoints_<split>.json; unpack SyRIP there first"
        )
    return [_check_file(root, file) for file in files]


def _check_file(root: Path, file: Path) -> SplitCheck:
    split = file.stem.removeprefix("person_keypoints_")
    variant = file.parent.relative_to(root / "annotations").as_posix()
    try:
        data = read_coco(file, COCO17)
    except DataError as error:
        return SplitCheck(split, variant, file, problem=str(error))
    synthetic = sum(bool(image.get("is_synthetic")) for image in data["images"])
    folder = image_folder(root, split)
    present = (
        {path.relative_to(folder).as_posix() for path in folder.rglob("*")} if folder.is_dir() else set()
    )
    return SplitCheck(
        split=split,
        variant=variant,
        annotation_file=file,
        real=len(data["images"]) - synthetic,
        synthetic=synthetic,
        persons=len(data["annotations"]),
        missing=tuple(image["file_name"] for image in data["images"] if image["file_name"] not in present),
    )


def format_checks(checks: Sequence[SplitCheck]) -> str:
    """A table of the checks, one line a file."""
    lines = [f"{'split':<20} {'variant':<12} {'real':>6} {'synth.':>6} {'infants':>7} {'missing':>7}  remark"]
    for check in checks:
        published = " or ".join(f"{real}+{synthetic}" for real, synthetic in check.expected)
        remark = check.problem or ("" if check.as_published else f"published: {published} (real+synthetic)")
        lines.append(
            f"{check.split:<20} {check.variant:<12} {check.real:>6} {check.synthetic:>6} "
            f"{check.persons:>7} {len(check.missing):>7}  {remark}".rstrip()
        )
    return "\n".join(lines)
