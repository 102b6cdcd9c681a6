import qianfan

# %% a completion
qianfan.Completion().do(prompt="你是谁")["result"]

# %% an awaited completion
resp = await qianfan.Completion(model="ERNIE-Speed-8K").ado("你是谁")
[resp["result"], resp["object"]]

# %% a batch of completions
task = qianfan.Completion().batch_do(prompt_list=["你是谁", "你是谁"], worker_num=2)
[result["result"] for result in task.results()]

# %% an embedding
resp = qianfan.Embedding().do(texts=["世界", "山"])
[[row["index"] for row in resp["data"]], len(resp["data"][0]["embedding"]), resp["data"][1]["object"], resp["object"]]

# %% a batch of embeddings
task = qianfan.Embedding().batch_do(texts_list=[["一", "二"], ["三"]], worker_num=2)
[len(result["data"]) for result in task.results()]

# %% a reranking
resp = qianfan.Reranker().do("北京天气", ["北京今天晴", "上海有雨", "猫"])
[[row["document"] for row in resp["results"]], resp["results"][0]["index"]]

# %% the best of a reranking
resp = qianfan.Reranker(model="bce-reranker-base_v1").do(query="北京天气", documents=["猫", "北京今天晴"], top_n=1)
[row["document"] for row in resp["results"]]

# %% tokens counted here
[qianfan.Tokenizer.count_tokens(text) for text in ("hello", "世界最高的山", "hello, 世界 2024!", "")]

# %% tokens counted by the platform
qianfan.Tokenizer.count_tokens("你好 world", mode="remote", model="ernie-3.5-8k")

# %% a wrong way of counting
from qianfan.errors import InvalidArgumentError

try:
    qianfan.Tokenizer.count_tokens("x", mode="nowhere")
except InvalidArgumentError:
    result = "refused"
result

# %% a picture
resp = qianfan.Text2Image().do(prompt="猫", with_decode="base64")
[resp["body"]["data"][0]["image"][:4].hex(), len(resp["data"])]

# %% what a picture shows
image = qianfan.Text2Image().do(prompt="猫")["data"][0]["b64_image"]
bool(qianfan.Image2Text(model="Fuyu-8B").do(prompt="这是什么", image=image)["result"])

# %% a plugin
resp = qianfan.Plugin().do(endpoint="abc_own", query="你好")
bool(resp["result"])
