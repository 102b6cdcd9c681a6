"""Plugins, v1: an application behind an endpoint, or the platform's own plugins in a conversation."""

from __future__ import annotations

from typing import Any

from .base import Record
from .chat import V1_PREFIX, ChatReply, Message
from .endpoints import Endpoint

MAX_PLUGIN_QUERY_CHARS = 1000
CUSTOM_PLUGINS = ("eChart", "ImageAI", "ChatFile")


class AppPluginRequest(Record):
    """A question (at most 1,000 characters) to an application, and which of its plugins may be used."""

    query: str
    plugins: list[str] | None = None
    stream: bool = False


class CustomPluginRequest(Record):
    """A conversation with one to three of the platform's own plugins."""

    messages: list[Message]
    plugins: list[str]
    stream: bool = False


class PluginReply(ChatReply):
    """A chat reply that also tells which plugin did what."""

    meta_info: dict[str, Any] | None = None
    plugin_info: list[dict[str, Any]] | None = None


PLUGIN_V1 = Endpoint("plugin.v1", V1_PREFIX + "/plugin/{model}/", AppPluginRequest, PluginReply, plane="v1")
CUSTOM_PLUGIN_V1 = Endpoint(
    "plugin.own.v1", V1_PREFIX + "/erniebot/plugins", CustomPluginRequest, PluginReply, plane="v1"
)
