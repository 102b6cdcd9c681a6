from qianfan.common import Prompt
from qianfan.errors import QianfanError

# %% a prompt is rendered
Prompt(template="本文的主题是{topic}，字数{count}").render(topic="猫", count="30")

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

# %% a prompt of the platform
from qianfan.resources.console.prompt import Prompt as Api

made = Api.create(name="对照", template="写{what}", identifier="{}")["result"]["templatePK"]
shown = Api.info(made, what="诗")["result"]
[shown["templateContent"], shown["content"], shown["templateName"], Api.delete(made)["result"]]

# %% labels of prompts
from qianfan.resources.console.prompt import Prompt as Api

sorted(Api.list_labels(page_size=3)["result"])
