"""Fixtures of the API's integration tests: a real PostgreSQL and the API as a real process."""

from support.api_server import api
from support.postgres import database_url, empty_database_url, own_postgres, postgres
from support.secrets_api import secrets_api
from support.shared_api import client, server

__all__ = [
    "api",
    "client",
    "database_url",
    "empty_database_url",
    "own_postgres",
    "postgres",
    "secrets_api",
    "server",
]
