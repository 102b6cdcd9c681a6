# %% a prompt of the platform
from qianfan.resources.console.prompt import Prompt as Api

made = Api.create(name="对照", template="写{what}", identifier="{}")["result"]["templatePK"]
shown = Api.info(made, what="诗")["result"]
[shown["templateContent"], shown["content"], shown["templateName"], Api.delete(made)["result"]]

# %% labels of prompts
from qianfan.resources.console.prompt import Prompt as Api

sorted(Api.list_labels(page_size=3)["result"])
