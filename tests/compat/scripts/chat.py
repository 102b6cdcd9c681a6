import qianfan

WHO = [{"role": "user", "content": "你是谁"}]

# %% a reply's body
resp = qianfan.ChatCompletion().do(messages=WHO)
[resp["body"]["result"], resp.body["result"], resp.code, resp["code"], "result" in resp, resp.get("nothing", 1)]

# %% a reply as a mapping
resp = qianfan.ChatCompletion().do(messages=WHO)
[
    set(resp["usage"]) >= {"prompt_tokens", "completion_tokens", "total_tokens"},
    len(resp) > 4,
    {"result", "is_end", "is_truncated", "need_clear_history"} <= set(resp),
]

# %% a reply's request
resp = qianfan.ChatCompletion().do(messages=WHO)
[resp.request.method, resp.request.url.startswith("http"), isinstance(resp.request.headers, dict)]

# %% a model by name
qianfan.ChatCompletion(model="ERNIE-4.0-8K").do(messages=WHO)["result"]

# %% a stream's latencies
piece = list(qianfan.ChatCompletion().do(messages=WHO, stream=True))[-1]
[{"first_token_latency", "request_latency", "total_latency"} <= set(piece.statistic), piece.statistic["first_token_latency"] > 0]

# %% an awaited stream
"".join([piece["result"] async for piece in await qianfan.ChatCompletion().ado(messages=WHO, stream=True)])

# %% several turns
turns = qianfan.Messages()
turns.append("你是谁")
chat = qianfan.ChatCompletion()
turns.append(chat.do(turns))
turns.append("再说一遍")
resp = chat.do(messages=turns)
[len(turns._to_list()), turns._to_list()[1]["role"], bool(resp["result"])]

# %% names of roles
from qianfan import QfRole, Role

[Role is QfRole, QfRole.User.value, QfRole.Assistant.value, QfRole.Function.value]

# %% a wrong message
from qianfan.errors import InvalidArgumentError

turns = qianfan.Messages()
try:
    turns.append(3)
except InvalidArgumentError as error:
    result = "refused"
result

# %% a batch of conversations
task = qianfan.ChatCompletion().batch_do([WHO, WHO], worker_num=2)
[[each.result()["result"] for each in task], task.task_count(), task.finished_count()]

# %% a batch with bodies
task = qianfan.ChatCompletion().batch_do(body_list=[{"messages": WHO, "temperature": 0.1}, {"messages": WHO}])
[result["result"] for result in task.results()]

# %% JSON as the answer
resp = qianfan.ChatCompletion(model="ERNIE-3.5-8K").do(messages=WHO, response_format="json_object")
type(__import__("json").loads(resp["result"])).__name__

# %% old messages are cut
long = [
    {"role": "user", "content": "字" * 30000},
    {"role": "assistant", "content": "好"},
    {"role": "user", "content": "你是谁"},
]
qianfan.ChatCompletion(model="ERNIE-3.5-8K").do(messages=long, truncate_overlong_msgs=True)["result"]

# %% v2 by its number
resp = qianfan.ChatCompletion(version="2", model="ernie-4.5-turbo-128k").do(messages=WHO)
[resp["choices"][0]["message"]["content"], resp["choices"][0]["finish_reason"], resp["object"]]

# %% v2 awaited
resp = await qianfan.ChatCompletion(version=2, model="ernie-4.5-turbo-128k").ado(messages=WHO)
resp["choices"][0]["message"]["content"]

# %% v2's tools
tool = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "查询一个城市的天气",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
resp = qianfan.ChatCompletion(version=2, model="ernie-4.5-turbo-128k").do(
    messages=[{"role": "user", "content": "北京天气怎么样"}], tools=[tool]
)
call = resp["choices"][0]["message"]["tool_calls"][0]["function"]
[call["name"], __import__("json").loads(call["arguments"]), resp["choices"][0]["finish_reason"]]

# %% the client like OpenAI's
client = qianfan.Qianfan()
resp = client.chat.completions.create(model="ernie-4.5-turbo-128k", messages=WHO)
resp.choices[0].message.content

# %% the client's stream
pieces = qianfan.Qianfan().chat.completions.create(model="ernie-4.5-turbo-128k", messages=WHO, stream=True)
"".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)

# %% what is known of a model
info = qianfan.ChatCompletion().get_model_info("ERNIE-3.5-8K")
[info.endpoint, info.max_input_tokens, info.max_input_chars, "messages" in info.required_keys]
