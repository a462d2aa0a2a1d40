"""Render scenes: the labels' z-buffer, a fast raster mode, a path tracer, and what a camera does to an image."""
