# %% [markdown]
# # 文生图

# %%
import io

import qianfan
from PIL import Image

qfg = qianfan.Text2Image()

# %%
resp = qfg.do(prompt="Rag doll cat", with_decode="base64")
img_data = resp["body"]["data"][0]["image"]
img = Image.open(io.BytesIO(img_data))

# %% [markdown]
# 多张图，指定大小：

# %%
resp = qfg.do(prompt="雪山，湖泊", n=2, size="768x768", steps=10, with_decode="base64")
sizes = [Image.open(io.BytesIO(row["image"])).size for row in resp["data"]]

# %%
resp = await qfg.ado(prompt="一只猫", with_decode="base64")
later = Image.open(io.BytesIO(resp["data"][0]["image"]))

# %%
[img.format, img.size, sizes, later.format]
