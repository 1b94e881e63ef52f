"""The exporters from a shell: what lies in a file that is no pickle, and the folder as one file.

    pack FILE.pyz     all exporters in one file, to be run or imported where the model lives
    implicit          a model that implicit has saved (``model.save("als.npz")``)
    sasrec            a SASRec's tensors in a safetensors file, named as UniRec names them

Every other library keeps its models as pickles: call ``from_...`` and ``write_bundle`` from Python,
where the model is in memory.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
import tempfile
import zipapp
from pathlib import Path
from typing import Any, Sequence

from ._bundle import write_bundle
from ._implicit import from_implicit
from ._model import ExportError, Items, Model
from ._unirec import from_sasrec_state

__all__ = ["main", "pack"]

PACKED_NAME = "innerview_export"
"""What the folder is called within the one file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 2 if something given cannot be used, in one line."""
    options = _parser().parse_args(arguments)
    try:
        print(options.run(options))
    except (ExportError, OSError) as error:
        print("error: {}".format(" ".join(str(error).split())), file=sys.stderr)
        return 2
    return 0


def pack(path: Path) -> None:
    """Put this folder into one file: ``python FILE.pyz``, or ``sys.path.insert(0, "FILE.pyz")``
    and ``import innerview_export``."""
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as place:
        inside = Path(place) / PACKED_NAME
        inside.mkdir()
        for source in sorted(here.glob("*.py")):
            shutil.copyfile(str(source), str(inside / source.name))
        start = f"import sys\nfrom {PACKED_NAME}.command import main\nsys.exit(main())\n"
        (Path(place) / "__main__.py").write_text(start, encoding="utf-8")
        zipapp.create_archive(place, str(path), interpreter="/usr/bin/env python3")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="innerview_export", description="Write a target bundle where a model lives."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    packing = commands.add_parser("pack", help="all exporters in one file to take along")
    packing.add_argument("file", type=Path)
    packing.set_defaults(run=_run_pack)
    implicit = _exporter(commands, "implicit", "a model that implicit has saved as .npz")
    implicit.add_argument("--kind", choices=("als", "bpr", "lmf"), required=True)
    implicit.add_argument("--user-ids", type=Path, help="one id a line, by row; for bpr and lmf")
    implicit.add_argument("--weight", type=float, default=1.0, help="of one event in training")
    implicit.set_defaults(run=_run_implicit)
    sasrec = _exporter(commands, "sasrec", "a SASRec's tensors as safetensors")
    sasrec.add_argument("--heads", type=int, required=True, help="attention heads")
    sasrec.add_argument(
        "--activation", default="swish", choices=("swish", "gelu", "relu", "tanh", "sigmoid")
    )
    sasrec.add_argument("--epsilon", type=float, default=1e-10, help="of the layer norms")
    sasrec.add_argument("--padding", default="left", choices=("left", "right"))
    sasrec.set_defaults(run=_run_sasrec)
    return parser


def _exporter(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text)
    parser.add_argument("--model", type=Path, required=True, help="the file")
    parser.add_argument("--ids", type=Path, required=True, help="item ids, one a line, by number")
    parser.add_argument(
        "--interactions", type=Path, required=True, help="CSV: user_id, item_id, timestamp"
    )
    parser.add_argument("--items", type=Path, help="CSV: item_id, title, attributes (a|b)")
    parser.add_argument("--noun", default="item", help="what an item is called")
    parser.add_argument("--out", type=Path, required=True, help="the folder to make")
    parser.add_argument("--overwrite", action="store_true")
    return parser


def _run_pack(options: argparse.Namespace) -> str:
    pack(options.file)
    return str(options.file)


def _run_implicit(options: argparse.Namespace) -> str:
    try:
        from implicit.cpu.als import AlternatingLeastSquares
        from implicit.cpu.bpr import BayesianPersonalizedRanking
        from implicit.cpu.lmf import LogisticMatrixFactorization
    except ImportError:
        raise ExportError("implicit is not installed here; run this where the model was") from None
    kinds: dict[str, Any] = {
        "als": AlternatingLeastSquares,
        "bpr": BayesianPersonalizedRanking,
        "lmf": LogisticMatrixFactorization,
    }
    users = None if options.user_ids is None else _lines(options.user_ids)
    model = kinds[options.kind].load(str(options.model))
    ids = _lines(options.ids)
    return _written(from_implicit(model, ids=ids, user_ids=users, weight=options.weight), options)


def _run_sasrec(options: argparse.Namespace) -> str:
    from safetensors.numpy import load_file

    state: dict[str, Any] = load_file(str(options.model))
    model = from_sasrec_state(
        state,
        ids=_lines(options.ids),
        heads=options.heads,
        activation=options.activation,
        epsilon=options.epsilon,
        padding=options.padding,
    )
    return _written(model, options)


def _written(model: Model, options: argparse.Namespace) -> str:
    items = _items(options.items, options.noun) if options.items else Items(noun=options.noun)
    manifest = write_bundle(
        options.out,
        model,
        items=items,
        histories=_histories(options.interactions),
        overwrite=options.overwrite,
    )
    told = "{}: {} {}s, encoder {}, at most {:.1e} away from the library in {} cases"
    return told.format(
        options.out,
        manifest["n_outcomes"],
        manifest["noun"],
        manifest["encoder"]["kind"],
        manifest["training"]["export_max_difference"],
        manifest["training"]["n_compared"],
    )


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def _rows(path: Path, needed: Sequence[str]) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        names = list(reader.fieldnames or [])
        missing = [name for name in needed if name not in names]
        if missing:
            raise ExportError(
                "{}: no column {!r}; found {}".format(path, missing[0], ", ".join(names))
            )
        return names, list(reader)


def _histories(path: Path) -> dict[str, list[str]]:
    """Items by user in the order of time; ties as in the file."""
    _, rows = _rows(path, ("user_id", "item_id", "timestamp"))
    events: dict[str, list[tuple[float, str]]] = {}
    for line, row in enumerate(rows, start=2):
        try:
            time = float(row["timestamp"])
        except ValueError:
            raise ExportError(
                "{}:{}: timestamp {!r} is no number".format(path, line, row["timestamp"])
            ) from None
        events.setdefault(row["user_id"], []).append((time, row["item_id"]))
    return {
        user: [item for _, item in sorted(own, key=lambda event: event[0])]
        for user, own in events.items()
    }


def _items(path: Path, noun: str) -> Items:
    names, rows = _rows(path, ("item_id", "title"))
    others = [name for name in names if name not in ("item_id", "title")]
    return Items(
        titles={row["item_id"]: row["title"] for row in rows},
        attributes={
            name: {row["item_id"]: [v for v in (row[name] or "").split("|") if v] for row in rows}
            for name in others
        },
        noun=noun,
    )
