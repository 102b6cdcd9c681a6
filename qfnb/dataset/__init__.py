"""Training and evaluation data: rows of prompt and response, from files, frames or the platform."""

from .dataset import Dataset as Dataset
