"""Rules: the ruling does not hang on the order of rules, nor on what was asked before."""

from hypothesis import given
from hypothesis import strategies as st

from engine.core.gates.rules import RULE_FACTS
from engine.core.vocabulary.verdicts import RULING_RANK
from tests.builders import answer, ask, changed, rule_book, shipped
from tests.strategies import proposals

CONDITIONS = [
    "true",
    "false",
    "files > 3",
    "1 / files > 0",
    'kind == "write" && !reversible',
    "cost_usd >= 10.0 || confidence < 0.5",
    "cost_usd == 0.0 || confidence != 1.0",
    "1.0 - confidence < 0.5",
    "1.0 - // (\n confidence < 0.5",
    "confidence < 0.5 * cost_usd",
    "!(cost_usd > 1.5) && (confidence > 0.25)",
    'agent == "healer"',
    "api_calls > 100 // many",
    "args_text.contains('rm')",
    "destructive && protected",
]
rules = st.lists(
    st.tuples(
        st.sampled_from(CONDITIONS),
        st.sampled_from(list(RULING_RANK)),
        st.sampled_from(["enforce", "enforce", "shadow"]).map(lambda mode: {"mode": mode}),
    ),
    max_size=6,
)


def judged(book, asked):
    verdict = ask(asked, policy=changed(rules=book))
    return answer(verdict, "rules"), verdict.assessment.shadow_rules


@given(rules, proposals, st.randoms(use_true_random=False))
def test_the_ruling_does_not_depend_on_the_order_of_rules(given_rules, asked, chance):
    one, shadow = judged(rule_book(*given_rules), asked)
    shuffled = list(given_rules)
    chance.shuffle(shuffled)
    other, other_shadow = judged(rule_book(*shuffled), asked)
    assert one.ruling == other.ruling
    assert set(one.waits) == set(other.waits)
    assert len(shadow) == len(other_shadow)


@given(rules, proposals)
def test_all_rules_together_say_what_the_strictest_says_alone(given_rules, asked):
    together, shadow = judged(rule_book(*given_rules), asked)
    alone = [judged(rule_book(rule), asked) for rule in given_rules]
    assert together.ruling == max((said.ruling for said, _ in alone), key=RULING_RANK.get, default="allow")
    assert len(shadow) == sum(len(mine) for _, mine in alone)


@given(rules, st.lists(proposals, min_size=2, max_size=6))
def test_what_a_book_was_asked_before_changes_no_answer(given_rules, asked):
    seasoned = rule_book(*given_rules)
    for each in [*asked, *asked]:
        assert judged(seasoned, each) == judged(rule_book(*given_rules), each)


@given(rules, rules, proposals)
def test_more_rules_never_make_the_ruling_milder(some, more, asked):
    few, _ = judged(rule_book(*some), asked)
    many, _ = judged(rule_book(*some, *more), asked)
    assert RULING_RANK[many.ruling] >= RULING_RANK[few.ruling]


def test_the_memory_starts_again_when_it_is_full(monkeypatch):
    from engine.adapters import cel_rules

    monkeypatch.setattr(cel_rules, "_REMEMBERED", 3)
    book = rule_book(("files > 3", "deny"))
    position = book.names.index("files")
    for files in [*range(10), *range(10)]:
        values = [0] * len(book.names)
        values[position] = files
        assert bool(book.fired(tuple(values))) == (files > 3)


def test_only_names_that_conditions_read_are_asked_for():
    book = rule_book(("files > 3 && environment == 'kinds'", "deny"), ("risk_score > 3", "deny"))
    assert set(book.names) == {"files", "environment", "risk_score"}
    assert set(shipped().rules.names) <= RULE_FACTS.keys()
