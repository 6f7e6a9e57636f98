"""The policy of a story: one that is read from files, under which its versions keep the work they have."""

from msgspec import structs

from engine.settings.rollouts import RolloutsFile
from engine.wiring import PolicySource
from simulator.world.stories import Story


def policy_for(story: Story, source: PolicySource) -> PolicySource:
    """Return the policy with the versions established that do the story's work, as `rollouts.yaml` would say.

    Versions the policy establishes itself stay, but for other versions of the same capabilities. Its hash is
    another one: other versions act under it.
    """
    rollouts = source.settings.rollouts
    names = {version.rpartition("@")[0] for version in story.established}
    others = [each for each in rollouts.established if each.rpartition("@")[0] not in names]
    told = rollouts.model_dump() | {"established": (*others, *story.established)}
    settings = source.settings.model_copy(update={"rollouts": RolloutsFile.model_validate(told)})
    return structs.replace(source, settings=settings)
