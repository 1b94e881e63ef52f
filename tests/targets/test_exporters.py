"""Exporters: what they write is a bundle that answers as the library does, or they refuse."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from innerview.targets import Case, TrainingData, check_bundle, load_bundle
from innerview.targets import exporters as export
from innerview.targets.exporters.command import main, pack

FOLDER = Path(export.__file__).parent
SOURCES = sorted(FOLDER.glob("*.py"))
IDS = [f"i{row}" for row in range(24)]
LENGTH = 5


@pytest.fixture
def histories(groups: TrainingData) -> dict[str, Sequence[str]]:
    return dict(groups.train)


def vectors(n: int = 24, width: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


def scorer(encode: Callable[[np.ndarray], np.ndarray], items: np.ndarray) -> Any:
    """A library's scores, by a second formula than that of the bundle."""
    row = {item: at for at, item in enumerate(IDS)}

    def answer(cases: Sequence[export.Case]) -> np.ndarray:
        return np.stack([items @ encode(items[[row[p] for p in c.parts]]) for c in cases])

    return answer


def agrees(folder: Path, answer: Any, histories: dict[str, Sequence[str]]) -> None:
    """Scores equal those of the library, also of histories that were not in the record."""
    target = load_bundle(folder)
    assert target.manifest is not None
    longest = target.capabilities.max_parts
    cases = [Case(user, tuple(parts[-longest:])) for user, parts in histories.items()]
    order = np.argsort(target.outcomes.rows(IDS))
    expected = np.asarray(answer([export.Case(c.case_id, c.parts) for c in cases]))[:, order]
    scale = np.abs(expected).max()
    np.testing.assert_allclose(target.score(cases) / scale, expected / scale, atol=1e-4)


# -- where it runs ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_sources_are_of_python_3_8_and_know_nothing_of_innerview(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("innerview") for alias in node.names)
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert not (node.module or "").startswith("innerview")


def test_packed_file_imports_light_and_alone(tmp_path: Path) -> None:
    pack(tmp_path / "export.pyz")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import innerview_export\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(tmp_path / "export.pyz")],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "innerview_export" in loaded
    assert not loaded & {"innerview", "torch", "polars", "pyarrow", "pydantic", "scipy", "implicit"}


@pytest.mark.parametrize("through", ["pyarrow", "polars"])
def test_tables_are_read_whoever_wrote_them(
    through: str,
    tmp_path: Path,
    histories: dict[str, Sequence[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if through == "pyarrow":
        pytest.importorskip("pyarrow")
    else:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    items = export.Items(
        titles={"i0": "Alien", "i1": "Alien", "i2": ""},
        attributes={"genre": {"i0": ["Horror", "Science"]}},
        noun="film",
    )
    model = export.from_vectors(
        vectors(),
        ids=IDS,
        encoder={"kind": "mean"},
        answer=scorer(lambda y: y.mean(axis=0), vectors()),
    )
    export.write_bundle(tmp_path / "b", model, items=items, histories=histories)
    outcomes = load_bundle(tmp_path / "b").outcomes
    assert outcomes.titles[:4] == ("Alien [i0]", "Alien [i1]", "i2", "i3")
    assert outcomes.attributes["genre"][:2] == (("Horror", "Science"), ())
    assert outcomes.noun == "film"


# -- closed forms -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoder", "encode"),
    [
        ({"kind": "mean"}, lambda y: y.mean(axis=0)),
        ({"kind": "sum"}, lambda y: y.sum(axis=0)),
        (
            {"kind": "als_fold_in", "alpha": 3.0, "regularization": 0.5},
            lambda y: np.linalg.lstsq(
                vectors().T @ vectors() + 0.5 * np.eye(4) + 2.0 * y.T @ y,
                3.0 * y.sum(axis=0),
                rcond=None,
            )[0],
        ),
    ],
    ids=["mean", "sum", "als"],
)
def test_closed_forms_agree(
    encoder: dict[str, Any],
    encode: Callable[[np.ndarray], np.ndarray],
    tmp_path: Path,
    histories: dict[str, Sequence[str]],
) -> None:
    answer = scorer(encode, vectors())
    model = export.from_vectors(vectors(), ids=IDS, encoder=encoder, answer=answer, max_parts=3)
    manifest = export.write_bundle(tmp_path / "b", model, histories=histories)
    assert manifest["training"]["export_max_difference"] < 1e-5
    agrees(tmp_path / "b", answer, histories)
    assert check_bundle(tmp_path / "b").ok


def test_item_item_matrix_may_be_sparse(
    tmp_path: Path, histories: dict[str, Sequence[str]]
) -> None:
    matrix = sparse.random(24, 24, density=0.3, random_state=0, dtype=np.float32).tocsr()
    row = {item: at for at, item in enumerate(IDS)}

    def answer(cases: Sequence[export.Case]) -> np.ndarray:
        return np.stack([matrix[[row[p] for p in c.parts]].toarray().sum(axis=0) for c in cases])

    model = export.from_item_item(matrix, ids=IDS, answer=answer)
    export.write_bundle(tmp_path / "b", model, histories=histories)
    agrees(tmp_path / "b", answer, histories)
    assert not load_bundle(tmp_path / "b").capabilities.vectors


@pytest.mark.parametrize("with_biases", [False, True])
def test_static_model_keeps_its_users_and_its_biases(
    with_biases: bool, tmp_path: Path, histories: dict[str, Sequence[str]]
) -> None:
    users, items = vectors(60, seed=1), vectors()
    of_user = vectors(60, 1, seed=2)[:, 0] * with_biases
    of_item = vectors(24, 1, seed=3)[:, 0] * with_biases
    known = list(histories)

    def score_user(user: str) -> np.ndarray:
        at = known.index(user)
        return users[at] @ items.T + of_user[at] + of_item + 3.0 * with_biases

    model = export.from_static(users, items, user_ids=known, ids=IDS, score_user=score_user)
    export.write_bundle(tmp_path / "b", model, histories=histories)
    target = load_bundle(tmp_path / "b")
    assert not target.capabilities.rescoring
    assert target.outcome_vectors.shape[1] == 4 + 2 * with_biases
    case = target.contents.cases[7]
    np.testing.assert_allclose(target.score([case])[0], score_user(case.case_id), atol=1e-4)


# -- libraries at hand --------------------------------------------------------------------------


def events(histories: dict[str, Sequence[str]]) -> sparse.csr_matrix:
    row = {item: at for at, item in enumerate(IDS)}
    users = [at for at, parts in enumerate(histories.values()) for _ in parts]
    items = [row[part] for parts in histories.values() for part in parts]
    shape = (len(histories), len(IDS))
    return sparse.csr_matrix((np.ones(len(users), np.float32), (users, items)), shape=shape)


@pytest.mark.filterwarnings("ignore:OpenBLAS")
def test_implicit_als_folds_in_exactly(tmp_path: Path, histories: dict[str, Sequence[str]]) -> None:
    als = pytest.importorskip("implicit.cpu.als")
    model = als.AlternatingLeastSquares(
        factors=4, alpha=5.0, iterations=3, num_threads=1, random_state=0
    )
    model.fit(events(histories), show_progress=False)
    exported = export.from_implicit(model, ids=IDS, max_parts=3)
    export.write_bundle(tmp_path / "b", exported, histories=histories)

    def recommended(cases: Sequence[export.Case]) -> np.ndarray:
        rows = events({case.case_id: case.parts for case in cases})
        found, scores = model.recommend(
            np.arange(len(cases)),
            rows,
            N=len(IDS),
            filter_already_liked_items=False,
            recalculate_user=True,
        )
        out = np.zeros((len(cases), len(IDS)), dtype=np.float32)
        np.put_along_axis(out, found.astype(np.int64), scores, axis=1)
        return out

    agrees(tmp_path / "b", recommended, histories)


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [
        ("implicit.cpu.bpr", "BayesianPersonalizedRanking", 1),
        ("implicit.cpu.lmf", "LogisticMatrixFactorization", 2),
    ],
)
@pytest.mark.filterwarnings("ignore:OpenBLAS")
def test_implicit_bias_columns_are_kept(
    module: str, name: str, extra: int, tmp_path: Path, histories: dict[str, Sequence[str]]
) -> None:
    made = getattr(pytest.importorskip(module), name)
    model = made(factors=4, iterations=5, num_threads=1, random_state=0)
    model.fit(events(histories), show_progress=False)
    with pytest.raises(export.ExportError, match="pass user_ids"):
        export.from_implicit(model, ids=IDS)
    exported = export.from_implicit(model, ids=IDS, user_ids=list(histories))
    export.write_bundle(tmp_path / "b", exported, histories=histories)
    target = load_bundle(tmp_path / "b")
    assert target.outcome_vectors.shape[1] == 4 + extra


@pytest.fixture(scope="module")
def rectools_data(groups: TrainingData) -> Any:
    pd, dataset = pytest.importorskip("pandas"), pytest.importorskip("rectools.dataset")
    rows = [(u, i, at, 1.0) for u, items in groups.train.items() for at, i in enumerate(items)]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "datetime", "weight"])
    frame["datetime"] = pd.to_datetime(frame["datetime"], unit="s")
    return dataset.Dataset.construct(frame)


@pytest.mark.parametrize("name", ["EASEModel", "PureSVDModel"])
def test_rectools_matrix_models(
    name: str, rectools_data: Any, tmp_path: Path, histories: dict[str, Sequence[str]]
) -> None:
    options = {"EASEModel": {"regularization": 5.0}, "PureSVDModel": {"factors": 4}}[name]
    model = getattr(pytest.importorskip("rectools.models"), name)(**options)
    model.fit(rectools_data)
    exported = export.from_rectools(model, dataset=rectools_data)
    manifest = export.write_bundle(tmp_path / "b", exported, histories=histories)
    assert manifest["encoder"]["kind"] == {"EASEModel": "item_item", "PureSVDModel": "sum"}[name]
    assert check_bundle(tmp_path / "b").ok


@pytest.mark.parametrize("name", ["SASRecModel", "BERT4RecModel"])
def test_rectools_sessions(
    name: str, rectools_data: Any, tmp_path: Path, histories: dict[str, Sequence[str]]
) -> None:
    lightning = pytest.importorskip("pytorch_lightning")
    net = pytest.importorskip("rectools.models.nn.item_net").IdEmbeddingsItemNet
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    model = getattr(pytest.importorskip("rectools.models"), name)(
        n_blocks=1,
        n_heads=1,
        n_factors=8,
        session_max_len=LENGTH,
        item_net_block_types=(net,),
        get_trainer_func=lambda: trainer,
        recommend_torch_device="cpu",
    )
    model.fit(rectools_data)
    exported = export.from_rectools(model)
    export.write_bundle(tmp_path / "b", exported, histories=histories)
    target = load_bundle(tmp_path / "b")
    assert target.capabilities.order_sensitive
    assert target.capabilities.max_parts == LENGTH - (name == "BERT4RecModel")


# -- torch --------------------------------------------------------------------------------------


class Reader(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.items = torch.nn.Embedding(len(IDS) + 1, 8, padding_idx=0)
        self.reader = torch.nn.GRU(8, 8, batch_first=True)

    def forward(self, parts: torch.Tensor) -> torch.Tensor:
        return self.reader(self.items(parts))[0][:, -1, :]

    def scores(self, parts: torch.Tensor) -> torch.Tensor:
        return self(parts) @ self.items.weight[1:].T


@pytest.mark.parametrize("exporter", ["newer", "older"])
def test_any_torch_module(
    exporter: str,
    tmp_path: Path,
    histories: dict[str, Sequence[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if exporter == "older":  # needs no onnxscript, and is all that older versions of torch have
        monkeypatch.setitem(sys.modules, "onnxscript", None)
    model = Reader().eval()
    exported = export.from_torch(
        model, model.items.weight[1:], ids=IDS, session_length=LENGTH, scores=model.scores
    )
    export.write_bundle(tmp_path / "b", exported, histories=histories)

    def answer(cases: Sequence[export.Case]) -> np.ndarray:
        parts = torch.zeros((len(cases), LENGTH), dtype=torch.int64)
        for row, case in zip(parts, cases, strict=True):
            row[LENGTH - len(case.parts) :] = torch.tensor([IDS.index(p) + 1 for p in case.parts])
        with torch.no_grad():
            return model.scores(parts).numpy()

    agrees(tmp_path / "b", answer, histories)
    with pytest.raises(export.ExportError, match="training mode"):
        export.from_torch(model.train(), model.items.weight[1:], ids=IDS, session_length=LENGTH)


def sasrec_state(padding: str) -> tuple[dict[str, torch.Tensor], torch.nn.Module]:
    """Tensors named as UniRec names them, and torch's own layer with the same weights."""
    torch.manual_seed(3)
    width = 8
    layer = torch.nn.TransformerEncoderLayer(
        width, nhead=2, dim_feedforward=16, activation="gelu", batch_first=True
    ).eval()
    inside = "trm_encoder.layer.0."
    state = {
        "item_embedding.weight": torch.randn(len(IDS) + 1, width),
        "position_embedding.weight": torch.randn(LENGTH + (padding == "left"), width),
        "LayerNorm.weight": torch.rand(width) + 0.5,
        "LayerNorm.bias": torch.randn(width),
    }
    query, key, value = layer.self_attn.in_proj_weight.chunk(3)
    biases = layer.self_attn.in_proj_bias.chunk(3)
    for name, weight, bias in zip(
        ("query", "key", "value"), (query, key, value), biases, strict=True
    ):
        state[f"{inside}multi_head_attention.{name}.weight"] = weight
        state[f"{inside}multi_head_attention.{name}.bias"] = bias
    for name, part in (
        ("multi_head_attention.dense", layer.self_attn.out_proj),
        ("multi_head_attention.LayerNorm", layer.norm1),
        ("feed_forward.dense_1", layer.linear1),
        ("feed_forward.dense_2", layer.linear2),
        ("feed_forward.LayerNorm", layer.norm2),
    ):
        state[f"{inside}{name}.weight"], state[f"{inside}{name}.bias"] = part.weight, part.bias
    return {name: tensor.detach().clone() for name, tensor in state.items()}, layer


@pytest.mark.parametrize("padding", ["left", "right"])
def test_sasrec_state_equals_torch_s_own_layer(
    padding: str, tmp_path: Path, histories: dict[str, Sequence[str]]
) -> None:
    state, layer = sasrec_state(padding)

    def scores(parts: torch.Tensor) -> torch.Tensor:
        """One history at a time, without any padding."""
        rows = []
        for row in parts:
            seen = row[row > 0]
            n = len(seen)
            places = slice(LENGTH - n, LENGTH) if padding == "left" else slice(0, n)
            x = state["item_embedding.weight"][seen]
            x = x + state["position_embedding.weight"][:LENGTH][places]
            x = torch.nn.functional.layer_norm(
                x, (8,), state["LayerNorm.weight"], state["LayerNorm.bias"], 1e-5
            )
            mask = torch.nn.Transformer.generate_square_subsequent_mask(n)
            x = layer(x[None], src_mask=mask)[0, -1]
            rows.append(x @ state["item_embedding.weight"][1:].T)
        return torch.stack(rows)

    model = export.from_sasrec_state(
        state, ids=IDS, heads=2, activation="gelu", epsilon=1e-5, padding=padding, scores=scores
    )
    manifest = export.write_bundle(tmp_path / "b", model, histories=histories)
    assert manifest["training"]["export_max_difference"] < 1e-5
    assert check_bundle(tmp_path / "b").ok


# -- refused ------------------------------------------------------------------------------------


def refused(tmp_path: Path, histories: dict[str, Sequence[str]], **changes: Any) -> str:
    """The one line with which an export of a mean-of-parts model is refused."""
    answer = scorer(lambda y: y.mean(axis=0), vectors())
    standard = {"vectors": vectors(), "ids": IDS, "encoder": {"kind": "mean"}, "answer": answer}
    given = {**standard, **changes}
    with pytest.raises(export.ExportError) as caught:
        model = export.from_vectors(given.pop("vectors"), **given)
        export.write_bundle(tmp_path / "b", model, histories=histories)
    assert not (tmp_path / "b").exists()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_does_not_agree_is_refused(
    tmp_path: Path, histories: dict[str, Sequence[str]]
) -> None:
    assert "not of that form" in refused(tmp_path, histories, encoder={"kind": "sum"})
    shifted = IDS[1:] + IDS[:1]
    assert "away from the library" in refused(tmp_path, histories, vectors=vectors(), ids=shifted)
    spoiled = vectors()
    spoiled[5, 1] = np.nan
    assert "row 5" in refused(tmp_path, histories, vectors=spoiled)
    assert "stands for two items" in refused(tmp_path, histories, ids=[*IDS[:-1], "i0"])
    assert "24 vectors for 23 item ids" in refused(tmp_path, histories, ids=IDS[:-1])
    assert "no history can be asked" in refused(tmp_path, {"u": ["unknown"]})
    narrow = {"answer": lambda cases: np.zeros((len(cases), 3))}
    assert "expected" in refused(tmp_path, histories, **narrow)


def test_folder_that_exists_is_replaced_only_when_asked(
    tmp_path: Path, histories: dict[str, Sequence[str]]
) -> None:
    answer = scorer(lambda y: y.mean(axis=0), vectors())
    model = export.from_vectors(vectors(), ids=IDS, encoder={"kind": "mean"}, answer=answer)
    export.write_bundle(tmp_path / "b", model, histories=histories)
    with pytest.raises(export.ExportError, match="exists already"):
        export.write_bundle(tmp_path / "b", model, histories=histories)
    export.write_bundle(tmp_path / "b", model, histories=histories, overwrite=True)
    assert load_bundle(tmp_path / "b").name == "vectors"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


# -- the command --------------------------------------------------------------------------------


def test_command_exports_what_lies_in_a_file(
    tmp_path: Path, histories: dict[str, Sequence[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.torch import save_file

    state, _ = sasrec_state("left")
    save_file(state, tmp_path / "sasrec.safetensors")
    (tmp_path / "ids").write_text("".join(f"{item}\n" for item in IDS), encoding="utf-8")
    lines = [f"{u},{i},{at}" for u, parts in histories.items() for at, i in enumerate(parts)]
    events = tmp_path / "events.csv"
    events.write_text("\n".join(["user_id,item_id,timestamp", *lines]), encoding="utf-8")
    items = tmp_path / "items.csv"
    items.write_text("item_id,title,genre\ni0,Alien,Horror|Science\n", encoding="utf-8")
    command = ["sasrec", "--model", str(tmp_path / "sasrec.safetensors"), "--heads", "2"]
    command += ["--activation", "gelu", "--epsilon", "1e-5", "--ids", str(tmp_path / "ids")]
    command += ["--interactions", str(events), "--items", str(items), "--noun", "film"]
    command += ["--out", str(tmp_path / "b")]
    assert main(command) == 0
    assert "24 films, encoder onnx" in capsys.readouterr().out
    assert load_bundle(tmp_path / "b").outcomes.values("i0", "genre") == ("Horror", "Science")
    assert main(command) == 2
    assert "exists already" in capsys.readouterr().err
    events.write_text("user,item_id,timestamp\na,i0,1\n", encoding="utf-8")
    assert main(command) == 2
    assert "no column 'user_id'" in capsys.readouterr().err


def test_command_runs_as_module_and_as_one_file(tmp_path: Path) -> None:
    packed = tmp_path / "export.pyz"
    command = [sys.executable, "-W", "error", "-m", "innerview.targets.export", "pack", str(packed)]
    subprocess.run(command, check=True)
    for start in ([str(packed)], ["-m", "innerview.targets.exporters"]):
        done = subprocess.run(
            [sys.executable, *start, "--help"], capture_output=True, text=True, check=True
        )
        assert "sasrec" in done.stdout


def test_manifest_is_sealed(tmp_path: Path, histories: dict[str, Sequence[str]]) -> None:
    answer = scorer(lambda y: y.mean(axis=0), vectors())
    model = export.from_vectors(vectors(), ids=IDS, encoder={"kind": "mean"}, answer=answer)
    export.write_bundle(tmp_path / "b", model, histories=histories)
    path = tmp_path / "b" / "manifest.json"
    text = path.read_text(encoding="utf-8")
    assert json.loads(text)["libraries"]["numpy"] == np.__version__
    path.write_text(text.replace('"vectors"', '"others"', 1), encoding="utf-8")
    assert "changed since it was written" in check_bundle(tmp_path / "b").findings[0].text
