"""The network of IDKL. Importing this package registers its backbone, head and meta-architecture in fast-reid."""

from .backbone import DualStreamFeatures, DualStreamResNet, build_dual_stream_resnet_backbone
from .gradient_reversal import GradientReversal
from .head import IDKLHead
from .meta_arch import IDKL
from .purifier import InformationPurifier

__all__ = [
    "IDKL",
    "DualStreamFeatures",
    "DualStreamResNet",
    "GradientReversal",
    "IDKLHead",
    "InformationPurifier",
    "build_dual_stream_resnet_backbone",
]
