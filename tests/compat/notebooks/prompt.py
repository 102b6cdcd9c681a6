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
# ## 框架

# %%
base = Prompt.base_prompt(prompt="写一首诗", background="夜里", additional_data="月亮", output_schema="四行")
fewshot = Prompt.fewshot_prompt(prompt="写反义词", examples=[("大", "小"), ("上", "下")])
crispe = Prompt.crispe_prompt(statement="写一首诗", capacity="诗人", insight="夜里", personality="安静", experiment="一首")

# %% [markdown]
# ## 优化

# %%
optimized = Prompt(template="帮我写一首诗").optimize()
print(optimized.template)

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
[p.variables, content, negative, bool(answer), base, fewshot, crispe, bool(optimized.template), again.template, shown["content"], deleted]
