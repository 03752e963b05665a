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
    # Where the stem's 3x3 max-pooling windows lie: "ceil" from the first pixel on, as in fast-reid, or "padded" by a
    # pixel on every side, as in torchvision and in the authors' released code.
    cfg.MODEL.BACKBONE.MAX_POOL = "ceil"
    # Rank lists and histograms at each evaluation in a training, and features for the projector at the last one, for
    # TensorBoard: in OUTPUT_DIR/pictures, about a second and 0.4 MB each, and 2 MB at the end.
    cfg.TEST.PICTURES = True
    cfg.MODEL.IDKL = idkl = CfgNode()
    # Open in the paper: what a modality discriminator and confuser are.
    idkl.MODALITY = modality = CfgNode()
    # "linear": one layer on a stage's pooled map; "mlp": three layers with BN and dropout on the BN-neck feature of the
    # last stage.
    modality.CLASSIFIER = "linear"
    modality.HIDDEN = (1024, 512)  # neurons of the two hidden layers of "mlp"
    modality.DROPOUT = 0.5  # after each hidden layer of "mlp"
    # Open in the paper: at which ResNet stages (3, 4) a modality discriminator and confuser sit (section 3.1, j).
    idkl.STAGES = (4,)
    # How the shared branch unlearns the modality: "reversal" of the confuser's gradient (eq. 2), or cross-entropy
    # against "rolled" labels, which alternate from row to row and say nothing of the modality.
    idkl.CONFUSER = "reversal"
    # Open in the paper: strength of the confuser's reversed gradient (eq. 2).
    idkl.REVERSAL_SCALE = 1.0
    # Not in the paper: epochs over which that strength grows from 0, as in the domain-adversarial training that the
    # reversal comes from; 0: it is constant.
    idkl.REVERSAL_RAMP = 0.0
    # The purifier (section 3.2): "pooled" has one mask value a channel, from pooled maps, and an instance norm without
    # affine part (eq. 7 and 8); "positional" has one at every position, from 1x1 convolutions, and an affine instance
    # norm with running statistics.
    idkl.PURIFIER = "pooled"
    # Reduction ratio r of the purifier's masks (section 3.2).
    idkl.PURIFIER_REDUCTION = 16
    # Whose logits L_e compares (eq. 10): those of the "specific" classifier C_sp, behind its BN-neck, or of an "own"
    # one on the pooled features, which nothing else trains.
    idkl.ENTROPY_CLASSIFIER = "specific"
    # What L_e and L_r make of the difference that should be negative: "softplus" (eq. 10 and 11), "relu", or
    # "exp_relu", which is exp(relu(x)) - 1.
    idkl.ENHANCE_PENALTY = "softplus"
    idkl.REDUCE_PENALTY = "softplus"  # as above
    # Open in the paper: what is distilled into the shared branch, the "purified" or the plain "specific" feature
    # (section 3.3). Without the purifier (WEIGHTS.IP 0) it is the specific one either way.
    idkl.TEACHER = "purified"
    # Open in the paper: False lets the distillation's gradient flow into the teacher, too (eq. 17 and 19, which print
    # no stop); True keeps it from there.
    idkl.DETACH_TEACHER = False
    # "mean" over the rows of TGSA, CSA and MDR, so that no term grows with the batch; "sum" is what eq. 16-20 print.
    idkl.REDUCTION = "mean"
    # How the graph affinities of TGSA and MDR are scaled (eq. 15).
    idkl.AFFINITY = affinity = CfgNode()
    affinity.NORMALIZE = False  # distances of features of length 1; the paper's are raw, and reach hundreds
    affinity.SELF_ENTRIES = True  # a row's entry for itself counts in its softmax
    affinity.TEMPERATURE = 1.0  # what distances are divided by before the softmax; 1 in the paper
    # Which graphs TGSA aligns (eq. 16): beside the two self-affinities the "true" cross affinity, that of a "mixed"
    # batch of half the rows of each, or "none".
    idkl.GRAPH = graph = CfgNode()
    graph.ACROSS = "true"  # between teacher and student (eq. 17)
    graph.WITHIN = "true"  # between visible and infrared in the shared branch (eq. 20)
    graph.SYMMETRIC = False  # each divergence both ways
    # How logits are aligned, between the branches (eq. 19) and within the shared one (eq. 20).
    idkl.LOGITS = logits = CfgNode()
    logits.SYMMETRIC = False  # the divergence both ways
    logits.CONCATENATED = False  # the same again on an identity's logits, concatenated to one row
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
    weights.MDR = 1.0  # modality discrepancy reduction within the shared branch, eq. 20, times its two terms below
    weights.MDR_GRAPH = 1.0  # the graph term within L_mdr, eq. 20
    weights.MDR_LOGITS = 1.0  # the logit term within L_mdr, eq. 20
