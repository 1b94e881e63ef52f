"""Exporters that run where a model lives, and leave a target bundle for Innerview.

A model of a library becomes a ``Model`` by ``from_...``, and that a folder by ``write_bundle``::

    write_bundle("my-target", from_implicit(model, ids=item_ids), histories=histories)

Python 3.8 or newer with numpy, safetensors, and pyarrow or polars is enough; torch, onnx and
onnxscript where a case encoder is exported. Nothing here imports another part of Innerview, so the
folder works under any name: ``python -m innerview.targets.export pack`` puts it into one file to
take along.
"""

from ._arrays import from_item_item, from_static, from_vectors
from ._bundle import write_bundle
from ._cornac import from_cornac
from ._implicit import from_implicit
from ._lenskit import from_lenskit
from ._model import Case, ExportError, Items, Model
from ._recbole import from_recbole
from ._rectools import from_rectools
from ._replay import from_replay
from ._torch import from_torch
from ._unirec import from_sasrec_state, from_unirec

__all__ = [
    "Case",
    "ExportError",
    "Items",
    "Model",
    "from_cornac",
    "from_implicit",
    "from_item_item",
    "from_lenskit",
    "from_recbole",
    "from_rectools",
    "from_replay",
    "from_sasrec_state",
    "from_static",
    "from_torch",
    "from_unirec",
    "from_vectors",
    "write_bundle",
]
