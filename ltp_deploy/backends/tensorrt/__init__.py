"""TensorRT and TensorRT for RTX behind one face; free of torch, and imported only when needed."""
