"""The product's image and a container of it, for the tests that want them."""

from collections.abc import Callable, Iterator

import pytest
from docker.models.containers import Container

from tests.deploy.images import build_base, build_image
from tests.docker_engine import DockerEngine


@pytest.fixture(scope="session")
def base(docker_engine: DockerEngine) -> str:
    """The image that `deploy/sandbox/build.sh` makes, with what ours needs besides."""
    return build_base(docker_engine)


@pytest.fixture(scope="session")
def image(docker_engine: DockerEngine, base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `deploy/docker/Dockerfile` makes of this checkout."""
    return build_image(docker_engine, base, tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def start(docker_engine: DockerEngine, image: str) -> Iterator[Callable[..., Container]]:
    """A function that starts a container of it as narrow as it goes; gone, with its volumes, at the end."""
    started: list[Container] = []

    def begin(*words: str, **options: object) -> Container:
        narrow: dict[str, object] = {
            "network_mode": "none",
            "read_only": True,
            "tmpfs": {"/tmp": "mode=1777"},
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
        }
        made = docker_engine.client.containers.run(image, list(words), detach=True, **(narrow | options))
        started.append(made)
        return made

    yield begin
    for container in started:
        container.remove(force=True, v=True)
