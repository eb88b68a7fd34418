"""One dspy row, in whatever interpreter has dspy; `peers.py` starts it as a script.

Reads a job (JSON) on stdin and writes its answers (JSON) on stdout; anything printed by dspy goes
to stderr. It knows nothing of Strop: no import of it, nor of this package, works there. Nothing is
scored on the sealed messages here; the caller does that.

dspy as it does best with this model: up to ten intents the output is a `Literal` under JSONAdapter,
so the server holds the model to the schema; beyond, the labels stand in the instructions and a
grammar holds the model to them. Requests go by the ``lm_studio/`` provider, which passes both on.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any, Literal

import dspy
import numpy as np
from dspy.clients.base_lm import GLOBAL_HISTORY

MAX_ERRORS = 10_000  # a failed call is a wrong answer, not the end


def main() -> None:
    """Do the job."""
    job = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        done = work(job)
    json.dump(done, sys.stdout)


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Answers on the sealed messages, and what they took.

    Args:
        job: ``row`` (which one), ``url``, ``key``, ``model``, ``instruction``, ``intents``,
            ``layout`` (``literal`` or ``grammar``), ``train``, ``validation`` and ``labelled``
            (pairs of text and intent), ``sealed`` (texts), ``vectors`` (a file of texts' vectors)
            and ``effort`` (calls to spend).
    """
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=False)
    few = job["layout"] == "literal"
    extra = {} if few else {"extra_body": {"grammar": grammar(job["intents"])}}
    lm = local(job, max_tokens=64, temperature=0.0, **extra)
    adapter = dspy.JSONAdapter() if few else dspy.ChatAdapter(use_json_adapter_fallback=False)
    dspy.configure(
        lm=lm, adapter=adapter, max_errors=MAX_ERRORS, num_threads=1, max_history_size=100_000
    )
    program = dspy.Predict(signature(job["instruction"], job["intents"], few=few))
    began = time.monotonic()
    program = ROWS[job["row"]](program, job)
    learning = taken(began)
    began = time.monotonic()
    answers = [answered(program, text) for text in job["sealed"]]
    return {
        "answers": answers,
        "learning": learning,
        "sealed": taken(began),
        "shown": [len(p.demos) for p in program.predictors()],
        "instructions": [p.signature.instructions for p in program.predictors()],
    }


def local(job: dict[str, Any], **settings: Any) -> dspy.LM:
    """The local server as dspy's model."""
    return dspy.LM(
        f"lm_studio/{job['model']}",
        api_base=job["url"],
        api_key=job["key"],
        cache=False,
        num_retries=0,
        **settings,
    )


def signature(instruction: str, intents: list[str], *, few: bool) -> Any:
    """Message -> intent, as a class of dspy's."""
    if few:
        kind: Any = Literal[tuple(intents)]
        fields = {"message": (str, dspy.InputField()), "intent": (kind, dspy.OutputField())}
        return dspy.Signature(fields, instruction)
    listed = f"{instruction} The intents: {', '.join(intents)}."
    return dspy.Signature("message -> intent", listed)


def grammar(intents: list[str]) -> str:
    """What ChatAdapter reads as an answer, with one of the labels in it."""
    labels = " | ".join(json.dumps(intent) for intent in intents)
    return (
        f'root ::= "[[ ## intent ## ]]\\n" label "\\n\\n[[ ## completed ## ]]"\nlabel ::= {labels}'
    )


def answered(program: dspy.Module, text: str) -> str | None:
    """The program's answer; `None` where it failed."""
    try:
        return str(program(message=text).intent)
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is missing
        print(f"no answer: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
        return None


def right(example: Any, prediction: Any, trace: object = None) -> bool:
    """dspy's metric: the same label."""
    return bool(example.intent == prediction.intent)


def zero_shot(program: dspy.Module, job: dict[str, Any]) -> dspy.Module:
    """As it is."""
    return program


def knn(program: dspy.Module, job: dict[str, Any]) -> dspy.Module:
    """The three nearest labelled messages as demonstrations, on the same vectors as everybody."""
    with np.load(job["vectors"]) as stored:
        known = dict(zip(stored["texts"].tolist(), stored["rows"], strict=True))

    def embed(texts: list[str]) -> Any:
        return np.stack([known[text.removeprefix("message: ")] for text in texts])

    optimizer = dspy.KNNFewShot(
        k=3,
        trainset=examples(job["labelled"]),
        vectorizer=dspy.Embedder(embed),
        max_bootstrapped_demos=0,
        max_labeled_demos=3,
        max_errors=MAX_ERRORS,
    )
    return optimizer.compile(program)


def bootstrap(program: dspy.Module, job: dict[str, Any]) -> dspy.Module:
    """Random search over sets of demonstrations; as many sets as the effort allows."""
    validation = examples(job["validation"])
    # It judges three sets anyway; finding demonstrations takes about the calls of a fourth.
    sets = max(1, job["effort"] // len(validation) - 4)
    optimizer = dspy.BootstrapFewShotWithRandomSearch(
        metric=right,
        num_candidate_programs=min(16, sets),
        num_threads=1,
        max_errors=MAX_ERRORS,
    )
    return optimizer.compile(program, trainset=examples(job["train"]), valset=validation)


def gepa(program: dspy.Module, job: dict[str, Any]) -> dspy.Module:
    """Instructions rewritten by the same model."""

    # It is called with two arguments, with three, and with five by position.
    def metric(
        gold: Any,
        pred: Any,
        trace: Any = None,
        name: Any = None,
        steps: Any = None,
    ) -> Any:
        good = gold.intent == pred.intent
        told = "Right." if good else f"Wrong: the intent of this message is {gold.intent}."
        return dspy.Prediction(score=float(good), feedback=told)

    optimizer = dspy.GEPA(
        metric=metric,
        max_metric_calls=job["effort"],
        reflection_lm=local(job, max_tokens=512, temperature=1.0),
        num_threads=1,
        seed=0,
    )
    return optimizer.compile(
        program, trainset=examples(job["train"]), valset=examples(job["validation"])
    )


ROWS: dict[str, Callable[[dspy.Module, dict[str, Any]], dspy.Module]] = {
    "zero": zero_shot,
    "knn": knn,
    "bootstrap": bootstrap,
    "gepa": gepa,
}


def examples(messages: list[tuple[str, str]]) -> list[Any]:
    """Labelled messages as dspy wants them."""
    return [
        dspy.Example(message=text, intent=intent).with_inputs("message")
        for text, intent in messages
    ]


def taken(began: float) -> dict[str, Any]:
    """What all models of this process were asked since the last time, and the time it took."""
    asked = list(GLOBAL_HISTORY)
    GLOBAL_HISTORY.clear()
    tokens = sum((entry.get("usage") or {}).get("total_tokens") or 0 for entry in asked)
    seconds = round(time.monotonic() - began, 1)
    return {"calls": len(asked), "tokens": tokens, "seconds": seconds}


if __name__ == "__main__":
    main()
