"""Synthetic infants with labels: body, poses, fitting, scenes, rendering, annotation. Meets the rest in COCO JSON."""
