"""Put finished shards together into a dataset in the published layout, and into tar files.

ROOT/annotations/person_keypoints_<split>.json
ROOT/images/<split>/train10001.jpg ...
ROOT/webdataset/<split>/<split>-00012.tar: train10601.jpg, train10601.json, train10601.depth.png, ...; the members of
a sample share a key, as WebDataset wants it
"""

import io
import json
import os
import shutil
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fidip.errors import DataError
from fidip.files import atomic_path
from fidip.progress import progress
from fidip.skeleton import COCO17
from infantsynth.shards import Record, Shard, ShardFolder

CATEGORY: Mapping[str, Any] = {
    "supercategory": "person",
    "id": 1,
    "name": "person",
    "keypoints": list(COCO17.names),
    "skeleton": [[start + 1, end + 1] for start, end in COCO17.limbs],
}
Member = tuple[str, Path | bytes]  # name in the tar, file or content


@dataclass(frozen=True)
class Merged:
    """What a merge made: the label file, its number of images, and what failed (index and problems)."""

    annotation_file: Path
    images: int
    failed: Sequence[Record]

    def summary(self) -> str:
        """Describe what was made, for people."""
        text = f"{self.images} images: {self.annotation_file}"
        if not self.failed:
            return text
        first = self.failed[0]
        return (
            f"{text}\n{len(self.failed)} could not be made, e.g. index {first['index']}: {first['problems'][-1]}; "
            "--retry-failed tries them again"
        )


def annotation_path(root: Path, split: str) -> Path:
    """Return the label file of a split."""
    return root / "annotations" / f"person_keypoints_{split}.json"


def image_folder(root: Path, split: str) -> Path:
    """Return the image folder of a split."""
    return root / "images" / split


def require_own(root: Path, split: str, store: ShardFolder) -> None:
    """Raise DataError for a split name that is no plain name, or when a split of that name is not the store's."""
    if not split or split in {".", ".."} or Path(split).name != split or "\\" in split:
        raise DataError(f"split name {split!r} must be a plain name without slashes")
    for path in (annotation_path(root, split), image_folder(root, split)):
        if path.exists() and not (store.folder / "options.json").exists():
            raise DataError(
                f"{path} exists already and no shards of it are in {store.folder}: choose another split name"
            )


def merge(
    store: ShardFolder, shards: Sequence[Shard], root: Path, split: str, info: Mapping[str, Any]
) -> Merged:
    """Bring the files of finished shards to their places and write the label file, equal bytes for equal shards.

    Files are hard links to those of the shards where the disk can do that, else copies.
    Raises DataError when a shard is missing.
    """
    records: list[Record] = []
    failed: list[Record] = []
    for shard in shards:
        content = store.content(shard)
        if content is None:
            raise DataError(
                f"shard {shard.name} in {store.folder} is not finished; give the same command again"
            )
        records += content.records
        failed += content.failed
        for name, file in store.files(shard):
            _place(file, root / name)
    path = annotation_path(root, split)
    fields = {"info": info, "licenses": [], "categories": [CATEGORY]}
    lists = {f"{kind}s": [record[kind] for record in records] for kind in ("image", "annotation")}
    _write_lines(path, fields, lists)
    return Merged(path, len(records), failed)


def _place(source: Path, target: Path) -> None:
    if target.exists() and target.samefile(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:  # another disk, or one without links
        try:
            shutil.copyfile(source, temporary)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    temporary.replace(target)


def _write_lines(path: Path, fields: Mapping[str, Any], lists: Mapping[str, Sequence[Any]]) -> None:
    """Write a JSON object with long lists, one record a line: short enough for many, and still for a pager."""

    def lines() -> Iterator[str]:
        yield "{"
        for key, value in fields.items():
            yield f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)},"
        for number, (key, records) in enumerate(lists.items()):
            texts = [json.dumps(record, allow_nan=False) for record in records]
            yield (
                f"{json.dumps(key)}: [\n"
                + ",\n".join(texts)
                + "\n]"
                + ("," if number < len(lists) - 1 else "")
            )
        yield "}"

    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines())


def pack(store: ShardFolder, shards: Sequence[Shard], root: Path, split: str) -> list[Path]:
    """Write one tar a shard, equal bytes for equal shards; one that is newer than its shard is left as it is.

    Raises DataError when a shard is missing.
    """
    return [
        _pack_one(store, shard, root, split) for shard in progress(shards, len(shards), "packing", "shards")
    ]


def _pack_one(store: ShardFolder, shard: Shard, root: Path, split: str) -> Path:
    path = root / "webdataset" / split / f"{split}-{shard.name}.tar"
    content = store.content(shard)
    if content is None:
        raise DataError(f"shard {shard.name} in {store.folder} is not finished; give the same command again")
    if path.exists() and path.stat().st_mtime > (store.folder / shard.name).stat().st_mtime:
        return path
    files: dict[str, list[Member]] = defaultdict(list)
    for name, file in store.files(shard):
        kind, key, suffix = PurePosixPath(name).parts[0], file.stem, file.suffix
        files[key].append((f"{key}{suffix}" if kind == "images" else f"{key}.{kind}{suffix}", file))
    with atomic_path(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
        for record in content.records:
            key = Path(record["image"]["file_name"]).stem
            labels = json.dumps(record, allow_nan=False).encode()
            for member in sorted([*files[key], (f"{key}.json", labels)], key=lambda m: m[0]):
                _add(tar, *member)
    return path


def _add(tar: tarfile.TarFile, name: str, source: Path | bytes) -> None:
    content = source if isinstance(source, bytes) else source.read_bytes()
    entry = tarfile.TarInfo(name)  # without time and owner, so that equal content is equal bytes
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
