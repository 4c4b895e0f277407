"""What an image transformer owes its users."""

from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from skuad.io import ImageSequence
from skuad.io._images import Images
from skuad.utils._param_validation import _fit_context
from skuad.utils._typing import Array, ImagesLike, TargetsLike
from skuad.utils._validation import good_images, validate_images

if TYPE_CHECKING:
    from typing_extensions import Self


class ImageEstimator(TransformerMixin, BaseEstimator):
    """Tags and output of an estimator whose samples are images."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        return tags

    def set_output(self, *, transform: Literal["default"] | None = None) -> "Self":
        """Accept the default container; images and maps are no data frames.

        Parameters
        ----------
        transform : {"default"} or None, default=None
            The only container there is.

        Returns
        -------
        self : estimator
        """
        if transform not in (None, "default"):
            raise ValueError(
                f"{type(self).__name__} gives images or maps, which do not fit into "
                f"{transform!r}: only transform='default' is supported"
            )
        return self


def as_taken_by(estimator: Any, X: ImagesLike | Images) -> ImagesLike | Images:
    """Give images as they are, with their numbers for messages, or to others plainly.

    Parameters
    ----------
    estimator : estimator
        What they are given to: of ours, a pipeline of ours, or of another library.
    X : images or Images

    Returns
    -------
    X : images or Images
        For another library, the container that the images came in.
    """
    if not isinstance(X, Images):
        return X
    parts = list(estimator) if isinstance(estimator, Pipeline) else [estimator]
    if all(isinstance(part, ImageEstimator) for part in parts):
        return X
    container: ImagesLike = X.data
    return container


class ImageTransformer(ImageEstimator):
    """Base of transformers from one image to one image (or whatever else).

    A subclass writes ``_transform_image(image)`` on an (H, W, C) array. One that learns
    also writes ``_fit_images(images)`` and sets the tag ``requires_fit``.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ImagesLike, y: TargetsLike = None) -> "Self":
        """Check the parameters, and learn from the good images if there is a need.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.
        y : None, array-like of {1, -1} or masks, default=None
            Images that it marks as anomalous are left out.

        Returns
        -------
        self : estimator
        """
        images = validate_images(self, X, reset=True)
        if get_tags(self).requires_fit:
            images, _ = good_images(images, y)
            self._fit_images(images)
        return self

    def transform(self, X: ImagesLike) -> Array | list[Any] | ImageSequence:
        """Transform every image.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Returns
        -------
        images
            In the container of X. Paths and lazy sequences give an
            `skuad.io.ImageSequence`, which transforms an image when it is accessed.
        """
        if get_tags(self).requires_fit:
            check_is_fitted(self)
        else:
            self._validate_params()
        images = validate_images(self, X, reset=False)
        return images.map(copy(self)._transform_image)
