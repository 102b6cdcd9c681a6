"""Reports on made-up answers."""

from qfnb.evaluation.report import EvaluationResult, Sample

EVIL = "<img src=x onerror=alert(1)>\x1b[31m"


def build_report(scores, *, metrics=("m",), texts="", cost=None, seconds=None, **fields):
    """A report: for each model its scores, on every metric the same; None for a row that failed.

    `cost` and `seconds` are of one answer by model.
    """
    samples = tuple(
        Sample(
            model,
            n,
            f"q{n}{texts}",
            "right",
            "" if value is None else f"{model} {n}{texts}",
            {} if value is None else dict.fromkeys(metrics, value),
            error="gone" if value is None else "",
            cost=(cost or {}).get(model),
            seconds=(seconds or {}).get(model),
        )
        for model, values in scores.items()
        for n, value in enumerate(values)
    )
    return EvaluationResult(samples, tuple(scores), tuple(metrics), **fields)


class FixedModel:
    """A model that gives these answers; an exception is a question that failed."""

    def __init__(self, label, answers):
        self.label = label
        self.answers = answers

    def get_res(self):
        return self

    def batch_do(self, messages_list, worker_num=None):
        return self

    def results(self):
        return [
            answer if isinstance(answer, Exception) else {"result": answer}
            for answer in self.answers
        ]
