"""Networks in files that other programs and runtimes read: bundles, ONNX, OpenVINO."""
