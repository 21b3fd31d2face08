"""Shared helpers of the denoising autoencoder lab (Experiment 13, MNIST)."""

from importlib.metadata import version

__version__ = version("dae-lab")
