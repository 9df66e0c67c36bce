"""Reads an exposition on standard input as Prometheus would, and prints it as JSON."""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

families = {}
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.name not in families, f"{family.name} is there twice"
    assert family.type in ("counter", "gauge", "histogram"), (family.name, family.type)
    assert family.documentation, f"{family.name} is not described"
    seen = set()
    for sample in family.samples:
        key = (sample.name, tuple(sorted(sample.labels.items())))
        assert key not in seen, f"{key} is there twice"
        seen.add(key)
    # The parser takes the ending of counters off; documents have it.
    name = family.name + ("_total" if family.type == "counter" else "")
    families[name] = [[sample.name, sample.labels, sample.value] for sample in family.samples]
json.dump(families, sys.stdout)
