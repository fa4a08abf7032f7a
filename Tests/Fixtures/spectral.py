"""Singular values and QR factors of matrices that the tests know by a formula, by torch in float64.

usage: spectral.py          (torch 2.13.0)

Writes spectral.json beside this file. Of each shape: all singular values, and the first columns of Q and rows of R of W = Q R
"""
import json
import os

import torch

RANK = 5


def weight(rows, columns):
    i, j = torch.arange(rows)[:, None], torch.arange(columns)[None, :]
    return ((i * 7919 + j * 104729 + i * j * 31 + i * i * j * 17) % 2003).double() / 2003 - 0.5


def main():
    cases = []
    for rows, columns in ((40, 27), (21, 150), (33, 33), (3, 70)):
        w = weight(rows, columns).float().double()
        q, r = torch.linalg.qr(w)
        cases.append({
            "rows": rows, "columns": columns, "singular": torch.linalg.svdvals(w).tolist(),
            "q": q[:, :RANK].T.flatten().tolist(), "r": r[:RANK].flatten().tolist()})
    with open(os.path.splitext(os.path.abspath(__file__))[0] + ".json", "w") as file:
        json.dump({"rank": RANK, "cases": cases}, file)
        file.write("\n")


main()
