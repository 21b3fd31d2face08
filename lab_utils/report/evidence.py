"""What the course says about its own notebooks: captions of tables, what bears on a question, works that are named."""

CAPTIONS = {
    "q4-facts": "Validation MSE of PCA and the autoencoder at equal code size",
    "baselines-table": "Every denoiser on the same noisy test digits, by each score",
    "worth-facts": "What each representation of test digits is worth: shares correct, and ARI of clusters",
    "data-table": "The digits: where they are from, how they are split, their checksums",
    "space": "Six hyperparameters: the range that is searched, the base setting, the values tried one at a time",
    "study-count": "Trials of each stage of the study",
    "code-size-table": "Code size: the scores of every value, and its error against the base setting's",
    "hidden-layers-table": "Hidden layers: the scores of every value, and its error against the base setting's",
    "activation-table": "Activation: the scores of every value, and its error against the base setting's",
    "batch-size-table": "Batch size: the scores of every value, and its error against the base setting's",
    "learning-rate-table": "Learning rate: the scores of every value, and its error against the base setting's",
    "regularization-table": "Regularisation: the scores of every value, and its error against the base setting's",
    "test": "Base and chosen setting on test digits, means over seeds with 95 % intervals",
}
"""Cell id to the caption of its table, where the notebook gives none."""

EVIDENCE = {
    "pre-lab-3": ("q3-run", "q3-facts"),
    "in-lab-data": (),
    "in-lab-result": ("baselines", "denoised-facts"),
    "in-lab-analysis": ("maps",),
    "in-lab-inferences": ("labels-figure",),
    "viva-1": ("worth-facts",),
    "viva-2": ("compact-figure", "compact-facts"),
    "viva-3": (),
    "viva-4": (),
    "viva-5": (),
    "post-lab-data": ("study-count",),
    "post-lab-results": ("test", "results"),
    "post-lab-analysis": ("hidden-layers-figure", "analysis"),
    "post-lab-inferences": ("statements-reading",),
}
"""Question to the cells that bear on it: a figure or table, and its reading; else they stand just before the answer."""

PICTURE = "denoised"
"""The cell whose figure the first page shows."""

KEY = (
    "result-in-lab.denoised",
    "inference-in-lab.image",
    "inference-in-lab.features",
    "pre-lab-4.nonlinear",
    "result-post-lab.error",
)
"""Hypotheses whose effects the first page shows, as far as there are these."""
KEYS = 5

WORKS = {
    "Alain and Bengio, 2016": "G. Alain and Y. Bengio (2016). Understanding intermediate layers using linear "
    "classifier probes. arXiv:1610.01644.",
    "Baldi and Hornik": "P. Baldi and K. Hornik (1989). Neural networks and principal component analysis: learning "
    "from examples without local minima. Neural Networks 2, 53–58.",
    "Balestriero": "R. Balestriero and Y. LeCun (2024). Learning by reconstruction produces uninformative features for "
    "perception. arXiv:2402.11337.",
    "TPE": "J. Bergstra, R. Bardenet, Y. Bengio and B. Kégl (2011). Algorithms for hyper-parameter optimization. "
    "NIPS 24, 2546–2554.",
    "Bergstra and Bengio": "J. Bergstra and Y. Bengio (2012). Random search for hyper-parameter optimization. JMLR 13, "
    "281–305.",
    "Bingham and Mannila": "E. Bingham and H. Mannila (2001). Random projection in dimensionality reduction: "
    "applications to image and text data. KDD 2001, 245–250.",
    "Glorot and Bengio": "X. Glorot and Y. Bengio (2010). Understanding the difficulty of training deep feedforward "
    "neural networks. AISTATS 2010, 249–256.",
    "Golovin": "D. Golovin, B. Solnik, S. Moitra, G. Kochanski, J. Karro and D. Sculley (2017). Google Vizier: a "
    "service for black-box optimization. KDD 2017, 1487–1495.",
    "Hinton and Salakhutdinov": "G. E. Hinton and R. R. Salakhutdinov (2006). Reducing the dimensionality of data with "
    "neural networks. Science 313, 504–507.",
    "Holm, 1979": "S. Holm (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of "
    "Statistics 6, 65–70.",
    "Hubert and Arabie": "L. Hubert and P. Arabie (1985). Comparing partitions. Journal of Classification 2, 193–218.",
    "Hutter": "F. Hutter, H. Hoos and K. Leyton-Brown (2014). An efficient approach for assessing hyperparameter "
    "importance. ICML 2014, 754–762.",
    "Keskar": "N. S. Keskar, D. Mudigere, J. Nocedal, M. Smelyanskiy and P. T. P. Tang (2017). On large-batch training "
    "for deep learning: generalization gap and sharp minima. ICLR 2017.",
    "LeCun et al., 1998": "Y. LeCun, L. Bottou, Y. Bengio and P. Haffner (1998). Gradient-based learning applied to "
    "document recognition. Proceedings of the IEEE 86, 2278–2324.",
    "LeCun, C": "Y. LeCun, C. Cortes and C. J. C. Burges. The MNIST database of handwritten digits. CC BY-SA 3.0.",
    "Ronneberger": "O. Ronneberger, P. Fischer and T. Brox (2015). U-Net: convolutional networks for biomedical image "
    "segmentation. MICCAI 2015, 234–241.",
    "Shallue": "C. J. Shallue, J. Lee, J. Antognini, J. Sohl-Dickstein, R. Frostig and G. E. Dahl (2019). Measuring "
    "the effects of data parallelism on neural network training. JMLR 20, 1–49.",
    "Smyth": "G. K. Smyth (2004). Linear models and empirical Bayes methods for assessing differential expression in "
    "microarray experiments. Statistical Applications in Genetics and Molecular Biology 3.",
    "Srivastava": "N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov (2014). Dropout: a "
    "simple way to prevent neural networks from overfitting. JMLR 15, 1929–1958.",
    "Vincent": "P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio and P.-A. Manzagol (2010). Stacked denoising "
    "autoencoders: learning useful representations in a deep network with a local denoising criterion. JMLR 11, "
    "3371–3408.",
    "SSIM": "Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli (2004). Image quality assessment: from error "
    "visibility to structural similarity. IEEE Transactions on Image Processing 13, 600–612.",
}
"""Works, sorted by surnames, by a word of the notebooks' text that names them or what they introduced."""
