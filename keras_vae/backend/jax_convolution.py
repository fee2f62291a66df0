"""Transposed convolutions whose gradient XLA computes fast on a CPU."""

from contextlib import contextmanager

import jax

_conv_transpose = jax.lax.conv_transpose


@contextmanager
def adjoint_gradients():
    """A context in which transposed convolutions have the gradient of the convolution they adjoin.

    With ⟨convT(x, w), g⟩ = ⟨x, conv(g, w)⟩, the gradient in w is that of an ordinary convolution.
    JAX would derive it from the dilated convolution that convT is made of, for which XLA has only
    a slow loop on a CPU: twenty times as slow, and most of a training step. Keras has no hook for
    it, so `jax.lax.conv_transpose` is replaced while a step is traced.
    """
    if jax.default_backend() == "cpu":
        jax.lax.conv_transpose = conv_transpose
    try:
        yield
    finally:
        jax.lax.conv_transpose = _conv_transpose


def conv_transpose(x, kernel, strides, padding, rhs_dilation, dimension_numbers, transpose_kernel):
    """As `jax.lax.conv_transpose`, called as Keras calls it, with another gradient."""
    sizes = (1 + (n - 1) * d for n, d in zip(kernel.shape, rhs_dilation, strict=False))
    borders = [(n - 1 - low, n - 1 - high) for n, (low, high) in zip(sizes, padding, strict=True)]

    def conv(g, kernel):
        return jax.lax.conv_general_dilated(
            g, kernel, strides, borders, None, rhs_dilation, dimension_numbers
        )

    @jax.custom_vjp
    def transposed(x, kernel):
        return _conv_transpose(
            x, kernel, strides, padding, rhs_dilation, dimension_numbers, transpose_kernel
        )

    def backward(arguments, g):
        x, kernel = arguments
        gradient_of_x, pull_back = jax.vjp(lambda kernel: conv(g, kernel), kernel)
        return gradient_of_x, *pull_back(x)

    transposed.defvjp(lambda *arguments: (transposed(*arguments), arguments), backward)
    return transposed(x, kernel)
