"""Benchmarks of Bouquet, compared with other frameworks (FastStream, nameko) and with RabbitMQ and aiohttp used
alone."""
