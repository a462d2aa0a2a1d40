"""Images and videos in, keypoints out: reading, boxes, tracking, smoothing, files that others read."""
