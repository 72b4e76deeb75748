"""Sinks that write to Elasticsearch."""

from ackflow.sinks.elasticsearch.bulk import bulk
from ackflow.sinks.elasticsearch.rejection import BulkRejected
from ackflow.sinks.elasticsearch.statistics import BulkStatistics

__all__ = ["BulkRejected", "BulkStatistics", "bulk"]
