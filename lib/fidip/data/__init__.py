"""Data sets: readers of annotations and images, augmentation, samplers, audit."""
