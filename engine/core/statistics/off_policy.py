"""Off-policy value: what a candidate would have been worth in a history in which others mostly decided.

Every logged decision says in which context what was chosen, the probability with which the log's own policy
chose it (its chance), and what came of it (its reward). A candidate that would choose the same with
probability p there gets the reward with weight p / chance: seldom taken choices stand for all the times they
were not taken.

A decision is valued for itself. What it does to later decisions of the same episode is not seen, so a
history in which that matters is given as one decision an episode, with the episode's outcome. Episodes, not
decisions, are independent of each other: everything here is a contribution an episode, for a bootstrap over
episodes.

Nothing here is an answer without its support: where the log never chose what the candidate would, nothing is
known about the candidate, however many decisions were logged.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import fsum
from typing import Final

from msgspec import Struct

Wanted = tuple[tuple[str, float], ...]
"""What a candidate would choose in one decision: each choice and its probability, together 1."""


class Logged(Struct, frozen=True, array_like=True, gc=False):
    """One decision of a history: `[context, choice, chance, reward, wanted]`."""

    context: str
    """What was known before the choice, and tells rewards apart: not who chose, nor what came of it."""
    choice: str
    chance: float
    """The probability with which the log's policy made this choice here, over 0 and at most 1."""
    reward: float
    """What came of it, in any unit in which more is better; 1 and 0 for well and badly."""
    wanted: Wanted
    """What the candidate would choose."""


Episode = Sequence[Logged]

FOLDS: Final = 5
"""Into so many parts episodes are dealt, each predicted by a reward model that has seen only the others."""

LEAST_REWARDS: Final = 10
"""A mean over fewer rewards than this says little, so a coarser one is taken. What
it costs is width, never bias."""


def weight(decision: Logged) -> float:
    """Return how much a decision counts for the candidate: 0 when it would never choose so.

    >>> weight(Logged("", "restart", 0.25, 1.0, (("restart", 1.0),)))
    4.0
    """
    return _probability(decision.wanted, decision.choice) / decision.chance


def weights(episode: Episode) -> float:
    """Return the weights of an episode's decisions together: what self-normalised sampling divides by."""
    return fsum(weight(decision) for decision in episode)


def ips(episode: Episode) -> float:
    """Return what an episode adds up to under inverse propensity sampling: Σ weight · reward.

    The sum over episodes divided by the number of decisions is without bias wherever the candidate is
    supported (Horvitz and Thompson 1952, JASA 47). One success that had a chance of a quarter, and one
    decision in which the candidate would have chosen otherwise: (4 · 1 + 0) / 2 = 2, which no share can be.
    That is how it varies.

    >>> sure = (("restart", 1.0),)
    >>> ips([Logged("", "restart", 0.25, 1.0, sure), Logged("", "wait", 0.75, 1.0, sure)]) / 2
    2.0
    """
    return fsum(weight(decision) * decision.reward for decision in episode)


def self_normalised(episodes: Iterable[Episode]) -> float:
    """Return the self-normalised value (SNIPS): Σ weight · reward / Σ weight, over all episodes.

    A weighted mean of rewards that were seen, so it never leaves their range, for a bias that vanishes with
    the number of episodes (Swaminathan and Joachims 2015, "The self-normalized estimator for counterfactual
    learning", NeurIPS). Weights 4 and 2, a success and a failure: 4 / 6.

    >>> sure = (("restart", 1.0),)
    >>> round(
    ...     self_normalised(
    ...         [
    ...             [Logged("", "restart", 0.25, 1.0, sure)],
    ...             [Logged("", "restart", 0.5, 0.0, sure)],
    ...         ]
    ...     ),
    ...     3,
    ... )
    0.667

    Raises `ZeroDivisionError` when no decision has any weight: there is no value then.
    """
    held = list(episodes)
    return fsum(ips(episode) for episode in held) / fsum(weights(episode) for episode in held)


class RewardModel(Struct, frozen=True):
    """What rewards to expect: the mean of a choice in its context, else of the choice, else of everything."""

    cells: Mapping[tuple[str, str], tuple[float, int]]
    """By context and choice: the sum of the rewards, and how many there are."""
    choices: Mapping[str, tuple[float, int]]
    everything: tuple[float, int]

    def predict(self, context: str, choice: str) -> float:
        """Return the reward to expect; 0 of a model that has learnt nothing."""
        for total, count in (
            self.cells.get((context, choice), _NOTHING),
            self.choices.get(choice, _NOTHING),
        ):
            if count >= LEAST_REWARDS:
                return total / count
        total, count = self.everything
        return total / count if count else 0.0

    def expected(self, decision: Logged) -> float:
        """Return the reward to expect of whatever the candidate would choose."""
        return fsum(
            chance * self.predict(decision.context, choice) for choice, chance in decision.wanted if chance
        )


_NOTHING: Final = (0.0, 0)


def learn(episodes: Iterable[Episode]) -> RewardModel:
    """Learn a reward model: plain means, nothing to tune.

    Ten restarts by day, of which nine went well, are all there is to know about restarts by night too:

    >>> day = [Logged("day", "restart", 0.5, float(i > 0), ()) for i in range(10)]
    >>> model = learn([day])
    >>> model.predict("day", "restart"), model.predict("night", "restart")
    (0.9, 0.9)
    """
    cells: dict[tuple[str, str], list[float]] = {}
    for episode in episodes:
        for decision in episode:
            cells.setdefault((decision.context, decision.choice), []).append(decision.reward)
    choices: dict[str, list[float]] = {}
    for (_, choice), rewards in cells.items():
        choices.setdefault(choice, []).extend(rewards)
    return RewardModel(
        cells={cell: (fsum(rewards), len(rewards)) for cell, rewards in cells.items()},
        choices={choice: (fsum(rewards), len(rewards)) for choice, rewards in choices.items()},
        everything=(
            fsum(reward for rewards in choices.values() for reward in rewards),
            sum(len(rewards) for rewards in choices.values()),
        ),
    )


def cross_fitted(episodes: Sequence[Episode]) -> list[RewardModel]:
    """Return a model for each episode that has not seen it: the i-th is in part i modulo `FOLDS`.

    A model that has seen the very rewards it is corrected by would look better than it is (Chernozhukov and
    others 2018, "Double/debiased machine learning", Econometrics Journal 21).
    """
    models = [
        learn(episode for place, episode in enumerate(episodes) if place % FOLDS != fold)
        for fold in range(min(FOLDS, len(episodes)))
    ]
    return [models[place % FOLDS] for place in range(len(episodes))]


def direct(episode: Episode, model: RewardModel) -> float:
    """Return what the model alone expects of an episode in the candidate's hands.

    It is only as good as the model, and its interval does not know how good that is. For comparison.
    """
    return fsum(model.expected(decision) for decision in episode)


def doubly_robust(episode: Episode, model: RewardModel) -> float:
    """Return what an episode adds up to doubly robustly: what the model expects, corrected where the log can.

    Σ expected + weight · (reward - predicted), over all episodes divided by the number of decisions: without
    bias if either the chances or the model are right, and steadier than `ips` the better the model is
    (Dudík, Langford and Li 2011, "Doubly robust policy evaluation and learning", ICML, arXiv 1103.4601).

    Where 0.9 is expected of restarts, one failed that had a chance of one half: 0.9 + 2 · (0 - 0.9) = -0.9.

    >>> model = RewardModel(cells={}, choices={"restart": (9.0, 10)}, everything=(9.0, 10))
    >>> doubly_robust([Logged("", "restart", 0.5, 0.0, (("restart", 1.0),))], model)
    -0.9
    """
    return fsum(
        part
        for decision in episode
        for part in (
            model.expected(decision),
            weight(decision) * (decision.reward - model.predict(decision.context, decision.choice)),
        )
    )


def effective_sample_size(of: Iterable[float]) -> float:
    """Return how many episodes of equal weight would tell as much: (Σ w)² / Σ w², for weights of episodes.

    (Kish 1965; Owen, "Monte Carlo theory, methods and examples", chapter 9.) Nine episodes of weight 1 and
    one of weight 9 are worth 18² / 90 = 3.6, not 10.

    >>> effective_sample_size([1.0] * 9 + [9.0])
    3.6
    """
    held = list(of)
    squares = fsum(value * value for value in held)
    total = fsum(held)
    return total * total / squares if squares else 0.0


def chosen(episodes: Iterable[Episode]) -> frozenset[tuple[str, str]]:
    """Return which choices the log made in which contexts: what is known to be possible."""
    return frozenset((decision.context, decision.choice) for episode in episodes for decision in episode)


def support(episodes: Iterable[Episode], possible: Collection[tuple[str, str]]) -> float:
    """Return the share of the candidate's choices that the log made at least now and then in their context.

    `possible` as `chosen` returns it, of all episodes. A candidate that would restart in one decision of
    two, in a log that always waited, has a support of one half:

    >>> waits = [Logged("", "wait", 1.0, 1.0, (("wait", 1.0),))]
    >>> restarts = [Logged("", "wait", 1.0, 1.0, (("restart", 1.0),))]
    >>> support([waits, restarts], chosen([waits, restarts]))
    0.5

    1.0 of an empty history: nothing in it is unsupported.
    """
    held = [decision for episode in episodes for decision in episode]
    if not held:
        return 1.0
    return fsum(
        chance
        for decision in held
        for choice, chance in decision.wanted
        if (decision.context, choice) in possible
    ) / len(held)


def _probability(wanted: Wanted, choice: str) -> float:
    for name, chance in wanted:
        if name == choice:
            return chance
    return 0.0
