"""Peak memory of a job's processes, sampled ten times a second.

usage: memory.py COMMAND …
       memory.py mpirun -n 2 .build/release/shoal train CONFIG --threads 1
Prints, for every process that held more than 100 MB: anonymous memory at its peak, and the proportional set size then
(pages that several processes map are divided among them, so that shares add up to what is really in use).
"""
import os
import subprocess
import sys
import time


def family(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = [int(child) for child in file.read().split()]
    except OSError:
        children = []
    return [pid] + [member for child in children for member in family(child)]


def kilobytes(path, names):
    try:
        with open(path) as file:
            lines = dict(line.split(":", 1) for line in file if ":" in line)
        return [int(lines[name].split()[0]) for name in names]
    except (OSError, KeyError):
        return [0] * len(names)


def main():
    process = subprocess.Popen(sys.argv[1:])
    peaks, start = {}, time.perf_counter()
    while process.poll() is None:
        for pid in family(process.pid):
            (anonymous,) = kilobytes(f"/proc/{pid}/status", ["RssAnon"])
            if anonymous > peaks.get(pid, (0,))[0]:
                peaks[pid] = (anonymous, *kilobytes(f"/proc/{pid}/smaps_rollup", ["Pss", "Pss_File"]))
        time.sleep(0.1)
    for pid, (anonymous, proportional, file) in sorted(peaks.items()):
        if anonymous > 100_000:
            print(f"process {pid}: anonymous {anonymous * 1024e-9:.2f} GB, proportional {proportional * 1024e-9:.2f} GB, "
                  f"of it {file * 1024e-9:.2f} GB of files")
    print(f"{time.perf_counter() - start:.1f} s, exit {process.returncode}")


if __name__ == "__main__":
    main()
