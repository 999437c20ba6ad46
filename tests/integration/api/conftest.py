"""Fixtures of the API's integration tests: a real PostgreSQL and the API as a real process."""

from support.api_server import api
from support.postgres import database_url, empty_database_url, own_postgres, postgres
from support.secrets_api import secrets_api

__all__ = [
    "api",
    "database_url",
    "empty_database_url",
    "own_postgres",
    "postgres",
    "secrets_api",
]
