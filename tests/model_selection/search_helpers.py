"""What worker processes import."""

import os

from skuad.feature_extraction import FilterBankEmbedder


class CountingEmbedder(FilterBankEmbedder):
    """Adds a letter to a file for every image that it embeds, in any process."""

    def __init__(self, stride=8, *, data_range=None, memory=None, log=None):
        super().__init__(stride, data_range=data_range, memory=memory)
        self.log = log

    def _embed(self, images):
        with open(self.log, "a") as file:
            file.write("x" * len(images))
        return super()._embed(images)

    def n_embedded(self):
        return os.path.getsize(self.log) if os.path.exists(self.log) else 0
