"""Draw what stands in front of the camera, as plain arrays that renderers draw and labels are read from."""
