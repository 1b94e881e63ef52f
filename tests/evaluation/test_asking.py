"""A model behind an endpoint: what it is asked, what may go wrong on the way, and what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from innerview.errors import EndpointError
from innerview.evaluation.asking import Asked, Judge, Prompt
from innerview.evaluation.endpoint import Endpoint
from innerview.evaluation.rubric import Rated

from .served import Answering, Reply, said, serving

KEY = "sk-very-secret"
GOOD = {"reason": "so", "rating": 2}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def prompt(n: int = 0) -> Prompt[Rated]:
    return Prompt(({"role": "user", "content": f"question {n}"},), Rated)


def endpoint(url: str, **settings: Any) -> Endpoint:
    return Endpoint(url, "model", **{"key": KEY, "pause_s": 0.001, "tries": 3, **settings})


def asked(judge: Judge, *prompts: Prompt[Rated]) -> list[Rated | None]:
    judge.ask(prompts, at_most=100)
    return [judge.answer(one) for one in prompts]


def of_question(body: dict[str, Any]) -> int:
    return int(body["messages"][0]["content"].split()[-1])


def test_a_question_is_sent_at_temperature_0_and_held_to_its_form(tmp_path: Path) -> None:
    with serving(lambda body, n: said(GOOD)) as served:
        (answer,) = asked(Judge(endpoint(served.url + "/"), tmp_path), prompt())
    assert answer is not None and answer.rating == 2
    (body,), (headers,) = served.bodies, served.headers
    assert body["model"] == "model" and body["temperature"] == 0
    assert body["messages"] == [{"role": "user", "content": "question 0"}]
    held = body["response_format"]
    assert held["type"] == "json_schema" and held["json_schema"]["strict"] is True
    schema = held["json_schema"]["schema"]
    assert schema["additionalProperties"] is False and schema["required"] == ["reason", "rating"]
    assert schema["properties"]["rating"]["enum"] == [0, 1, 2, 3]
    assert headers["Authorization"] == f"Bearer {KEY}"


def test_without_a_key_none_is_sent(tmp_path: Path) -> None:
    with serving(lambda body, n: said(GOOD)) as served:
        asked(Judge(endpoint(served.url, key=None), tmp_path), prompt())
    assert "Authorization" not in served.headers[0]


@pytest.mark.parametrize(
    "bad",
    [
        "2",
        "not JSON",
        "",
        '{"reason": "cut of',
        f"```json\n{json.dumps(GOOD)}\n```",
        {"reason": "so", "rating": 7},
        {"reason": "so", "rating": "2"},
        {"reason": "so", "rating": True},
        {"reason": "so", "rating": 2.0},
        {"reason": "so", "rating": -1},
        {"rating": 2},
        {**GOOD, "more": 1},
        [GOOD],
    ],
)
def test_an_answer_out_of_form_is_asked_for_once_more_and_told_why(
    bad: object, tmp_path: Path
) -> None:
    with serving(lambda body, n: said(GOOD if n else bad)) as served:
        judge = Judge(endpoint(served.url), tmp_path)
        (answer,) = asked(judge, prompt())
    assert answer is not None and answer.rating == 2
    assert judge.asked == Asked(questions=1, requests=2)
    first, again, complaint = served.bodies[1]["messages"]
    assert first == served.bodies[0]["messages"][0] and again["role"] == "assistant"
    assert complaint["content"].startswith("Not in the form: ")


def test_a_question_that_is_never_answered_in_form_is_left_out_and_not_kept(
    tmp_path: Path,
) -> None:
    def answer(body: dict[str, Any], n: int) -> Reply:
        return said(GOOD) if of_question(body) else said({"rating": 7})

    with serving(answer) as served:
        judge = Judge(endpoint(served.url), tmp_path)
        none, good = asked(judge, prompt(0), prompt(1))
    assert none is None and good is not None
    assert judge.asked == Asked(questions=2, requests=4, unanswered=1)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=429, headers={"Retry-After": "0"}),
        Reply(status=429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        Reply(status=500, body="<html>"),
        Reply(status=503),
        Reply(body="no JSON"),
        Reply(body={"choices": []}),
        Reply(body=[1]),
    ],
    ids=lambda reply: f"{reply.status}-{str(reply.body)[:8]}",
)
def test_what_fails_in_passing_is_tried_again(reply: Reply, tmp_path: Path) -> None:
    with serving(lambda body, n: said(GOOD) if n else reply) as served:
        (answer,) = asked(Judge(endpoint(served.url), tmp_path), prompt())
    assert answer is not None and len(served.bodies) == 2
    assert served.bodies[0] == served.bodies[1]


def test_a_server_says_how_long_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    busy = Reply(status=429, headers={"Retry-After": "7"})
    never = Reply(status=503, headers={"Retry-After": "86400"})
    with serving(lambda body, n: [busy, never, said(GOOD)][n]) as served:
        judge = Judge(endpoint(served.url), tmp_path)
        monkeypatch.setattr(judge._connection.stopped, "wait", waits.append)
        asked(judge, prompt())
    assert waits == [7.0, 60.0]


def test_a_server_that_only_fails_ends_the_work_and_what_was_answered_is_kept(
    tmp_path: Path,
) -> None:
    def answer(body: dict[str, Any], n: int) -> Reply:
        return said(GOOD) if of_question(body) < 3 else Reply(status=500)

    prompts = [prompt(n) for n in range(6)]
    with serving(answer) as served:
        host = served.url.split("/")[2]
        failing = f"^{host}: status 500, 3 times in a row; what was answered is kept"
        with pytest.raises(EndpointError, match=failing):
            asked(Judge(endpoint(served.url, at_once=1), tmp_path), *prompts)
        assert len(served.bodies) == 6
    assert len(list(tmp_path.iterdir())) == 3
    with serving(lambda body, n: said(GOOD)) as served:
        judge = Judge(endpoint(served.url), tmp_path)
        assert all(asked(judge, *prompts))
    assert judge.asked == Asked(questions=3, from_cache=3, requests=3)
    assert sorted(map(of_question, served.bodies)) == [3, 4, 5]


def test_a_server_that_says_nothing_in_time_is_given_up(tmp_path: Path) -> None:
    with serving(lambda body, n: Reply(after_s=0.4)) as served:
        judge = Judge(endpoint(served.url, timeout_s=0.05, tries=2), tmp_path)
        with pytest.raises(EndpointError, match=r"no answer \(timed out\), 2 times in a row"):
            asked(judge, prompt())
        assert len(served.bodies) == 2


def test_nobody_there_is_said_so(tmp_path: Path) -> None:
    with serving(lambda body, n: said(GOOD)) as served:
        pass
    with pytest.raises(EndpointError, match=r"no answer .*refused"):
        asked(Judge(endpoint(served.url), tmp_path), prompt())


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_knows_no_forms_is_asked_in_words_alone(status: int, tmp_path: Path) -> None:
    refused = Reply({"error": {"message": "unknown field response_format"}}, status)

    def answer(body: dict[str, Any], n: int) -> Reply:
        return refused if "response_format" in body else said(GOOD)

    with serving(answer) as served:
        judge = Judge(endpoint(served.url, at_once=1), tmp_path)
        assert all(asked(judge, prompt(0), prompt(1)))
        again = Judge(endpoint(served.url), tmp_path)
        assert all(asked(again, prompt(0), prompt(1)))
    assert ["response_format" in body for body in served.bodies] == [True, False, False]
    assert judge.asked == Asked(questions=2, requests=3, by_words=2)
    assert again.asked == Asked(from_cache=2, by_words=2)


def test_what_was_kept_without_saying_who_held_it_still_counts(tmp_path: Path) -> None:
    with serving(lambda body, n: said(GOOD)) as served:
        asked(Judge(endpoint(served.url), tmp_path), prompt())
        (kept,) = tmp_path.iterdir()
        kept.write_text(json.dumps({"model": "model", "answer": json.dumps(GOOD)}))
        again = Judge(endpoint(served.url), tmp_path)
        assert all(asked(again, prompt()))
    assert again.asked == Asked(from_cache=1)


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refusal_ends_the_work_at_once_in_the_servers_words_and_without_the_key(
    status: int, tmp_path: Path
) -> None:
    words = {"error": {"message": f"no\nsuch \x1b[2J model for {KEY} {'x' * 999}"}}
    with serving(lambda body, n: Reply(words, status)) as served:
        with pytest.raises(EndpointError) as caught:
            asked(Judge(endpoint(served.url), tmp_path), prompt())
        assert len(served.bodies) == (2 if status == 400 else 1)
    told = str(caught.value)
    assert f"status {status} (no such [2J model for … xxx" in told and len(told) < 400
    assert "check --endpoint, --model and INNERVIEW_API_KEY" in told
    assert KEY not in told and "\x1b" not in told


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(status: int, tmp_path: Path) -> None:
    with serving(lambda body, n: said(GOOD)) as elsewhere:
        away = Reply(status=status, headers={"Location": elsewhere.url})
        with serving(lambda body, n: away) as served:
            there = elsewhere.url.split("/")[2]
            with pytest.raises(EndpointError, match=rf"sends requests elsewhere \({there}\)"):
                asked(Judge(endpoint(served.url), tmp_path), prompt())
            assert len(served.bodies) == 1
    assert not elsewhere.bodies


def test_the_same_is_never_asked_twice(tmp_path: Path) -> None:
    with serving(lambda body, n: said(GOOD)) as served:
        judge = Judge(endpoint(served.url), tmp_path)
        asked(judge, prompt(), prompt())
        asked(judge, prompt())
        again = Judge(endpoint(served.url, key=None), tmp_path)
        (answer,) = asked(again, prompt())
        assert answer is not None and answer.rating == 2
        assert len(served.bodies) == 1
        assert judge.asked == Asked(questions=1, from_cache=1, requests=1)
        assert again.asked == Asked(from_cache=1)
        asked(Judge(Endpoint(served.url, "another"), tmp_path), prompt())
        assert len(served.bodies) == 2


@pytest.mark.parametrize(
    "damaged", [b"", b"\xff", b"[]", b'{"answer": 2}', b'{"answer": "{\\"rating\\": 2}"}']
)
def test_what_is_kept_is_checked_before_it_is_believed(damaged: bytes, tmp_path: Path) -> None:
    with serving(lambda body, n: said(GOOD)) as served:
        asked(Judge(endpoint(served.url), tmp_path), prompt())
        (kept,) = tmp_path.iterdir()
        whole = kept.read_bytes()
        kept.write_bytes(damaged)
        assert all(asked(Judge(endpoint(served.url), tmp_path), prompt()))
        assert len(served.bodies) == 2
    assert kept.read_bytes() == whole


def test_nothing_is_asked_where_there_is_more_to_ask_than_is_allowed(tmp_path: Path) -> None:
    with serving(lambda body, n: said(GOOD)) as served:
        judge = Judge(endpoint(served.url), tmp_path)
        asked(judge, prompt(0))
        with pytest.raises(EndpointError, match="2 questions to ask, more than the 1 that are"):
            judge.ask([prompt(0), prompt(1), prompt(2)], at_most=1)
        assert len(served.bodies) == 1
        judge.ask([prompt(0), prompt(1)], at_most=1)


def test_the_key_is_shown_nowhere(tmp_path: Path) -> None:
    with serving(lambda body, n: said(GOOD)) as served:
        judge = Judge(endpoint(served.url), tmp_path)
        asked(judge, prompt())
    assert KEY not in repr(judge.endpoint)
    assert not any(KEY.encode() in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("localhost:8000", "no address of the web"),
        ("file:///etc/passwd", "no address of the web"),
        ("ftp://host/v1", "no address of the web"),
        ("http://", "no address of the web"),
        ("http://[::1", "no address of the web"),
        ("http://host:port/v1", "no address of the web"),
        ("http://host/v1 x", "no address of the web"),
        ("http://host/\r\nX: y", "no address of the web"),
        ("http://me:secret@host/v1", "more than host and path"),
        ("http://host/v1?key=secret", "more than host and path"),
        ("http://host/v1#secret", "more than host and path"),
    ],
)
def test_other_addresses_are_refused_and_not_repeated(url: str, told: str) -> None:
    with pytest.raises(EndpointError, match=told) as caught:
        Endpoint(url, "model")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "a b", "secret\n", "sécret"])
def test_other_keys_are_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(EndpointError, match="the key in INNERVIEW_API_KEY is empty or") as caught:
        Endpoint("http://host/v1", "model", key=key)
    assert "cret" not in str(caught.value)


def test_an_endpoint_is_called_by_its_host() -> None:
    assert Endpoint("https://api.example.org:444/v1/", "model").host == "api.example.org:444"


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    answering: Answering = lambda body, n: said(GOOD)  # noqa: E731
    with serving(answering) as served:
        judge = Judge(endpoint(served.url), tmp_path)
        judge.ask([prompt(n) for n in range(3)], at_most=3, tell=lambda *n: told.append(n))
    assert told == [(1, 3), (2, 3), (3, 3)]
