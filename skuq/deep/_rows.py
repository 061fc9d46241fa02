"""Samples that a loader takes a batch at a time, not one by one."""

import torch
from torch.utils.data import Dataset


class Rows(Dataset):
    """Samples and their targets, which are indexed once for each batch."""

    def __init__(self, X, y):
        self.X = X
        self.y = y

    def __len__(self):
        return len(self.X)

    def __getitem__(self, index):
        """One sample, or a batch of them."""
        return self.X[index], self.y[index]

    def __getitems__(self, indices):
        """A batch: what loaders ask for, if they can."""
        return self[torch.as_tensor(indices)]


def as_it_is(batch):
    """Collate nothing: the batch is one already."""
    return batch
