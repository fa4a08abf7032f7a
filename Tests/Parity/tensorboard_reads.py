"""TensorBoard reads a run's event files and sees what metrics.jsonl says.

usage: tensorboard_reads.py RUN_DIR

Reads RUN_DIR/tensorboard with TensorBoard's own EventAccumulator, steps that a resumed run repeated purged, and
compares tag by tag with RUN_DIR/metrics.jsonl: the same steps in the same order, the same values rounded to fp32.
Prints one line, exits 1 on failure.
"""
import json
import os
import sys

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

run = sys.argv[1]
expected = {}
with open(os.path.join(run, "metrics.jsonl")) as lines:
    for line in map(json.loads, lines):
        step = line.pop("step")
        for tag, value in line.items():
            expected.setdefault(tag, []).append((step, float(np.float32(value))))

directory = os.path.join(run, "tensorboard")
events = EventAccumulator(directory, size_guidance={SCALARS: 0}).Reload()
assert events.file_version == 2, events.file_version
tags = events.Tags()
assert sorted(tags["scalars"]) == sorted(expected), set(tags["scalars"]) ^ set(expected)
assert not any(tags[kind] for kind in ("images", "audio", "histograms", "tensors")), tags
for tag, points in expected.items():
    found = [(event.step, event.value) for event in events.Scalars(tag)]
    assert found == points, (tag, found, points)
    times = [event.wall_time for event in events.Scalars(tag)]
    assert times == sorted(times) and times[0] > 1.7e9, (tag, times)

count = sum(map(len, expected.values()))
files = len(os.listdir(directory))
print(f"{count} values of {len(expected)} tags in {files} event files equal metrics.jsonl")
