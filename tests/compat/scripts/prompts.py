from qianfan.common import Prompt
from qianfan.errors import QianfanError

# %% a prompt is rendered
Prompt(template="本文的主题是{topic}，字数{count}").render(topic="猫", count="30")

# %% the variables of a prompt
prompt = Prompt(template="写{one}和{two}")
[prompt.variables, prompt.identifier, prompt.template]

# %% other brackets
[Prompt(template="{one} ((two)) "
                 "[three]", identifier=identifier).variables for identifier in ("{}", "(())", "[]")]

# %% a missing variable
try:
    Prompt(template="{one}").render()
except QianfanError:
    result = "refused"
result

# %% no template
try:
    Prompt()
except QianfanError:
    result = "refused"
result

# %% a prompt in a file
prompt = Prompt(template="画{what}")
prompt.save_to_file("prompt.tpl")
copy = Prompt.from_file("prompt.tpl")
[copy.template, copy.variables, copy.render(what="猫")[0]]

# %% another template
prompt = Prompt(template="{one}")
prompt.set_template("{two}和{three}")
[prompt.template, prompt.variables]

# %% frameworks of prompts
[
    bool(Prompt.base_prompt(prompt="写诗", background="夜里", additional_data="月", output_schema="四行")),
    "诗人"
    in str(Prompt.crispe_prompt(statement="写诗", capacity="诗人", insight="夜", personality="静", experiment="一首")),
]

# %% a prompt with examples
from qianfan.common import Prompt

text = Prompt.fewshot_prompt(prompt="反义词", examples=[("大", "小"), ("上", "下")])
[piece in str(text) for piece in ("反义词", "大", "小", "上", "下")]

# %% a prompt is optimised
better = Prompt(template="写一首诗").optimize()
[type(better).__name__, bool(better.template)]

# %% a prompt of the platform
from qianfan.resources.console.prompt import Prompt as Api

made = Api.create(name="对照", template="写{what}", identifier="{}")["result"]["templatePK"]
shown = Api.info(made, what="诗")["result"]
[shown["templateContent"], shown["content"], shown["templateName"], Api.delete(made)["result"]]

# %% prompts of the platform
from qianfan.resources.console.prompt import Prompt as Api

listed = Api.list(page_size=2)["result"]
[
    len(listed["items"]) <= 2,
    isinstance(listed["total"], int),
    "labels" in listed["items"][0] if listed["items"] else True,
]

# %% labels of prompts
from qianfan.resources.console.prompt import Prompt as Api

sorted(Api.list_labels(page_size=3)["result"])
