"""What the tests of privacy share with those of the API."""

from tests.http.conftest import place

__all__ = ["place"]
