"""The two networks speakers are told by: where they lie, and how they become ONNX without PyTorch."""
