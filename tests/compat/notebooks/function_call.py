# %% [markdown]
# # 函数调用
#
# 把函数的说明交给模型，由模型决定调用哪一个、参数是什么。

# %%
import json

import qianfan
from qianfan.resources.typing import QfMessages, QfRole

chat = qianfan.ChatCompletion(model="ERNIE-3.5-8K")


# %%
def get_current_weather(location: str, unit: str = "摄氏度") -> dict:
    """查询城市的天气"""
    return {"location": location, "temperature": "25", "unit": unit, "forecast": ["晴", "有风"]}


functions = [
    {
        "name": "get_current_weather",
        "description": "获得指定地点的天气",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "省，市名，例如：河北省，石家庄"},
                "unit": {"type": "string", "enum": ["摄氏度", "华氏度"]},
            },
            "required": ["location"],
        },
    }
]

# %%
query = "请问北京的天气怎么样？"
msgs = QfMessages()
msgs.append(query, role=QfRole.User)
resp = chat.do(messages=msgs, functions=functions)
print(resp["function_call"])

# %%
call = resp.body["function_call"]
arguments = json.loads(call["arguments"])
result = get_current_weather(arguments["location"])

# %%
msgs.append(resp, role=QfRole.Assistant)
msgs.append(json.dumps(result, ensure_ascii=False), role=QfRole.Function)
answer = chat.do(messages=msgs, functions=functions)
print(answer["result"])

# %% [markdown]
# 不需要函数时，模型直接回答：

# %%
plain = chat.do(messages=[{"role": "user", "content": "你是谁"}], functions=functions)

# %%
[call["name"], sorted(arguments), answer["result"], plain["result"], "function_call" in plain.body]
