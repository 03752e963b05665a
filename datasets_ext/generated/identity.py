"""What makes one generated person that person: cues in three groups, by the modality that shows them.

* :class:`SharedCues`: seen in both modalities: build, hair shape, garment types, pattern geometry and pigment, bag.
* :class:`ColorCues`: seen only in visible images: the hue and lightness of every surface, coloured trim.
* :class:`InfraredCues`: seen only in infrared images: how strongly each material reflects near-infrared light (drawn
  independently of its colour, as with real textile dyes), a reflective strip, a woven pattern.

Lengths are in units of the body height. The split is the premise of IDKL: a person is recognised across modalities by
the shared group, while the other two are knowledge of one modality alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from datasets_ext.errors import UserError
from datasets_ext.generated.color import RGB

HAIR = ("short", "long", "bob", "ponytail", "bun", "afro", "bald", "cap", "beanie")
UPPERS = ("tshirt", "shirt", "jacket", "hoodie", "coat", "dress", "vest")
PATTERNS = ("plain", "horizontal", "vertical", "checks", "print", "halves", "sash")
PRINTS = ("disc", "square", "triangle", "cross", "ring", "bar")
LOWERS = ("trousers", "wide", "leggings", "shorts", "skirt", "long_skirt")
LOWER_PATTERNS = ("plain", "side", "cuffs", "knees")
BAGS = ("none", "backpack", "shoulder", "tote", "waist")
STRIPS = ("none", "chest", "arms", "shins")
WEAVES = ("none", "bands", "grid")


@dataclass(frozen=True)
class CueStrength:
    """How much of each cue group tells identities apart, each in 0..1: at 0 the group is the same for everybody.

    ``specific`` is how far the cues are those of one modality (see :mod:`.sight`): 0 every cue in both, 1 as many as
    possible in one only; at 0.5 the groups are as described above.
    """

    shared: float = 1.0
    color: float = 1.0
    infrared: float = 1.0
    specific: float = 0.5

    def __post_init__(self) -> None:
        """Raises UserError for a strength outside 0..1."""
        for strength in fields(self):
            value = getattr(self, strength.name)
            if not 0.0 <= value <= 1.0:
                raise UserError(f"cue strength '{strength.name}' is {value}: give a number from 0 to 1")


@dataclass(frozen=True)
class SharedCues:
    """Shape and geometry, visible in both modalities."""

    build: float  # width of torso and limbs, 1 is average
    shoulders: float  # extra width of the shoulders, 1 is average
    leg_length: float  # height of the hip joint
    head: float  # size of the head, 1 is average
    hair: str
    upper: str
    sleeves: str  # "none", "short" or "long"
    contrast_sleeves: bool  # sleeves in the accent of the upper garment
    pattern: str
    light_pattern: bool  # a white pigment edged in black, or the reverse: pigments keep their brightness in infrared
    pattern_count: int  # stripes, bands or checks over the garment
    print_shape: str
    print_on_back: bool
    lower: str
    lower_pattern: str  # down the side, the lower third, or a band
    light_lower_pattern: bool
    shoe_height: float  # height of the shaft: low shoes or boots
    bag: str
    bag_side: int  # +1 left, -1 right
    bag_size: float
    scarf: bool


@dataclass(frozen=True)
class ColorCues:
    """Visible colours, RGB in 0..1."""

    skin: RGB
    hair: RGB
    upper: RGB
    accent: RGB  # hue of the pattern on the upper garment; its brightness is a shared cue
    lower: RGB
    stripe: RGB  # hue of the pattern on the lower garment
    shoes: RGB
    bag: RGB
    scarf: RGB
    trim: RGB  # collar, hem and cuffs; in infrared they look like the garment


@dataclass(frozen=True)
class InfraredCues:
    """Near-infrared reflectances in 0..1, and marks that only infrared light shows."""

    hair: float
    upper: float
    lower: float
    shoes: float
    bag: float
    scarf: float
    strip: str  # where a retro-reflective strip is sewn on
    weave: str  # structure of the lower garment's cloth
    weave_step: float  # change of reflectance in the weave


@dataclass(frozen=True)
class Sight:
    """The cues of one person that are seen by other modalities than their group says, by the names of :mod:`.sight`."""

    common: frozenset[str] = frozenset()  # of one modality, and yet shown by both
    only_visible: frozenset[str] = frozenset()  # shared, and yet hidden in infrared
    only_infrared: frozenset[str] = frozenset()  # shared, and yet hidden in visible light


@dataclass(frozen=True)
class Identity:
    """One person: the three groups of cues, and who sees them."""

    shared: SharedCues
    color: ColorCues
    infrared: InfraredCues
    sight: Sight = field(default_factory=Sight)
