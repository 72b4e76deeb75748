"""Words of 30 bytes from RabbitMQ into Elasticsearch, prefetch 512, bulks of 256, decoded by orjson."""
