"""Keras' three backends, TensorFlow, JAX and PyTorch, as workers and trials meet them."""
