"""Pictures that a foreign file names: where they are, and whether they have the size it says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from PIL import Image, UnidentifiedImageError

from fidip.errors import DataError

Size = tuple[int, int]

ORIENTATION = 0x0112  # EXIF tag; 1: as stored


@dataclass
class Pictures:
    """The pictures of a set. folder: where they are, or None: then nothing is looked for.

    turned: names of those that EXIF turns, which labelling tools do and reading here does not.
    """

    folder: Path | None = None
    turned: list[str] = field(default_factory=list)
    _uploads: dict[str, list[str]] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.folder is not None and not self.folder.is_dir():
            raise DataError(f"picture folder {self.folder} does not exist; check --images")

    def locate(self, candidates: Sequence[str], size: Size | None) -> tuple[str, Size]:
        """Name of a picture relative to the folder, and its (width, height) px.

        candidates: how the file may call it, best first; folders in front that are not there are left out. size: as
        labelled, or None. Raises DataError when it is not found, cannot be read, or has another size.
        """
        names = [_normalised(candidate) for candidate in candidates]
        if self.folder is None:
            if size is None:
                raise DataError(
                    f"says nothing of the size of {names[0]}: name the picture folder with --images"
                )
            return names[0], size
        found = next((n for name in names for n in _endings(name) if (self.folder / n).is_file()), None)
        if found is None:
            raise DataError(
                f"names the picture {names[0]}, which is not in {self.folder}: add it or check --images"
            )
        return found, self._checked_size(found, size)

    def uploaded(self, name: str) -> list[str]:
        """The picture, in the folder or below, that has this name after an upload; empty if there is none.

        Uploads drop folders and change names: see ``_upload_name``. Raises DataError when several have it.
        """
        if self._uploads is None:
            self._uploads = {}
            for path in sorted(self.folder.rglob("*")) if self.folder else ():
                shown = path.relative_to(self.folder or ".").as_posix()
                self._uploads.setdefault(_upload_name(path.name), []).append(shown)
        found = self._uploads.get(_upload_name(name), [])
        if len(found) > 1:
            raise DataError(
                f"names the uploaded picture {name}, which may be {found[0]} or {found[1]} of {self.folder}: upload "
                "folder after folder, and convert each with its own --images"
            )
        return found

    def _checked_size(self, name: str, labelled: Size | None) -> Size:
        path = Path(self.folder or ".") / name
        try:
            with Image.open(path) as picture:
                stored, orientation = picture.size, picture.getexif().get(ORIENTATION, 1)
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise DataError(
                f"names the picture {path}, which cannot be read ({error}): replace it"
            ) from error
        shown = stored[::-1] if orientation >= 5 else stored
        if orientation != 1:
            self.turned.append(name)
        if labelled is not None and labelled not in (stored, shown):
            raise DataError(
                f"was labelled at {labelled[0]} x {labelled[1]} px, but {path} has {stored[0]} x {stored[1]}: "
                "give the pictures that were labelled"
            )
        return labelled or shown


def _normalised(name: str) -> str:
    """A relative name with slashes. Raises DataError for one that leads out of its folder."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", ".")]
    if not parts or ".." in parts:
        raise DataError(f"names the picture {name!r}, which is no file in a folder: correct it")
    return "/".join(parts)


def _upload_name(name: str) -> str:
    """What Label Studio makes of a file's name: blanks are "_", letters, digits, "-", "_" and "." stay."""
    return re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))


def _endings(name: str) -> list[str]:
    """The name, then the name without its first folder, and so on."""
    parts = name.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]
