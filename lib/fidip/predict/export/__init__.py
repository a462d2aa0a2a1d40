"""What was found, in the formats of other programs."""

from fidip.predict.export.coco_sleap import write_coco, write_sleap
from fidip.predict.export.overlays import write_images, write_overlay, write_video
from fidip.predict.export.tables import write_csv, write_dlc, write_parquet
from fidip.registry import Registry

__all__ = ["EXPORTS"]

# name -> (poses: PoseFile, source: Path | None, out: Path, **options) -> the files written, list[Path]
# source: what the poses were found in, a video, an image or a folder; out: the folder to write into
EXPORTS = Registry("export")
EXPORTS.update(
    coco=write_coco,
    csv=write_csv,
    dlc=write_dlc,
    overlay=write_overlay,
    parquet=write_parquet,
    pictures=write_images,
    sleap=write_sleap,
    video=write_video,
)
