"""Functions of Keras operations as ONNX graphs: a converter for each backend that has one."""
