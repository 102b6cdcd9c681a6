# %% [markdown]
# # 提示词

# %%
from qianfan import ChatCompletion
from qianfan.common import Prompt
from qianfan.resources.console.prompt import Prompt as PromptResource

p = Prompt(template="请写一首关于{subject}的诗，{lines}行")
print(p.variables)

# %%
content, negative = p.render(subject="月亮", lines="四")
answer = ChatCompletion(model="ERNIE-Speed-8K").do(messages=[{"role": "user", "content": content}])["result"]

# %% [markdown]
# ## 文件与平台

# %%
p.save_to_file("poem.tpl")
again = Prompt.from_file("poem.tpl")

# %%
made = PromptResource.create(name="notebook_poem", template=p.template, identifier="{}")["result"]["templatePK"]
shown = PromptResource.info(made, subject="月亮", lines="四")["result"]
deleted = PromptResource.delete(made)["result"]

# %%
[p.variables, content, negative, bool(answer), again.template, shown["content"], deleted]
