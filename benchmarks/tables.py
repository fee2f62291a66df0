"""Medians, their spread and ratios within a round, as Markdown."""

import statistics


def values(rounds, value):
    """A number of each round: `value` is a key of the results, or a function of one."""
    take = value if callable(value) else lambda result: result.get(value)
    return [take(result) for result in rounds if "failed" not in result]


def ratio(rounds, others, value):
    """The median over the rounds of a contender's value by another's in the same round.

    Example:

    >>> ratio([{"rate": 30}, {"rate": 10}], [{"rate": 10}, {"rate": 10}], "rate")
    2.0
    """
    pairs = zip(values(rounds, value), values(others, value), strict=False)
    pairs = [a / b for a, b in pairs if a is not None and b]
    return statistics.median(pairs) if pairs else None


def table(results, value, baseline, unit="", higher_is_better=True, also=None):
    """Rows of median, least, most and the ratio to the baseline, best first, as Markdown.

    Args:
        results: as `run` returns them.
        value: a key of the results, or a function of one.
        baseline: name of the contender that the ratios are to.
        unit: of the value.
        higher_is_better: whether the largest median comes first, or the smallest.
        also: `{heading: key or function}` of further columns, of which the medians are shown.
    """
    also, sign = also or {}, -1 if higher_is_better else 1
    heads = [f"median{unit and ', ' + unit}", "least", "most", f"÷ {baseline}", *also]
    lines = [f"| | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    middle = {name: median(values(rounds, value)) for name, rounds in results.items()}
    fine = {name: m for name, m in middle.items() if m is not None}
    for name in sorted(fine, key=lambda name: sign * fine[name]):
        rounds = results[name]
        spread = [v for v in values(rounds, value) if v is not None]
        cells = [fine[name], min(spread), max(spread)]
        cells = [number(cell) for cell in cells]
        cells.append(number(ratio(rounds, results.get(baseline, []), value), digits=2))
        cells += [number(median(values(rounds, column))) for column in also.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for name in (name for name in results if name not in fine):
        why = next((result["failed"] for result in results[name] if "failed" in result), "no value")
        lines.append(f"| {name} | failed: {why.replace('|', '/')} |" + " |" * (len(heads) - 1))
    return "\n".join(lines)


def median(numbers):
    """Their median without those that are None; None of nothing."""
    numbers = [x for x in numbers if x is not None]
    return statistics.median(numbers) if numbers else None


def number(x, digits=None):
    """Three figures, thousands apart; a dash for None.

    Example:

    >>> number(12345.6), number(0.01234), number(7.0), number(2.5, digits=2), number(None)
    ('12,346', '0.0123', '7.00', '2.50', '–')
    """
    if x is None:
        return "–"
    whole = len(str(int(abs(x)))) if abs(x) >= 1 else 0
    small = 4 if 0 < abs(x) < 0.1 else 3
    return f"{x:,.{max(small - whole, 0) if digits is None else digits}f}"


def between(page, begin, end, text):
    """A page with `text` between the lines `begin` and `end`, in place of what stood there.

    Raises:
        ValueError: the page does not hold each of the two once.

    Example:

    >>> between("A<!-->old<-->Z", "<!-->", "<-->", "new").split()
    ['A<!-->', 'new', '<-->Z']
    """
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"the page must hold the lines {begin} and {end}, once each")
    return f"{page.split(begin)[0]}{begin}\n{text}\n{end}{page.split(end)[1]}"
