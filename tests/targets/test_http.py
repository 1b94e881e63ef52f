"""A target behind an address, and all that may befall it on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from innerview import Explainer
from innerview.cli import app
from innerview.errors import BundleError, TargetQueryError
from innerview.targets import Case, Http, HttpTarget, check_bundle, load_target, save_target
from innerview.targets.http import HOSTS, KEY
from innerview.testing import (
    Reply,
    ScriptedTarget,
    answers_of,
    serving,
    serving_target,
    small_catalogue,
)

from .conftest import cases_of, random_vectors

FILMS = small_catalogue(12, noun="film")
CASES = cases_of(FILMS.ids, n=5, most=4)


def model(scale: float = 1.0) -> ScriptedTarget:
    return ScriptedTarget(random_vectors(12, 12) * scale, FILMS, max_parts=4, name="model")


def behind(url: str, *, key: str | None = None, **service: Any) -> HttpTarget:
    quick = {"url": url, "pause_s": 0.0, "tries": 3, "batch_cases": 2}
    return HttpTarget(
        Http(**{**quick, **service}), FILMS, max_parts=4, order_sensitive=False, key=key
    )


def test_scores_are_those_of_the_model_in_batches() -> None:
    with serving_target(model()) as served:
        target = behind(served.url)
        np.testing.assert_array_equal(target.score(CASES), model().score(CASES))
    assert [len(body["cases"]) for body in served.bodies] == [2, 2, 1]
    assert served.bodies[0] == {"version": 1, "cases": [list(c.parts) for c in CASES[:2]]}
    assert target.queries.used == 5


def test_columns_are_put_into_the_order_of_the_catalogue() -> None:
    def turned(body: dict[str, Any], n: int) -> Reply:
        answer: Any = answers_of(model())(body, n).body
        return Reply({key: _turned(value) for key, value in answer.items()})

    with serving(turned) as served:
        np.testing.assert_array_equal(behind(served.url).score(CASES), model().score(CASES))


def _turned(value: list[Any]) -> list[Any]:
    return [row[::-1] for row in value] if isinstance(value[0], list) else value[::-1]


def test_an_answer_of_it_is_explained() -> None:
    with serving_target(model()) as served:
        explanation = Explainer(behind(served.url, batch_cases=64))(CASES[2])
    assert explanation.claims
    assert {claim.verdict for claim in explanation.claims} == {"verified"}


def answer(**changes: Any) -> dict[str, Any]:
    return {"outcomes": list(FILMS.ids), "scores": [[0.0] * 12], **changes}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "an answer that is no JSON, 3 times in a row"),
        ("[" * 100_000, "an answer that is no JSON"),
        ([1], "an answer without outcomes and scores"),
        ({"scores": []}, "an answer without outcomes and scores"),
        (answer(outcomes="i0"), "outcomes that are no list of ids"),
        (answer(outcomes=list(range(12))), "outcomes that are no list of ids, which are strings"),
        (answer(outcomes=list(FILMS.ids[1:])), "no score of outcome 'i0'"),
        (answer(outcomes=[*FILMS.ids[1:], "i99"]), "outcome 'i99', which its catalogue does not"),
        (answer(outcomes=[*FILMS.ids, "i0"]), "an outcome twice"),
        (answer(scores=[]), "no list of 1 rows of scores"),
        (answer(scores=[[0.0] * 12] * 2), "no list of 1 rows of scores"),
        (answer(scores=[[0.0] * 11]), "a row of scores that are not 12"),
        (answer(scores=[0.0]), "a row of scores that are not 12"),
        (answer(scores=[[None] * 12]), "scores that are not all numbers"),
        (answer(scores=[["1.5"] * 12]), "scores that are not all numbers"),
        (answer(scores=[[[0.0]] * 12]), r"scores of shape \(1, 12, 1\)"),
        (answer(scores=[[[0.0], *[0.0] * 11]]), "a score that is no number"),
        (json.dumps(answer(scores=[[float("nan")] * 12])), "NaN or infinity for case 'a'"),
        (json.dumps(answer(scores=[[1e300] * 12])), "NaN or infinity for case 'a'"),
    ],
)
def test_an_answer_that_is_none_is_refused_in_one_line(body: object, message: str) -> None:
    with (
        serving(lambda *_: Reply(body)) as served,
        pytest.raises(TargetQueryError, match=message) as caught,
    ):
        behind(served.url).score([Case("a", ("i1",))])
    assert "\n" not in str(caught.value) and str(caught.value).startswith("target 'http'")


def test_what_fails_in_passing_is_asked_again() -> None:
    def failing(body: dict[str, Any], n: int) -> Reply:
        return Reply(status=503 if n else 429) if n < 2 else answers_of(model())(body, n)

    with serving(failing) as served:
        np.testing.assert_array_equal(behind(served.url).score(CASES), model().score(CASES))
    assert len(served.bodies) == 2 + 3


@pytest.mark.parametrize(
    ("reply", "sent", "message"),
    [
        (Reply(status=500), 3, "status 500, 3 times in a row; ask again later"),
        (Reply(answer(), after_s=1.0), 3, "no answer .*, 3 times in a row"),
        (Reply("x" * 2000), 3, "an answer of more than 1,000 bytes, 3 times"),
        (Reply({"error": {"message": "no\nway"}}, 403), 1, r"status 403 \(no way\); check it and"),
        (Reply("", 302, {"Location": "http://elsewhere.example/"}), 1,
         r"sends requests elsewhere \(elsewhere.example\), and nothing follows"),
    ],
)  # fmt: skip
def test_what_does_not_answer_is_named_in_one_line(reply: Reply, sent: int, message: str) -> None:
    with serving(lambda *_: reply) as served:
        with pytest.raises(TargetQueryError, match=message) as caught:
            behind(served.url, timeout_s=0.2, most_bytes=1000).score([Case("a", ("i1",))])
        assert len(served.bodies) == sent
    assert "\n" not in str(caught.value) and "127.0.0.1" in str(caught.value)


def test_requests_keep_to_their_rate() -> None:
    with serving_target(model()) as served:
        began = time.monotonic()
        behind(served.url, batch_cases=1, per_second=20.0).score(CASES)
    assert time.monotonic() - began >= 4 / 20.0


def test_a_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda *_: Reply("the key s3cret is wrong", 401)) as served:
        with pytest.raises(TargetQueryError, match="the key … is wrong") as caught:
            behind(served.url, key="s3cret").score([Case("a", ("i1",))])
        assert served.headers[0]["Authorization"] == "Bearer s3cret"
        assert "s3cret" not in str(caught.value)
        monkeypatch.setenv(KEY, "other")
        with pytest.raises(TargetQueryError):
            behind(served.url).score([Case("a", ("i1",))])
        assert served.headers[1]["Authorization"] == "Bearer other"
    with pytest.raises(TargetQueryError, match="with a character that no key has"):
        behind("http://localhost/v1", key="two words")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://localhost/",
        "http://",
        "localhost:80",
        "http://a b/",
        "http://u:s3cret@localhost/",
        "http://localhost/?k=s3cret",
    ],
)
def test_an_address_that_is_none_is_refused_unseen(url: str) -> None:
    with pytest.raises(TargetQueryError, match="no plain address of the web") as caught:
        behind(url)
    assert "s3cret" not in str(caught.value)


def test_only_hosts_that_are_named_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://scores.example:8443/v1"
    with pytest.raises(TargetQueryError, match=f"'scores.example:8443', which is not .* {HOSTS}"):
        behind(url)
    for named in ("scores.example", "scores.example:8443"):
        assert HttpTarget(url, FILMS, hosts=[named]).queries.used == 0
    for other in ("example", "x.scores.example", "scores.example:443"):
        with pytest.raises(TargetQueryError):
            HttpTarget(url, FILMS, hosts=[other])
    monkeypatch.setenv(HOSTS, "one.example, scores.example")
    behind(url)


def test_a_folder_names_the_address_and_notices_another_model(tmp_path: Path) -> None:
    living = [model()]

    def answer(body: dict[str, Any], n: int) -> Reply:
        return answers_of(living[0])(body, n)

    with serving(answer) as served:
        made = save_target(tmp_path / "t", behind(served.url))
        target = load_target(tmp_path / "t")
        np.testing.assert_array_equal(target.score(CASES), model().score(CASES))
        assert target.fingerprint == made.fingerprint
        assert check_bundle(tmp_path / "t").ok
        assert target.queries.used == len(CASES), "the record is not the user's"
        living[0] = model(scale=-1.0)
        target.score(CASES)  # compared already
        with pytest.raises(BundleError, match="is another model than the one recorded"):
            load_target(tmp_path / "t").score(CASES)
        assert "recorded scores are missed" in check_bundle(tmp_path / "t").findings[0].text
    # Nobody answers any more, and what needs no score goes on.
    silent = load_target(tmp_path / "t")
    assert silent.outcomes == FILMS and silent.fingerprint == made.fingerprint
    with pytest.raises(TargetQueryError, match="no answer"):
        silent.score(CASES)


def test_a_folder_may_not_name_a_host_that_nobody_here_has(tmp_path: Path) -> None:
    with serving_target(model()) as served:
        save_target(tmp_path / "t", behind(served.url))
    path = tmp_path / "t" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["encoder"]["url"], manifest["seal"] = "http://metadata.internal/latest", None
    path.write_text(json.dumps(manifest))
    with pytest.raises(TargetQueryError, match=r"'metadata\.internal', which is not among"):
        load_target(tmp_path / "t")
    report = check_bundle(tmp_path / "t")
    assert not report.ok and "metadata.internal" in report.findings[0].text


def test_the_command_records_and_checks(tmp_path: Path) -> None:
    rows = [f"{i},{t}" for i, t in zip(FILMS.ids, FILMS.titles, strict=True)]
    (tmp_path / "items.csv").write_text("\n".join(["item_id,title", *rows]) + "\n")
    run: Callable[..., Any] = CliRunner().invoke
    with serving_target(model()) as served:
        made = run(app, ["target", "record", served.url, "--items", str(tmp_path / "items.csv"),
                         "--out", str(tmp_path / "t"), "--order-free", "--max-parts", "4",
                         "--name", "remote"])  # fmt: skip
        assert made.exit_code == 0, made.output
        checked = run(app, ["target", "check", str(tmp_path / "t"), "--json"])
        assert checked.exit_code == 0, checked.output
        assert json.loads(checked.stdout)["ok"]
        assert load_target(tmp_path / "t").name == "remote"
