"""Vision transformers with sparse mixture of experts as efficient ensembles, in int8: one pass over one image gives the
answers of M members, and what they differ in is the uncertainty.

>>> import e3
>>> model = e3.Model("fashion-e3.e3")
>>> answer = model(frame)
>>> answer.decision, answer.label, answer.top_probability
"""

from ._library import E3Error, lib as _lib
from .answer import ACCEPT, UNKNOWN, UNSURE, Answer
from .classes import LearnedClass
from .frame import Frame
from .model import Calibration, Model, Preprocessing

__all__ = ["ACCEPT", "UNKNOWN", "UNSURE", "Answer", "Calibration", "E3Error", "Frame", "LearnedClass", "Model", "Preprocessing"]
__version__: str = _lib.e3_version_text().decode()
