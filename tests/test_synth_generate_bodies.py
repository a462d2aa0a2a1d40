"""The packaged bodies through the whole generator, raster mode: labels against what is drawn."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from synth_work import contents

from infantsynth.annotate import label_keypoints, person_mask, whole_mask
from infantsynth.image_set import ImageLook, ImageRecipe, Labels, Order, generate
from infantsynth.render.zbuffer import rasterise

SIZE = (160, 120)


@pytest.mark.slow
@pytest.mark.parametrize(
    "look", [ImageLook("raster", size=SIZE), ImageLook("raster", "scene", "adult", SIZE)]
)
def test_keypoints_lie_on_the_person_and_seeds_repeat(look, tmp_path):
    artist = look.artist()
    inside = seen = 0
    for seed in range(6):
        spec, picture = artist(seed)
        assert picture.shape == (SIZE[1], SIZE[0], 3) and picture.dtype == np.uint8
        buffers = rasterise(spec.camera, spec.meshes)
        outline, mask = whole_mask(spec), person_mask(spec.meshes, buffers)
        assert (outline | ~mask).all()  # what is seen of the person is inside its outline
        for x, y, visibility in label_keypoints(spec, buffers):
            row, column = np.clip([round(y), round(x)], 0, [SIZE[1] - 1, SIZE[0] - 1])
            inside += (
                visibility > 0 and outline[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3].any()
            )
            seen += visibility > 0
    assert seen > 60 and inside >= 0.97 * seen
    again = look.artist()(5)
    assert (again[1] == picture).all() and (again[0].body.keypoints == spec.body.keypoints).all()


@pytest.mark.slow
def test_two_workers_draw_the_bytes_of_one(tmp_path):
    recipe = ImageRecipe(ImageLook("raster", size=SIZE), 1, "s", Labels(depth=True, parts=True, space=True))
    from infantsynth.shards import Crew

    for workers in (1, 2):
        merged = generate(recipe, Order(tmp_path / str(workers), "s", 4, shard_size=1, crew=Crew(workers)))
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    for annotation in json.loads(merged.annotation_file.read_text())["annotations"]:
        mask = coco_mask.decode(annotation["segmentation"])
        assert mask.shape == SIZE[::-1] and mask.sum() == annotation["area"] > 100
