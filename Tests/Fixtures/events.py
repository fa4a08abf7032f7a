"""Writes events.tfevents: an event file as TensorBoard's own record writer makes it, with fixed times.

Pinned: tensorboard 2.21.0.
Run: python Tests/Fixtures/events.py
"""

import pathlib

import tensorboard
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

assert tensorboard.__version__ == "2.21.0", tensorboard.__version__


def scalars(step, wall_time, values):
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values])
    return Event(step=step, wall_time=wall_time, summary=summary)


def main():
    start = SessionLog(status=SessionLog.START)
    events = [
        Event(wall_time=1700000000.25, file_version="brain.Event:2"),
        Event(wall_time=1700000000.25, session_log=start),
        # Step 0 is the default and absent; a number in a oneof is written even if 0.
        scalars(0, 1700000001.5, [("eval_loss", 0.6931471805599453), ("eval_rewards/margins", 0.0)]),
        scalars(1, 1700000002.0, [("loss", 0.5), ("rewards/margins", -1e-3), ("num_tokens", 123456789)]),
        scalars(300, 1700000003.0, [("größe 🐟", 1e-300), ("x" * 200, 3.4028234e38)]),
        Event(wall_time=1700000004.0, step=70000, session_log=start),
        scalars(2**40, 1700000005.0, []),
    ]
    with pathlib.Path(__file__).with_name("events.tfevents").open("wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())
        writer.flush()


main()
