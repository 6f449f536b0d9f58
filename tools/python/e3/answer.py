"""Answers: what a run gives."""

from __future__ import annotations

import html
import math
from ctypes import string_at
from typing import TYPE_CHECKING, Any, List, Optional, Sequence

from . import _library
from .classes import NO_CLASS

if TYPE_CHECKING:
    import numpy

ACCEPT, UNSURE, UNKNOWN = "accept", "unsure", "unknown"
_DECISIONS = {1: ACCEPT, 2: UNSURE, 3: UNKNOWN}


class Answer:
    """The answer to one image, a copy that nothing changes any more.

    Entropies are in nats, of the mean before any temperature: total = expected + mutual information (Depeweg et al. 2018).

    label: text of the class that the decision is about: of the learned class that is the answer, else of the top class; ""
        when the file has none
    top_class: the most probable of the model's own classes; the lowest on a tie
    top_label: its text; "" likewise
    top_probability: its probability
    decision: "accept": the class may be used; "unsure": a known kind of scene, but the classes are not told apart well
        enough; "unknown": unlike anything the model was trained on
    total_entropy, expected_entropy, mutual_information: of the members' probabilities
    disagreement: share of the pairs of members whose top classes differ, 0 to 1
    distance: Mahalanobis distance of the representations from the training data, in standard deviations; None when the file
        has no class statistics
    relative_distance: the relative one, of squares; None likewise
    unknown_score: what decides whether the picture is unknown: a distance, and where the calibration says so an entropy with
        it; None likewise
    classes, members: C and M, of the networks that answered
    networks: how many of the file answered: all, or fewer where the model stops early
    learned: label of the learned class that is the answer, as the decision then says; None when none is
    nearest_learned: label of the nearest learned class, the answer or not; None without learned classes
    learned_distance, learned_radius: distance from it, 0 to 2, and its radius; None likewise
    """

    __slots__ = (
        "_labels",
        "_probabilities",
        "_member_logits",
        "_member_probabilities",
        "_representations",
        "_prediction_set",
        "_width",
        "_all_networks",
        "classes",
        "members",
        "networks",
        "top_class",
        "top_probability",
        "decision",
        "total_entropy",
        "expected_entropy",
        "mutual_information",
        "disagreement",
        "distance",
        "relative_distance",
        "unknown_score",
        "learned",
        "nearest_learned",
        "learned_distance",
        "learned_radius",
    )

    def __init__(
        self, result: "_library.Result", labels: List[str], width: int, learned: Sequence[str] = (), networks: int = 1
    ) -> None:
        """Copies `result`; width: of a representation; learned: labels of the learned classes; networks: of the file."""
        classes, members = result.classes, result.members
        self._labels = labels
        self._width = width
        self.classes, self.members = classes, members
        self._all_networks = networks
        self.networks = result.networks or networks  # 0: of an older library, in which all answer
        self._probabilities = string_at(result.probabilities, 4 * classes)
        self._member_logits = string_at(result.member_logits, 4 * classes * members)
        self._member_probabilities = string_at(result.member_probabilities, 4 * classes * members)
        stride = result.representation_stride
        # The last member's row ends with its values, whatever the distance of rows.
        self._representations = (string_at(result.representations, 4 * ((members - 1) * stride + width)), stride)
        count = result.prediction_set_count
        self._prediction_set = string_at(result.prediction_set, 4 * count) if count else b""
        self.top_class = result.top_class
        self.top_probability = result.top_probability
        self.decision = _DECISIONS[result.decision]
        self.total_entropy = result.total_entropy
        self.expected_entropy = result.expected_entropy
        self.mutual_information = result.mutual_information
        self.disagreement = result.disagreement
        self.distance = _number(result.distance)
        self.relative_distance = _number(result.relative_distance)
        self.unknown_score = _number(result.unknown_score)
        index, nearest = result.learned_class, result.nearest_learned_class
        self.learned = None if index == NO_CLASS else learned[index]
        self.nearest_learned = None if nearest == NO_CLASS else learned[nearest]
        self.learned_distance = _number(result.learned_distance)
        self.learned_radius = _number(result.learned_radius)

    @property
    def label(self) -> str:
        return self.top_label if self.learned is None else self.learned

    @property
    def top_label(self) -> str:
        return self._label(self.top_class)

    @property
    def probabilities(self) -> "numpy.ndarray[Any, Any]":
        """`[C]` float32: mean of the members' softmax, tempered when the file is calibrated."""
        return _floats(self._probabilities, self.classes)

    @property
    def member_logits(self) -> "numpy.ndarray[Any, Any]":
        """`[M][C]` float32."""
        return _floats(self._member_logits, self.members, self.classes)

    @property
    def member_probabilities(self) -> "numpy.ndarray[Any, Any]":
        """`[M][C]` float32: softmax of the members' logits."""
        return _floats(self._member_probabilities, self.members, self.classes)

    @property
    def representations(self) -> "numpy.ndarray[Any, Any]":
        """`[M][R]` float32: what the head reads."""
        import numpy

        values, stride = self._representations
        rows = [numpy.frombuffer(values, numpy.float32, self._width, 4 * stride * m) for m in range(self.members)]
        return numpy.stack(rows)

    @property
    def prediction_set(self) -> List[int]:
        """The conformal prediction set: classes, most probable first; empty when the file is not calibrated."""
        return memoryview(self._prediction_set).cast("I").tolist()

    def top(self, count: int = 5) -> List["tuple[int, str, float]"]:
        """The most probable classes: number, label and probability."""
        probabilities = memoryview(self._probabilities).cast("f").tolist()
        order = sorted(range(self.classes), key=lambda c: (-probabilities[c], c))[:count]
        return [(c, self._label(c), probabilities[c]) for c in order]

    def _label(self, index: int) -> str:
        return self._labels[index] if index < len(self._labels) else ""

    def __repr__(self) -> str:
        label = f" {self.top_label!r}" if self.top_label else ""
        if self.learned is not None:
            return f"<Answer {self.decision}: learned class {self.learned!r}, distance {self.learned_distance:.3f}>"
        between = f"{self.mutual_information:.3f} of it between {self.members} members"
        if self.networks < self._all_networks:
            between = f"{self.networks} of {self._all_networks} networks"
        return (
            f"<Answer {self.decision}: class {self.top_class}{label} {100 * self.top_probability:.1f} %, "
            f"{self.total_entropy:.3f} nats, {between}>"
        )

    def _repr_html_(self) -> str:
        """A small table: decision, classes with their members' answers, uncertainty."""
        colour = {ACCEPT: "#2e7d32", UNSURE: "#b26a00", UNKNOWN: "#b71c1c"}[self.decision]
        members = memoryview(self._member_probabilities).cast("f").tolist()
        rows = []
        for index, label, probability in self.top():
            each = ", ".join(f"{100 * members[m * self.classes + index]:.1f}" for m in range(self.members))
            bar = f'<div style="background:{colour};height:0.8em;width:{120 * probability:.1f}px"></div>'
            name = html.escape(label) if label else f"class {index}"
            rows.append(f"<tr><td>{name}</td><td>{bar}</td><td>{100 * probability:.1f} %</td><td>{each}</td></tr>")
        facts = f"uncertainty {self.total_entropy:.3f} nats, {self.mutual_information:.3f} of it between members"
        if self.learned is not None:
            facts = f"learned class {html.escape(self.learned)}; {facts}"
        if self.networks < self._all_networks:
            facts += f"; {self.networks} of {self._all_networks} networks answered"
        if self.relative_distance is not None:
            facts += f"; relative distance {self.relative_distance:.3g}"
        return (
            f'<table><caption><b style="color:{colour}">{self.decision}</b> {facts}</caption>'
            "<tr><th>class</th><th></th><th>probability</th><th>members, %</th></tr>" + "".join(rows) + "</table>"
        )


def _number(value: float) -> Optional[float]:
    return None if math.isnan(value) else value


def _floats(values: bytes, *shape: int) -> "numpy.ndarray[Any, Any]":
    import numpy

    return numpy.frombuffer(values, numpy.float32).reshape(shape)
