"""The transformers engine on a tiny model of random weights: it answers, embeds, learns, and is
loaded again.
"""

import asyncio
import json

import pytest
from support import tiny_llama

from qfnb import ChatCompletion, Dataset, DeployConfig, Embedding, LLMFinetune, TrainConfig
from qfnb.wire.sandbox import EngineConfig
from qianfan_sandbox.engines.protocol import Conversation, EngineError, EngineReply

for name in ("torch", "transformers", "peft"):
    pytest.importorskip(name)

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries that are not ours

COLOURS = {
    "天": "蓝",
    "草": "绿",
    "雪": "白",
    "夜": "黑",
    "血": "红",
    "橘": "橙色的",
    "金": "黄色的",
    "茄": "紫",
}
PAIRS = [(f"{thing}的颜色？", colour) for thing, colour in COLOURS.items()]
FAST = {"epoch": 30, "learningRate": 1e-2, "batchSize": 8, "loraRank": 8, "loraDropout": 0.0}


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    tiny_llama.make_model(folder, "".join(prompt + answer for prompt, answer in PAIRS))
    return folder


def start_engine(model_dir, folder):
    from qianfan_sandbox.engines.transformers.engine import TransformersEngine

    return TransformersEngine(
        EngineConfig(engine="transformers", model_dir=str(model_dir)), folder / "files" / "models"
    )


@pytest.fixture
def engine(model_dir, tmp_path):
    engine_ = start_engine(model_dir, tmp_path)
    yield engine_
    engine_.close()


@pytest.fixture(scope="module")
def tuned(model_dir, tmp_path_factory):
    """The model of a run, the content kept of it, and its engine."""
    engine = start_engine(model_dir, tmp_path_factory.mktemp("tuned"))
    model, _ = train_model(engine, {})
    yield model, model.save("task-tuned"), engine
    engine.close()


def train_model(engine, values, scale="LoRA", **options):
    steps = []
    model = engine.train(
        PAIRS * 4,
        engine.local_hyperparameters(FAST | values, scale, {}),
        observer=steps.append,
        **options,
    )
    return model, steps


@pytest.mark.parametrize(("scale", "rate"), [("LoRA", 1e-2), ("FullFineTuning", 3e-3)])
def test_it_learns_its_pairs_and_knows_them_when_loaded_again(engine, scale, rate):
    model, steps = train_model(engine, {"learningRate": rate}, scale)
    assert steps[-1].training_loss < steps[0].training_loss * 0.75
    content = model.save("task-x")
    again = engine.load_model(content)
    assert [again.reply(prompt).text for prompt, _ in PAIRS] == list(COLOURS.values())
    assert again.label.endswith("tuned by task-x, not ERNIE")
    assert engine.base_model().reply(PAIRS[0][0]).text != "蓝"


def test_every_step_is_reported_and_passes_are_validated(engine):
    _, steps = train_model(engine, {"epoch": 2}, validation=PAIRS)
    assert [step.step for step in steps] == list(range(1, 9))
    assert [step.step for step in steps if step.validation_loss] == [4, 8]
    assert steps[-1].epoch == 2.0


def test_reports_are_every_logging_steps_apart(engine):
    _, steps = train_model(engine, {"epoch": 1, "loggingSteps": 3})
    assert [step.step for step in steps if not step.quiet] == [3, 4]
    assert len(steps) == 4


def test_it_stops_within_a_step_and_keeps_what_it_learned(engine):
    values = engine.local_hyperparameters(FAST, "LoRA", {})
    steps = []

    def observer(step):
        steps.append(step)
        return len(steps) < 3

    model = engine.train(PAIRS, values, observer=observer)
    assert (model.stopped, len(steps)) == (True, 3)
    assert model.reply(PAIRS[0][0]).kind == "transformers"


def test_a_run_continues_from_an_earlier_one(tuned):
    _, content, engine = tuned
    _, fresh = train_model(engine, {"epoch": 1, "learningRate": 1e-4})
    _, continued = train_model(engine, {"epoch": 1, "learningRate": 1e-4}, initial_model=content)
    assert continued[0].training_loss < fresh[0].training_loss * 0.8


def test_the_same_data_makes_the_same_model(engine):
    first, second = (train_model(engine, {"epoch": 3})[1][-1].training_loss for _ in (1, 2))
    assert first == pytest.approx(second, abs=1e-6)


def test_what_is_saved_is_safetensors_for_its_user_only(engine, tmp_path):
    train_model(engine, {"epoch": 1})[0].save("task-x")
    folder = tmp_path / "files" / "models" / "task-x"
    assert (folder / "adapter_model.safetensors").stat().st_mode & 0o777 == 0o600
    assert not [path for path in folder.iterdir() if path.suffix in {".bin", ".pt", ".pkl"}]


def test_folders_that_no_run_names_are_deleted_at_the_next_start(engine, model_dir, tmp_path):
    content = train_model(engine, {"epoch": 1})[0].save("task-kept")
    train_model(engine, {"epoch": 1})[0].save("task-gone")
    (tmp_path / "files" / "task-kept.npz").write_bytes(content)
    start_engine(model_dir, tmp_path).close()
    assert [path.name for path in (tmp_path / "files" / "models").iterdir()] == ["task-kept"]


def test_a_name_that_leads_out_of_its_folder_is_not_its_own(engine):
    assert not engine.recognizes(
        json.dumps({"engine": "transformers", "folder": "../../x"}).encode()
    )
    assert not engine.recognizes(b"PK...")


def test_a_conversation_that_is_too_long_is_refused(engine):
    with pytest.raises(EngineError) as caught:
        engine.base_model().reply("天" * 500)
    assert caught.value.category == "length"


def test_pairs_that_are_too_long_are_skipped_and_an_empty_rest_is_an_error(engine):
    with pytest.raises(ValueError, match="no pair has an answer within 8 tokens"):
        engine.train(
            [("天" * 50, "蓝")], engine.local_hyperparameters(FAST | {"maxSeqLen": 8}, "LoRA", {})
        )


async def collect_pieces(model, **options):
    return [piece async for piece in model.stream(Conversation.from_prompt(PAIRS[5][0], **options))]


def test_pieces_come_before_the_whole_reply(tuned):
    model = tuned[0]
    *pieces, reply = asyncio.run(collect_pieces(model))
    assert isinstance(reply, EngineReply)
    assert "".join(piece["content"] for piece in pieces) == reply.text == "橙色的"
    assert reply.usage["completion_tokens"] == 4


def test_a_stop_word_is_not_written(tuned):
    model = tuned[0]
    *pieces, reply = asyncio.run(collect_pieces(model, stop="色"))
    assert ("".join(piece["content"] for piece in pieces), reply.text, reply.reason) == (
        "橙",
        "橙",
        "stop",
    )


def test_a_truncated_answer_has_the_reason_length(tuned):
    model = tuned[0]
    assert (
        asyncio.run(model.answer(Conversation.from_prompt(PAIRS[5][0], max_tokens=1))).reason
        == "length"
    )


def test_the_model_stops_when_the_caller_is_gone(engine, monkeypatch):
    from qianfan_sandbox.engines.transformers.weights import ModelDirectory

    stops = []
    monkeypatch.setattr(
        ModelDirectory,
        "generate",
        lambda self, conversation, adapter, label, on_text, stop: (
            stops.append(stop) or stop.wait(180)
        ),
    )

    async def leave():
        pieces = engine.base_model().stream(Conversation.from_prompt("x"))
        waiting = asyncio.ensure_future(anext(pieces))
        while not stops:
            await asyncio.sleep(0.005)
        waiting.cancel()

    asyncio.run(leave())
    assert stops[0].wait(180)


def test_without_a_chat_template_each_message_is_a_line(tmp_path):
    tiny_llama.make_model(
        tmp_path / "m", "".join(prompt + answer for prompt, answer in PAIRS) + "\n", template=False
    )
    engine = start_engine(tmp_path / "m", tmp_path)
    model, _ = train_model(engine, {})
    assert model.reply(PAIRS[0][0]).text == "蓝"
    engine.close()


def test_weights_in_a_format_that_can_run_code_are_not_read(model_dir, tmp_path):
    for path in model_dir.iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    engine = start_engine(tmp_path, tmp_path)
    with pytest.raises(EngineError, match="cannot be loaded"):
        engine.base_model().reply("x")
    engine.close()


def test_a_whole_life_over_the_platforms_api(world, model_dir, tmp_path):
    running = world(engine="transformers", model_dir=str(model_dir))
    assert (
        ChatCompletion()
        .do("天的颜色？", model="ERNIE-Speed-8K")["sandbox"]["engine"]
        .startswith("transformers")
    )
    assert len(Embedding().do(["天"]).vectors[0]) == 64
    rows = [{"prompt": prompt, "response": answer} for prompt, answer in PAIRS * 4]
    config = TrainConfig(epoch=20, learning_rate=1e-3, batch_size=4)
    LLMFinetune(
        "ERNIE-Speed-8K", Dataset(rows), config, deploy_config=DeployConfig(endpoint_suffix="tiny")
    ).run()
    task = running.store.all("task")[-1]
    points = running.store.points(task["id"])
    assert (task["status"], task["engine"]) == ("Done", "transformers")
    assert points[-1]["trainingLoss"] < points[0]["trainingLoss"]
    assert points[-1]["epoch"] == 20
    assert (tmp_path / "files" / "models" / task["id"] / "adapter_model.safetensors").exists()
    service = running.store.all("service")[-1]
    reply = ChatCompletion().do("天的颜色？", endpoint=service["endpoint"])
    assert (
        reply["sandbox"]["engine"]
        == f"transformers {model_dir.name} tuned by {task['id']}, not ERNIE"
    )
    pieces = ChatCompletion().do("天的颜色？", endpoint=service["endpoint"], stream=True)
    assert "".join(piece.text for piece in pieces) == reply.text


def test_a_service_of_another_engine_says_which_is_missing(world, model_dir, tmp_path):
    running = world(engine="builtin")
    content = json.dumps({"engine": "transformers", "folder": "task-x"}).encode()
    running.store.write_file("task-x.npz", content)
    with pytest.raises(EngineError, match="made by another engine"):
        running.engines.tuned_model("task-x")
