"""The python blocks of seed 000, taken from its text; what it leaves open is completed visibly."""

import pytest
from support import seeds

from qfnb import Dataset, DeployConfig, LLMFinetune, TrainConfig

NAME = "000-model.md"
CONSTRUCT, OUTPUT, INFERENCE, EVALUATION, DEPLOY = range(5)
ROWS = [
    {"prompt": f"{before}{ask}", "response": answer}
    for ask, answer in {"几点开门": "早上九点。", "在哪里": "河边路三号。"}.items()
    for before in ("", "请问", "你好，", "想知道", "麻烦问下")
]


@pytest.fixture(scope="module")
def trainer(mode):
    return LLMFinetune("ERNIE-Speed-8K", Dataset(ROWS, name="seed"), TrainConfig(epoch=1)).run()


@pytest.fixture(scope="module")
def run(trainer):
    """Run a block with its placeholders filled; return what it leaves."""
    version = trainer.output["model_version_id"]
    dataset = trainer.output["datasets"][0]["id"]

    def act(number, changes=None):
        blocks = seeds.python_blocks(NAME)
        assert len(blocks) == 5
        code = blocks[number].replace("from qianfan", "from qfnb")
        longest = {"amv-xxx" if "amv-xxx" in code else "amv-xx": version}
        longest |= {"ds-xxx" if "ds-xxx" in code else "ds-xx": dataset}
        replacements = {old: new for old, new in longest.items() if old in code}
        # the seed does not import the second
        space = {"trainer": trainer, "DeployConfig": DeployConfig}
        seeds.run_block(seeds.fill_placeholders(code, replacements | (changes or {})), space)
        return space

    return act


def test_a_model_is_made_from_a_version(sandbox, run, trainer):
    assert run(CONSTRUCT)["m"].id == trainer.output["model_version_id"]


def test_a_model_comes_out_of_a_trainer(sandbox, run, trainer):
    assert run(OUTPUT, {"trainer.run()": "trainer"})["m"] is trainer.output["model"]


def test_a_model_answers_a_dataset_on_the_platform(sandbox, run, trainer):
    space = run(INFERENCE, {"m.batch_inference": "answers = m.batch_inference"})
    rows = space["answers"].list()
    assert [row["prompt"] for row in rows] == [row["prompt"] for row in ROWS]
    assert [row["expected_output"] for row in rows] == [row["response"] for row in ROWS]
    assert rows[1]["llm_output"] == "早上九点。"


def test_a_model_is_deployed_and_asked(sandbox, run):
    space = run(DEPLOY, {'problem="your problem"': 'problem="请问几点开门"'})
    assert space["sft_chat_resp"]["result"] == "早上九点。"


def test_a_model_is_evaluated_on_the_platform(sandbox, run, trainer):
    fixed_block = {
        # begun twice, closed once
        "em = EvaluationManager(qianfan_evaluators=qianfan_evaluators\n": "",
        "    # local_evaluators=[...]\n)\n)": "    # local_evaluators=[...]\n)",
    }
    result = run(EVALUATION, fixed_block)["result"]
    (metrics,) = result.metrics.values()
    assert metrics["accuracy"] == 1
    assert len(result.samples) == len(ROWS)
    assert result.samples["rouge_l"].min() == 1
