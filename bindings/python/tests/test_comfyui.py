# SPDX-License-Identifier: Apache-2.0
"""The ComfyUI node, with NumPy arrays in place of tensors where PyTorch is not installed."""
import enlarge_node
import numpy


class Tensor(numpy.ndarray):
    def new_empty(self, shape):
        return numpy.empty(shape, self.dtype)


def test_the_node_enlarges_a_batch(engine):
    kinds = enlarge_node.EnlargeUpscale.INPUT_TYPES()["required"]
    assert "swift-x2" in kinds["model"][0] and "cpu" in kinds["device"][0]
    random = numpy.random.default_rng(3)
    batch = random.random((2, 10, 12, 3), numpy.float32).view(Tensor)
    node = enlarge_node.NODE_CLASS_MAPPINGS["EnlargeUpscale"]()
    (big,) = getattr(node, node.FUNCTION)(batch, "swift-x2", 0.0, "cpu", "fp32")
    assert big.shape == (2, 20, 24, 3) and big.min() >= 0 and big.max() <= 1
    for one, small in zip(big, batch):
        assert numpy.array_equal(one, engine.upscale(numpy.asarray(small)).clip(0, 1))
    (other,) = node.upscale(batch, "swift-x2", 1.5, "cpu", "fp32")
    assert other.shape == (2, 15, 18, 3)
