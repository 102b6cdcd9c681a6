"""WHAT USERS CALL: chat, images and the groups of management calls."""

from .chat import ChatCompletion as ChatCompletion
from .finetune import FineTune as FineTune
from .messages import Messages as Messages
from .model import Model as Model
from .service import Service as Service
from .text2image import Text2Image as Text2Image
