"""What stands in front of the camera: plain arrays that a renderer draws and the annotation reads."""
