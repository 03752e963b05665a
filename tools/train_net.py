#!/usr/bin/env python
"""Train or evaluate a visible-infrared person re-identification model.

    python tools/train_net.py --config-file projects/IDKL/configs/sysu.yml
    python tools/train_net.py --config-file projects/IDKL/configs/sysu.yml --resume
    python tools/train_net.py --config-file projects/IDKL/configs/sysu.yml --eval-only MODEL.WEIGHTS model.pth
    python tools/train_net.py --config-file projects/IDKL/configs/sysu.yml --num-gpus 4
    torchrun --nproc-per-node 4 tools/train_net.py --config-file projects/IDKL/configs/sysu.yml

Anything in the config can be overridden at the end: KEY VALUE KEY VALUE ...
"""

from __future__ import annotations

from functools import partial

from datasets_ext.errors import run_program
from idkl.engine.main import main
from idkl.visualization.tensorboard import evaluation_pictures

if __name__ == "__main__":
    run_program(partial(main, make_hooks=evaluation_pictures))
