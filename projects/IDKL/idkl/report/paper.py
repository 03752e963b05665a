"""What the paper reports, and how it got there: Ren and Zhang, CVPR 2024, section 4.1 and tables 1 to 4.

Data only. Where the authors' released code says otherwise than the text, or says what the text leaves open, that stands
beside it: whoever compares figures needs both.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reported:
    """One setting's figures by metric, in percent."""

    mode: str | None
    shots: int | None
    direction: str | None
    figures: dict[str, float]


@dataclass(frozen=True)
class Dataset:
    """A dataset as the paper tests on it.

    ``gallery`` and ``reranking``: what is known of them, mostly from the released code; ``rule``: our name for it;
    ``code_input``: height and width in that code; ``queries``: None where the two directions differ.
    """

    name: str
    table: int
    reported: tuple[Reported, ...]
    test_identities: int
    queries: int | None
    gallery: str
    reranking: str
    code_input: tuple[int, int]
    rule: str | None


DATASETS = {
    "sysu": Dataset(
        "SYSU-MM01",
        1,
        (
            Reported(
                "all", 1, "infrared-to-visible", {"Rank-1": 81.42, "Rank-10": 97.38, "Rank-20": 98.89, "mAP": 79.85}
            ),
            Reported(
                "all", 10, "infrared-to-visible", {"Rank-1": 84.34, "Rank-10": 98.89, "Rank-20": 99.73, "mAP": 78.22}
            ),
            Reported(
                "indoor", 1, "infrared-to-visible", {"Rank-1": 87.14, "Rank-10": 98.28, "Rank-20": 99.26, "mAP": 89.37}
            ),
            Reported(
                "indoor", 10, "infrared-to-visible", {"Rank-1": 94.30, "Rank-10": 99.71, "Rank-20": 99.93, "mAP": 88.75}
            ),
        ),
        96,
        3803,
        "the dataset's official permutation file",
        "not mentioned; always on in the released code, with neighbours taken among the queries only",
        (384, 144),
        "official",
    ),
    "regdb": Dataset(
        "RegDB",
        2,
        (
            Reported(None, None, "visible-to-infrared", {"Rank-1": 94.72, "mAP": 90.19}),
            Reported(None, None, "infrared-to-visible", {"Rank-1": 94.22, "mAP": 90.43}),
        ),
        206,
        2060,
        "all images of the other modality; the released code runs split 1 of the ten only",
        "not mentioned; a switch in the released code",
        (256, 128),
        None,
    ),
    "llcm": Dataset(
        "LLCM",
        3,
        (
            Reported(None, None, "visible-to-infrared", {"Rank-1": 72.22, "mAP": 66.43}),
            Reported(None, None, "infrared-to-visible", {"Rank-1": 70.72, "mAP": 65.19}),
        ),
        351,
        None,
        "all images of the gallery side, in one trial; the table's other rows are on drawn galleries",
        "not mentioned; always on in the released code",
        (384, 144),
        "full",
    ),
}

# Table 4: rank-1 and mAP on SYSU-MM01, all-search, single-shot, by the name of the row's config in configs/ablation.
ABLATION = {
    "row1_base": {"Rank-1": 67.60, "mAP": 66.47},
    "row2_tgsa": {"Rank-1": 68.38, "mAP": 67.30},
    "row3_ip_tgsa": {"Rank-1": 76.40, "mAP": 74.83},
    "row4_ip_csa": {"Rank-1": 76.28, "mAP": 74.34},
    "row5_ip_mdr": {"Rank-1": 77.04, "mAP": 75.66},
    "row6_idkl": {"Rank-1": 81.42, "mAP": 79.85},
}

# Without re-ranking, as a later paper's table lists IDKL on SYSU-MM01, single-shot: rank-1 and mAP by mode.
PLAIN_BY_OTHERS = {"all": (70.8, 68.5), "indoor": (79.9, 82.7)}

DEPTH = "50x"
INPUT = (384, 128)
BATCH = 120
IMAGES_PER_IDENTITY = 10
OPTIMIZER = "Adam"
LEARNING_RATE = 3e-5
STEPS = (60, 100)
GAMMA = 0.1
WEIGHTS = {"IP": 0.1, "TGSA": 0.6, "CSA": 0.8}
TRIALS = 10
