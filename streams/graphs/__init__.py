"""Graphs: the stages of a stream, operator, sink or pipeline, as text, mermaid and SVG."""

from ackflow.streams.graphs.building import build
from ackflow.streams.graphs.graph import Branch, Chain, Detail, Fork, Graph, Kind, Node
from ackflow.streams.graphs.marbles import Marbles

__all__ = ["Branch", "Chain", "Detail", "Fork", "Graph", "Kind", "Marbles", "Node", "build"]
