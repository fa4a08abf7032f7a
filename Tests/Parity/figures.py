"""Lines of figures, each below its limit, and of what must be true."""


class Figures:
    def __init__(self, limits, width):
        self.limits, self.width, self.failures = limits, width, 0

    def report(self, name, **figures):
        bad = [key for key, value in figures.items()
               if not (value if isinstance(value, bool) else value <= self.limits[key])]
        self.failures += len(bad)
        shown = ", ".join(f"{k} {v if isinstance(v, bool) else f'{v:.1e}'}" for k, v in figures.items())
        print(f"{name:{self.width}s} {shown}{'   FAILED: ' + ', '.join(bad) if bad else ''}", flush=True)
