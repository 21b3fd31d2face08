"""Shared helpers of the denoising autoencoder lab (Experiment 13, MNIST)."""

__version__ = "1.0.0"
