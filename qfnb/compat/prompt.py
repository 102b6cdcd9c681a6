"""Prompts as objects: rendered, in files, stored on the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.language import tr
from ..errors import InvalidArgumentError
from ..resources.console.consts import PromptFrameworkType, PromptSceneType, PromptType
from ..resources.management.prompt import Prompt as Templates
from ..wire.prompt import PromptTemplate


@dataclass
class PromptLabel:
    """A label of the console."""

    id: int | str
    name: str
    color: str


class Prompt:
    """A prompt with variables.

    Args:
        template: the text.
        name: the name on the platform.
        id: `pt-...` on the platform.
        identifier: the pair that marks a variable: {} {{}} [] [[]] () (()).
        variables: their names; found in the text by default.
        labels: of the console.
        type: the user's own, or preset.
        scene_type: text, or images.
        framework_type: the framework that the text follows.
        negative_template: what an image must not show.
        negative_variables: the variables of `negative_template`.
        creator_name: who stored it.

    Raises:
        InvalidArgumentError: there is no template, or the pair or a variable is wrong.

    Source: the official SDK's common.Prompt.
    """

    def __init__(
        self,
        template: str | None = None,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - the official SDK's word, as the next
        identifier: str = "{}",
        variables: Sequence[str] | None = None,
        labels: Sequence[PromptLabel] = (),
        type: PromptType = PromptType.User,  # noqa: A002
        scene_type: PromptSceneType = PromptSceneType.Text2Text,
        framework_type: PromptFrameworkType = PromptFrameworkType.NotUse,
        negative_template: str | None = None,
        negative_variables: Sequence[str] | None = None,
        creator_name: str | None = None,
    ) -> None:
        if template is None:
            raise InvalidArgumentError(tr("template is missing: write the text of the prompt"))
        self.name = name
        self.id = id
        self.identifier = identifier
        self.labels = list(labels)
        self.type = type
        self.creator_name = creator_name
        self.scene_type = scene_type
        self.framework_type = framework_type
        self.template = template
        self.negative_template = negative_template
        self.variables = self._names(template, variables)
        if negative_template is None:
            self.negative_variables = None
        else:
            self.negative_variables = self._names(negative_template, negative_variables)

    @classmethod
    def from_file(cls, path: str | Path, identifier: str = "{}") -> Prompt:
        """Return the prompt whose text is in a file."""
        return cls(template=Path(path).read_text(encoding="utf-8"), identifier=identifier)

    @classmethod
    def from_platform(cls, name: str) -> Prompt:
        """Return a stored prompt by its name, the user's own before a preset one.

        Raises:
            InvalidArgumentError: there is none.
        """
        for kind in (PromptType.User, PromptType.Preset):
            items = Templates.list(name=name, type=kind)["result"]["items"]
            for item in items:
                if item["templateName"] == name:
                    return cls._from_item(item)
        raise InvalidArgumentError(tr("there is no prompt {name!r} on the platform", name=name))

    @classmethod
    def _from_item(cls, item: Mapping[str, Any]) -> Prompt:
        labels = [
            PromptLabel(label["labelId"], label["labelName"], label["color"])
            for label in item["labels"]
        ]
        negative = item.get("negativeTemplateContent") or None
        return cls(
            template=item["templateContent"],
            name=item["templateName"],
            id=item["templatePK"],
            identifier=item["variableIdentifier"],
            variables=list(filter(None, item["templateVariables"].split(","))),
            labels=labels,
            type=PromptType(item["type"]),
            scene_type=PromptSceneType(item["sceneType"]),
            framework_type=PromptFrameworkType(item["frameworkType"]),
            negative_template=negative,
            creator_name=item.get("creatorName"),
        )

    def save_to_file(self, path: str | Path) -> None:
        """Write the text into a file."""
        Path(path).write_text(self.template, encoding="utf-8")

    def save_to_platform(self) -> None:
        """Store the prompt on the platform, or change the stored one.

        Raises:
            InvalidArgumentError: it has no name.
        """
        if self.name is None:
            raise InvalidArgumentError(tr("name is missing: the platform stores prompts by name"))
        changes: dict[str, Any] = {
            "name": self.name,
            "template": self.template,
            "identifier": self.identifier,
            "label_ids": [label.id for label in self.labels],
            "negative_template": self.negative_template,
        }
        if self.id is not None:
            self.id = Templates.update(self.id, **changes)["result"]["templatePK"]
            return
        kinds: dict[str, Any] = {"scene": self.scene_type, "framework": self.framework_type}
        reply = Templates.create(
            **changes, **kinds, variables=self.variables, negative_variables=self.negative_variables
        )
        self.id = reply["result"]["templatePK"]

    def delete(self) -> None:
        """Delete the user's own stored prompt; the object stays."""
        if self.id is not None and self.type != PromptType.Preset:
            Templates.delete(self.id)
            self.id = None

    def set_template(self, template: str) -> None:
        """Replace the text; its variables are read anew."""
        self.variables = self._names(template, None)
        self.template = template

    def set_negative_template(self, template: str) -> None:
        """Replace the negative text; its variables are read anew."""
        self.negative_variables = self._names(template, None)
        self.negative_template = template

    def render(self, **values: object) -> tuple[str, str | None]:
        """Return the text, and the negative text or None, with the values of the variables.

        Raises:
            InvalidArgumentError: names the variables that have no value.
        """
        text = PromptTemplate(self.template, self.identifier, tuple(self.variables)).render(
            **values
        )
        if self.negative_template is None:
            return text, None
        names = tuple(self.negative_variables or ())
        return text, PromptTemplate(self.negative_template, self.identifier, names).render(**values)

    def _names(self, template: str, variables: Sequence[str] | None) -> list[str]:
        return list(
            PromptTemplate(
                template, self.identifier, None if variables is None else tuple(variables)
            ).names
        )
