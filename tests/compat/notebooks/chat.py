# %% [markdown]
# # 对话
#
# `ChatCompletion` 用来调用千帆平台上的对话模型。鉴权信息放在环境变量里。

# %%
import os

import qianfan
from qianfan import ChatCompletion, Messages

# os.environ["QIANFAN_ACCESS_KEY"] = "your_access_key"
# os.environ["QIANFAN_SECRET_KEY"] = "your_secret_key"
chat_comp = ChatCompletion()

# %% [markdown]
# ## 单轮对话

# %%
resp = chat_comp.do(messages=[{"role": "user", "content": "你是谁"}])
print(resp["result"])
first = resp["body"]["result"]

# %% [markdown]
# 可以换模型，也可以调节参数：

# %%
resp = chat_comp.do(
    model="ERNIE-4.0-8K",
    messages=[{"role": "user", "content": "你好"}],
    temperature=0.8,
    top_p=0.8,
    penalty_score=1.0,
    system="你是一个礼貌的助手",
)
polite = resp["result"]
print(polite, resp["usage"]["total_tokens"])

# %% [markdown]
# ## 多轮对话

# %%
msgs = Messages()
for question in ("你是谁", "你能做什么"):
    msgs.append(question)
    resp = chat_comp.do(messages=msgs)
    msgs.append(resp)

# %% [markdown]
# ## 流式与异步

# %%
text = ""
for r in chat_comp.do(messages=[{"role": "user", "content": "你是谁"}], stream=True):
    text += r["result"]
    if r["is_end"]:
        print(r["usage"]["total_tokens"] > 0)

# %%
resp = await chat_comp.ado(messages=[{"role": "user", "content": "你是谁"}], model="ERNIE-Speed-8K")
later = resp["result"]
pieces = []
async for r in await chat_comp.ado(messages=[{"role": "user", "content": "你是谁"}], stream=True):
    pieces.append(r["result"])

# %% [markdown]
# ## 批量

# %%
prompts = ["你是谁", "你好", "你是谁"]
task = chat_comp.batch_do([[{"role": "user", "content": prompt}] for prompt in prompts], worker_num=2)
task.wait()
answers = [r["result"] for r in task.results() if not isinstance(r, Exception)]

# %%
[first, polite, text == first, later, "".join(pieces) == first, answers]
