"""Tables in: readers, formats, splits and the embedded data set. Knows nothing of models."""

from innerview.data._arrow import ArrowTable
from innerview.data.embedded import load_embedded
from innerview.data.formats import DataFormat, Loaded, load_dataset
from innerview.data.notes import Notes
from innerview.data.readers import TABLE_SUFFIXES, read_catalogue, read_interactions
from innerview.data.splits import (
    HoldOut,
    IdSplit,
    Split,
    k_core,
    leave_one_out,
    split_ids,
)
from innerview.data.tables import Catalogue, Interactions

__all__ = [
    "TABLE_SUFFIXES",
    "ArrowTable",
    "Catalogue",
    "DataFormat",
    "HoldOut",
    "IdSplit",
    "Interactions",
    "Loaded",
    "Notes",
    "Split",
    "k_core",
    "leave_one_out",
    "load_dataset",
    "load_embedded",
    "read_catalogue",
    "read_interactions",
    "split_ids",
]
