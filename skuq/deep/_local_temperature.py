"""A temperature for each pixel of a segmented image."""

from skuq.deep._map_scaler import MapTemperatureScaler


class LocalTemperatureScaler(MapTemperatureScaler):
    """Calibrated maps ``softmax(z / T)`` with a temperature for each pixel.

    A segmentation network is surer than right at boundaries and of rare objects, and
    honest elsewhere: one temperature cannot mend both.  A small network of dilated
    convolutions learns T from the logits around each pixel and, if given, the image.
    The predicted class never changes.  Read more in the
    :doc:`User Guide </user_guide/segmentation_calibration>`.

    Parameters
    ----------
    input : {"auto", "logit", "proba"}, default="auto"
        What the scores are, resolved once in `fit` and stored as `input_`, as in
        `TemperatureScaler`.
    classes : array-like of shape (n_classes,), default=None
        The label of each score column.  None learns them from `y`.
    ignore_index : int or str, default=None
        Label of pixels that do not count, such as void ones.
    kernel_size : int, default=5
        Pixels along a side of each convolution, an odd number.
    dilation : int, default=2
        Distance of the pixels that a convolution sees: T at a pixel depends on what is
        within ``dilation * (kernel_size // 2)`` pixels of it.
    alpha : float, default=1.0
        Strength of the penalty ``alpha / 2 * sum(w**2)`` on the weights of the network,
        which is added to the mean log loss of all pixels times the number of images: it
        fades with more images, not with more pixels, of which neighbours say nearly the
        same.  0 is none.
    lr : float, default=0.01
        First learning rate of Adam, which falls to 0 along a cosine.
    max_epochs : int, default=50
        Passes over the images; 0 is temperature scaling.
    batch_size : int, default=4
        Images in a step.
    validation_fraction : float in (0, 1) or None, default=0.1
        Share of the images that tell the best epoch and are not trained on: a stretch
        of neighbours, since frames of a film are alike, of at least one image if there
        are two.  None takes all images for both.  Not used with `groups` in `fit`.
    device : str, default="cpu"
        Where to run: "cpu", "cuda", or "auto", a GPU if there is one.  Scores on a GPU
        are predicted there in any case.
    verbose : bool, default=False
        Show progress of training.
    random_state : int, RandomState instance or None, default=None
        Of the first weights, the order of the images, and the stretch held out.

    Attributes
    ----------
    temperature_ : float
        The temperature of temperature scaling, at which every pixel starts.
    module_ : skuq.nn.LocalTemperatureCalibration
        The trained network.
    history_ : ndarray of shape (n_epochs + 1,)
        Log loss of the images that tell the best epoch: at the start, and after each
        epoch.
    best_epoch_ : int
        The epoch that is kept; 0 is temperature scaling.
    loss_ : float
        Mean log loss of all images of the fit, in nats, at most that of temperature
        scaling.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    n_features_in_ : int
        Number of score columns seen in `fit`.
    n_channels_ : int
        Channels of the images seen in `fit`; 0 without images.

    Warns
    -----
    skuq.exceptions.SeparableDataWarning
        If every label has the highest score; all pixels then keep `temperature_`, as
        after the next two warnings.
    skuq.exceptions.WorseThanChanceWarning
        If uniform probabilities are best.
    skuq.exceptions.ConstantScoresWarning
        If the scores of each pixel are all equal.
    skuq.exceptions.ZeroProbabilityWarning
        If a true class was given probability 0.

    See Also
    --------
    ImageTemperatureScaler : One temperature for each image.
    skuq.calibration.TemperatureScaler : One for all.
    skuq.nn.TemperatureTree : The network.

    Notes
    -----
    The network is the authors' [1]_, with these differences from their program:

    - It gives the logarithm of T over the scalar temperature, so T is above 0 without a
      cut-off behind which nothing is learned, and training starts at temperature
      scaling instead of T = 2.  The epoch of the least log loss is kept, and the start
      if that is worse over all images of the fit.
    - The gates start at random.  Where they start at 0, as all weights of the authors',
      the four leaves stay equal for ever and the gates at one half.
    - Void pixels do not count; theirs are a class.
    - Logits and images are brought to unit scale, the border of a map is repeated
      beyond its edge, which works for any size, and the learning rate is 0.01 instead
      of 0.0001, with fewer epochs.

    T is between a hundredth and a hundred times the scalar temperature.  A void pixel
    is no target, but its scores and image are seen by the pixels around it.  Each map
    is predicted by itself: neither its batch nor its size matters.

    References
    ----------
    .. [1] Z. Ding, X. Han, P. Liu and M. Niethammer, "Local Temperature Scaling for
       Probability Calibration", ICCV 2021. https://arxiv.org/abs/2008.05105

    Examples
    --------
    The left half of each image is three times too sharp:

    >>> import numpy as np
    >>> from skuq.datasets import make_logits
    >>> from skuq.deep import LocalTemperatureScaler
    >>> logits, y = make_logits(20, 4, spatial=(32, 32), temperature=1, random_state=0)
    >>> logits[..., :16] *= 3
    >>> image = np.zeros((20, 32, 32))
    >>> image[..., :16] = 1
    >>> scaler = LocalTemperatureScaler(random_state=0).fit(logits, y, image)
    >>> T = scaler.temperature_map(logits, image)
    >>> print(f"{np.median(T[..., :16]):.1f}, {np.median(T[..., 16:]):.1f}")
    2.9, 1.0
    """

    _per_image = False
