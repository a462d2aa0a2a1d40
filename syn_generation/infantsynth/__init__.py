"""Make images of synthetic infants with labels.

From the bottom up, each imports only what comes before: spec (one image as plain arrays), body, priors and poses,
appearance, render, annotate, scene, shards and dataset, image_set, turntable and motion (sets of images), overlay, fit,
commands. Labels and annotations are COCO JSON.
"""
