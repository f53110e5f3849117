"""Benchmarks of Bouquet, beside other frameworks (FastStream, nameko) and the limits of RabbitMQ and aiohttp
themselves."""
