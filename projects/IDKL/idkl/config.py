"""Every config key of IDKL, with its place in the paper."""

from __future__ import annotations

from fastreid.config import CfgNode

from datasets_ext import add_cross_modality_config


def add_idkl_config(cfg: CfgNode) -> None:
    """Add the keys of IDKL, and those of cross-modality data, to a fast-reid config, in place."""
    add_cross_modality_config(cfg)
    # Memory for time, in training: ResNet stages (0 the stem, 1 to 4) whose activations are computed again in the
    # backward pass, block by block, instead of kept; results stay the same to the bit.
    cfg.MODEL.BACKBONE.CHECKPOINT_STAGES = ()
    # Parts in which a batch runs through the backbone, one in memory at a time; each has as many visible as infrared
    # images. The losses see the whole batch; only the backbone's BN statistics become those of a part, and its running
    # statistics are updated once a part.
    cfg.MODEL.BACKBONE.CHUNKS = 1
    # Rank lists and histograms at each evaluation in a training, and features for the projector at the last one, for
    # TensorBoard: in OUTPUT_DIR/pictures, about a second and 0.4 MB each, and 2 MB at the end.
    cfg.TEST.PICTURES = True
    cfg.MODEL.IDKL = idkl = CfgNode()
    # Open in the paper: at which ResNet stages (3, 4) a modality discriminator and confuser sit (section 3.1, j).
    idkl.STAGES = (4,)
    # Open in the paper: strength of the confuser's reversed gradient (eq. 2).
    idkl.REVERSAL_SCALE = 1.0
    # Reduction ratio r of the purifier's masks (section 3.2).
    idkl.PURIFIER_REDUCTION = 16
    # Open in the paper: what is distilled into the shared branch, the "purified" or the plain "specific" feature
    # (section 3.3). Without the purifier (WEIGHTS.IP 0) it is the specific one either way.
    idkl.TEACHER = "purified"
    # "mean" over the rows of TGSA, CSA and MDR, so that no term grows with the batch; "sum" is what eq. 16-20 print.
    idkl.REDUCTION = "mean"
    # With several processes: losses over the whole batch of all processes, with gradients, as one process computes
    # them; False: each process by itself.
    idkl.GATHER = True
    # The weight of each term. 0 switches the term off: it is not computed.
    idkl.WEIGHTS = weights = CfgNode()
    weights.REID_SHARED = 1.0  # L_reid(f_sh), eq. 5
    weights.REID_SPECIFIC = 1.0  # L_reid(f_sp), eq. 5
    weights.CONFUSER = 1.0  # L_C, eq. 2 and 4
    weights.DISCRIMINATOR = 1.0  # L_D, eq. 3 and 4
    weights.IP = 0.1  # lambda_1 of eq. 21, times the three terms of L_ip below; 0: no purifier is built
    weights.ENHANCE = 1.0  # L_e within L_ip, eq. 10
    weights.REDUCE = 1.0  # L_r within L_ip, eq. 11
    weights.REID_PURIFIED = 1.0  # L_reid(purified) within L_ip, eq. 13
    weights.TGSA = 0.6  # lambda_2 of eq. 21: graph distillation between branches, eq. 17
    weights.CSA = 0.8  # lambda_3 of eq. 21: logit distillation between branches, eq. 19
    weights.MDR = 1.0  # modality discrepancy reduction within the shared branch, eq. 20
