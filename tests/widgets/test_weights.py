"""Arrays that a module asks for, by a model of our own in place of a kernel's."""

from __future__ import annotations

import torch

from gmlib.widgets.arrays import pack

from .node import evaluate

ASK = """
  const timers = [], said = [];
  globalThis.setTimeout = (act) => timers.push(act);
  const model = { on: (_, act) => (model.answer = act), off: () => (model.answer = null) };
  model.send = ({ id }) => (model.id = id);
  const notice = (text) => { said.push(Boolean(text)); view.shown = { textContent: text }; };
  const view = { model, notice, signal: new AbortController().signal };
  const wanted = weights(view, "law");
  if (data.late) timers.forEach((act) => act());
  model.answer({ id: model.id, ...data.content }, [new DataView(Uint8Array.from(data.bytes).buffer)]);
"""


def test_a_late_answer_is_waited_for_aloud_and_taken() -> None:
    block = pack({"x": torch.tensor([1.0, -2.5])})
    answer = {"content": {"arrays": block.arrays}, "bytes": list(bytes(block.data))}
    for late in (False, True):
        got = evaluate(
            "weights from weights",
            ASK + "return { x: [...(await wanted).x.data], said, deaf: model.answer === null };",
            late=late,
            **answer,
        )
        assert got == {"x": [1.0, -2.5], "said": [True, False] if late else [], "deaf": True}


def test_a_refusal_is_passed_on() -> None:
    body = ASK + "return wanted.catch((error) => error.message);"
    refusal = {"content": {"error": "no such law"}, "bytes": []}
    assert evaluate("weights from weights", body, late=False, **refusal) == "no such law"
