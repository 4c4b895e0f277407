"""PatchCore's score of an image: the farthest patch, weighted by where it is far from."""

import numpy as np

from skuad.neighbors._exact import nearest_neighbors
from skuad.utils._typing import FloatArray


def reweighted_distance(
    query: FloatArray, nearest: int, bank: FloatArray, *, n_neighbors: int = 9
) -> float:
    """Distance of a row to its nearest bank row, weighted by that row's surroundings.

    Equation 7 of [1]_: ``d * (1 - exp(d) / sum(exp(d_b)))``, where d_b are the distances
    of the row to the nearest neighbours of its nearest bank row, that row included. A row
    that is as far from all of them counts more than one that is far from a lone row.

    Parameters
    ----------
    query : ndarray of shape (n_features,)
        The row.
    nearest : int
        Index of its nearest bank row.
    bank : ndarray of shape (n_bank, n_features)
        The bank.
    n_neighbors : int, default=9
        Number of bank rows that the weight looks at; no more than there are.

    Returns
    -------
    distance : float
        The plain distance if `n_neighbors` is 1.

    References
    ----------
    .. [1] K. Roth et al., "Towards Total Recall in Industrial Anomaly Detection",
       CVPR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.neighbors import reweighted_distance
    >>> bank = np.array([[0.0], [1.0], [5.0]])
    >>> round(reweighted_distance(np.array([-2.0]), 0, bank, n_neighbors=2), 3)
    1.462
    """
    n_neighbors = min(n_neighbors, len(bank))
    if n_neighbors == 1:
        return float(np.linalg.norm(query - bank[nearest]))
    _, around = nearest_neighbors(bank[nearest][None], bank, n_neighbors)
    distances = np.linalg.norm((bank[around[0]] - query).astype(np.float64), axis=1)
    distance = np.linalg.norm((query - bank[nearest]).astype(np.float64))
    # Relative to the largest, which exp may be taken of.
    largest = max(distances.max(), distance)
    weight = np.exp(distance - largest) / np.exp(distances - largest).sum()
    return float(distance * (1 - weight))
