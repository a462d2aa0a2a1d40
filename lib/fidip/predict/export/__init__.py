"""What was found, in the formats of other programs."""

from fidip.predict.export.coco import write_coco
from fidip.predict.export.dlc import write_dlc
from fidip.predict.export.overlay import write_overlay
from fidip.predict.export.pictures import write_pictures
from fidip.predict.export.sleap import write_sleap
from fidip.predict.export.tables import write_csv, write_parquet
from fidip.predict.export.video import write_video
from fidip.registry import Registry

__all__ = ["EXPORTS"]

# name -> (poses: PoseFile, source: Path | None, out: Path, **options) -> the files written, list[Path]
# source: what the poses were found in, a video, a picture or a folder; out: the folder to write into
EXPORTS = Registry("export")
EXPORTS.update(
    coco=write_coco,
    csv=write_csv,
    dlc=write_dlc,
    overlay=write_overlay,
    parquet=write_parquet,
    pictures=write_pictures,
    sleap=write_sleap,
    video=write_video,
)
