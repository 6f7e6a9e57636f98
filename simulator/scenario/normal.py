"""What differs from run to run, written as what it is, so that two transcripts can be held side by side."""

import re
from collections.abc import Mapping

from engine.core.vocabulary.ids import DecisionId


def normal(line: str, names: Mapping[str, DecisionId], home: str) -> str:
    """Write what differs from run to run as what it is."""
    for name, decision in names.items():
        line = line.replace(decision, name).replace(f"Explain {decision[2:8]}", f"Explain {name}")
        line = line.replace(decision[2:8], name)
    line = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME", line)
    line = re.sub(r"\bu_[0-9a-f]{15}\b", "UNDO", line)
    line = re.sub(r"#\d+ +(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\b", "#N TIME", line)
    line = re.sub(r"(\bby \w+ · )\d+ s\b", r"\1SOON", line)
    line = re.sub(r"\b\d+ ms\b", "N ms", line.replace(home, "HOME"))
    # How far the sweep and the telling are a blink after the fence is a matter of the machine's load.
    line = re.sub(r"What (was|is) under way (has been|is being) ended", "What is under way is ended", line)
    line = re.sub(r"the engine (has it in the journal|is being told)", "the engine is told", line)
    line = re.sub(r"\b(\d+ (d|h|min|s) ?){1,2}ago\b", "SOON ago", line)
    line = re.sub(r"\b23 h 5\d min\b", "23 h 59 min", line)
    line = re.sub(r"\b([A-Z2-7]{4} ){7}[A-Z2-7]{4}\b", "SEED", line)
    line = re.sub(r"\b[A-Z2-7]{32}\b", "SEED", line)
    line = re.sub(r"\b[0-9a-f]{12,64}\b", "HASH", line)
    line = re.sub(r"\br[0-9a-f]{6}\b", "JOB", line)
    line = re.sub(r"\bs_[0-9a-f]{8}\b", "STANDING", line)
    line = re.sub(r"\b[a-z2-7]{4}-[a-z2-7]{4}\b", "CODE", line)
    line = re.sub(r"stranger:HASH", "stranger", line)
    line = re.sub(r"\b(at|this|Here|at:|Here:) (terminal|slack|discord)\b", r"\1 FRONT", line)
    line = re.sub(r"\brecord [\d,]+", "record N", line)
    return re.sub(r"^(\s*)[\d,]+\s+TIME", r"\1N  TIME", line)
