"""The printed manual's questions and statements, as data: what the notebooks must answer and put to the test."""

import re

TITLE = "Denoising Autoencoder for Feature Extraction on MNIST"
ANSWER_PROMPT = "*Write your answer here.*"
PREDICTION_PROMPT = "*Your prediction, in one line:*"
MARKS = 50
MODEL_ANSWER = re.compile(r"\*\*Model answer(?: \d)?\*\*")
"""What a model answer begins with: "**Model answer**", or with the number of its question."""

QUESTIONS = {
    "pre-lab-1": "What is the primary purpose of using an autoencoder for feature extraction?",
    "pre-lab-2": "How does the size of the bottleneck layer (latent space) affect the quality of features extracted "
    "by an autoencoder?",
    "pre-lab-3": "What is the role of activation functions in the context of feature extraction using autoencoders?",
    "pre-lab-4": "How does an autoencoder differ from traditional dimensionality reduction techniques like PCA when "
    "it comes to feature extraction?",
    "viva-1": "How can the features extracted by an autoencoder be used for downstream tasks?",
    "viva-2": "Discuss the trade-off between the size of the bottleneck layer and the quality of features extracted "
    "by an autoencoder.",
    "viva-3": "Can an autoencoder be used for feature extraction in non-image data? Provide an example.",
    "viva-4": "Explain the concept of unsupervised feature learning and its relevance to autoencoders.",
    "viva-5": "How does the choice of loss function impact the quality of features learned by an autoencoder?",
}

STATEMENTS = {
    "bottleneck-small": "Bottleneck size, small: better generalization.",
    "bottleneck-large": "Bottleneck size, large: richer features but risk overfitting.",
    "layers-fewer": "Hidden layers, fewer: simpler, less expressive.",
    "layers-more": "Hidden layers, more: deeper representation, higher risk of overfitting.",
    "activation-relu": "Activation: ReLU (fast).",
    "activation-leaky": "Activation: Leaky ReLU (better for dying neurons).",
    "activation-sigmoid": "Activation: Sigmoid/Tanh (vanishing gradients risk).",
    "batch-small": "Batch size, small: better generalization.",
    "batch-large": "Batch size, large: stable but may overfit.",
    "rate-high": "Learning rate, high: faster but unstable.",
    "rate-low": "Learning rate, low: slow but stable.",
    "regularization-l1": "Regularization: L1 (sparse).",
    "regularization-l2": "Regularization: L2 (prevents overfitting).",
    "regularization-dropout": "Regularization: Dropout (better generalization).",
    "result-in-lab": "The autoencoder successfully denoised images and extracted meaningful features.",
    "inference-in-lab": "Denoising autoencoders effectively enhance image quality and feature learning.",
    "result-post-lab": "Feature extraction improved with optimized hyperparameters, reducing reconstruction error "
    "significantly.",
    "inference-post-lab": "Balanced hyperparameters enhance feature quality, avoiding overfitting or underfitting.",
    "pre-lab-2": "Smaller bottleneck size forces key features; larger size retains more details but may include noise.",
    "pre-lab-3": "Activation functions add non-linearity, helping capture complex patterns.",
    "pre-lab-4": "Autoencoders handle non-linear features, while PCA is limited to linear relationships.",
}


def model_answers(source: str) -> list[str]:
    """The model answers of one cell, without what they begin with: of one question, or of several in their order."""
    return [text.strip() for text in MODEL_ANSWER.split(source) if text.strip()]
