"""Values of elementary functions, rounded exactly, by mpmath with 1400 bits.

usage: elementary.py [--constants]          (mpmath 1.3.0)

Writes elementary.json beside this file: of each function [arguments …, value, rest] with value + rest units of its last
place = f(arguments). With --constants prints the constants of Sources/Tensors/Double+*.swift instead.
"""
import json
import math
import os
import random
import sys

import mpmath as mp

mp.mp.prec = 1400
SUBNORMAL = 5e-324
LARGEST = sys.float_info.max


def value(function, *arguments):
    exact = function(*map(mp.mpf, arguments))
    # float() of mpmath rounds once, but for subnormal numbers.
    rounded = float(mp.nint(exact / SUBNORMAL)) * SUBNORMAL if abs(exact) < 2.0 ** -1022 else float(exact)
    return [*arguments, rounded, float("%.4f" % ((exact - rounded) / mp.mpf(math.ulp(rounded))))]


def neighbours(x):
    return [math.nextafter(x, -math.inf), x, math.nextafter(x, math.inf)]


def cases():
    draw = random.Random(17)

    def scaled(low, high, count):
        """Both signs, all sizes from 2^low to 2^high."""
        return [draw.choice([-1, 1]) * 2.0 ** draw.uniform(low, high) for _ in range(count)]

    def uniform(low, high, count):
        return [draw.uniform(low, high) for _ in range(count)]

    half_logs = [x for k in (-60, -3, -2, -1, 0, 1, 2, 9, 500) for x in neighbours((k + 0.5) * math.log(2))]
    yield "exp", mp.exp, [
        [x] for x in uniform(-745, 709.7, 60) + uniform(-1, 1, 40) + scaled(-60, -1, 20) + uniform(-745, -708, 20)
        + half_logs + [709.782712893384, -708.3964185322641, -745.1332191019411]]
    yield "expm1", mp.expm1, [
        [x] for x in uniform(-45, 45, 30) + uniform(-1.1, 1.1, 60) + scaled(-60, 0, 40) + uniform(40, 709, 5)
        + half_logs[:-3] + [0.3491257577646545]]
    roots = [x for y in (1, 2, 0.5, 2 ** 0.5, 0.5 ** 0.5, 1.4245483196547357) for x in neighbours(y)]
    yield "log", mp.log, [
        [abs(x)] for x in scaled(-1074, 1023, 60) + uniform(0.5, 2, 60) + roots + [SUBNORMAL, LARGEST]
        if x != 1]
    yield "log1p", mp.log1p, [
        [x] for x in scaled(-60, -1, 50) + uniform(-1, 3, 50) + [abs(x) for x in scaled(1, 1023, 20)]
        + [x - 1 for x in roots if x != 1] + neighbours(0.25) + neighbours(-0.25) + [LARGEST]]
    # Multiples of π/4 are the ends of the polynomials, and where most is cancelled; the last is the worst of all.
    angles = uniform(-10, 10, 40) + uniform(-1e6, 1e6, 40) + scaled(20, 1023, 20) + scaled(-30, 0, 20)
    angles += [x for k in (1, 2, 3, 4, 5, 7, 31, 99999) for x in neighbours(k * math.pi / 4)]
    angles += [-2.364315668904844, 69059.27510937427, 6381956970095103.0 * 2.0 ** 797]
    yield "cos", mp.cos, [[x] for x in angles]
    yield "sin", mp.sin, [[x] for x in angles]
    powers = [[theta, 2 * i / 64] for theta in (1e4, 5e5, 1e6, 1e7) for i in range(1, 64, 5)]
    powers += [[abs(x), y] for x, y in zip(scaled(-30, 30, 50), uniform(-23, 23, 50))]
    powers += [[x, y] for x, y in zip(uniform(0.5, 2, 30), uniform(-700, 700, 30))]
    powers += [[1 + x, y] for x, y in zip(scaled(-50, -20, 10), scaled(10, 25, 10))]
    powers += [[-1.5, 7.0], [-1.5, -8.0], [SUBNORMAL, 0.5], [SUBNORMAL, -0.9], [2.0, 1023.0], [1e-200, 1.6], [1e-9, 35.5]]
    yield "pow", mp.power, powers


def constants():
    two = mp.floor(mp.log(2) * 2 ** 42) / 2 ** 42
    print("log 2:", float(two).hex(), float(mp.log(2) - two).hex())
    print("1 / log 2:", float(1 / mp.log(2)).hex())
    for n in (3, 5):
        part = mp.mpf(1.0 / n)
        print(f"1 / {n}:", float(part).hex(), float(mp.mpf(1) / n - part).hex())
    print("√½:", float(mp.sqrt(0.5)).hex(), " π/4:", float(mp.pi / 4).hex())
    print("π/2 · 2^63: %X" % int(mp.nint(mp.pi / 2 * 2 ** 63)))
    digits = int(mp.floor(2 / mp.pi * mp.mpf(2) ** (64 * 19)))
    print("2/π:", *("%016X" % (digits >> 64 * (18 - i) & 2 ** 64 - 1) for i in range(19)))


def main():
    if sys.argv[1:] == ["--constants"]:
        constants()
        return
    found = {name: [value(function, *case) for case in listed] for name, function, listed in cases()}
    with open(os.path.splitext(os.path.abspath(__file__))[0] + ".json", "w") as file:
        json.dump(found, file, separators=(",", ":"))
        file.write("\n")


main()
