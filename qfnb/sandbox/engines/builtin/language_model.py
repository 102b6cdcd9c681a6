"""The sandbox's language model: small, honest, and really learning from the pairs it is given.

Two experts share one router:

    p(answer | prompt) = sum_k p(k | prompt) [answer = memory_k]  +  p(compose | prompt) p_LM(answer | prompt)

It is not ERNIE and knows nothing but its training pairs; outside of them it says so. Plain numpy, no
downloads, deterministic by seed.
"""

from ..protocol import Reply as Reply
from ..protocol import Step as Step
from .base_model import base_model as base_model
from .model import LanguageModel as LanguageModel
from .training import Hyperparameters as Hyperparameters
from .training import local_hyperparameters as local_hyperparameters
from .training import train as train
