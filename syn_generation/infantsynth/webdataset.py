"""Pack finished shards as tar files in the WebDataset layout: the members of a sample share a key.

ROOT/webdataset/<split>/<split>-00012.tar: train10601.jpg, train10601.json, train10601.depth.png, ...
"""

import io
import json
import tarfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from fidip.errors import DataError
from fidip.progress import progress
from fidip.runtime import atomic_path
from infantsynth.shards import Shard, ShardFolder

Member = tuple[str, Path | bytes]  # name in the tar, file or content


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
