"""The cameras of the layouts: what light they see, where they stand, and how good they are.

Every value is made up; what is true to the real data sets is the numbers, the modalities and the kind of place.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from datasets_ext.generated.color import RGB


class Band(Enum):
    """The light a camera sees."""

    VISIBLE = 1
    NEAR_INFRARED = 2  # reflected light of a lamp at the camera
    THERMAL = 3  # what warm bodies give off


@dataclass(frozen=True)
class Camera:
    """One fixed camera."""

    number: int
    band: Band
    place: str  # which backdrop
    gain: float
    cast: RGB  # colour of the light
    elevation: float  # see Figure
    blur: float  # standard deviation in pixels
    noise: float  # standard deviation, of 0..1
    view: int = 0  # which arrangement of the place
    heights: tuple[int, int] = (110, 151)  # of a crop in pixels: the least, and the first that is too much
    aspect: tuple[float, float] = (0.42, 0.46)  # width of a crop by its height, least and most

    @property
    def infrared(self) -> bool:
        return self.band is not Band.VISIBLE


_WHITE: RGB = (1.0, 1.0, 1.0)
_LAMP: RGB = (1.12, 0.98, 0.72)  # a sodium lamp's yellow

# As in SYSU-MM01, cameras 1 and 2 are indoor and visible, 3 is indoor and infrared at the place of camera 2, 4 and 5
# are outdoor and visible, 6 is outdoor and infrared in the dark.
SYSU_CAMERAS = {
    camera.number: camera
    for camera in (
        Camera(1, Band.VISIBLE, "hall", 0.92, (1.06, 1.0, 0.9), 0.10, 0.5, 0.015),
        Camera(2, Band.VISIBLE, "corridor", 0.85, (0.95, 1.02, 1.0), 0.16, 0.6, 0.02),
        Camera(3, Band.NEAR_INFRARED, "corridor", 1.0, _WHITE, 0.14, 0.6, 0.025),
        Camera(4, Band.VISIBLE, "street", 1.08, (0.98, 1.0, 1.05), 0.12, 0.5, 0.012),
        Camera(5, Band.VISIBLE, "park", 0.95, (1.02, 1.02, 0.94), 0.18, 0.65, 0.018),
        Camera(6, Band.NEAR_INFRARED, "yard", 0.88, _WHITE, 0.15, 0.65, 0.032),
    )
}

# As in RegDB, a pair of cameras side by side outdoors, and small crops of one size.
REGDB_CAMERAS = tuple(
    Camera(number, band, "street", 1.0, _WHITE, 0.14, blur, noise, view=1, heights=(128, 129), aspect=(0.5, 0.5))
    for number, band, blur, noise in ((1, Band.VISIBLE, 0.6, 0.015), (2, Band.THERMAL, 0.95, 0.008))
)

# As in LLCM, nine cameras in low light; at night all but camera 3 switch to near-infrared.
LLCM_CAMERAS = (
    Camera(1, Band.VISIBLE, "hall", 0.60, (1.08, 1.0, 0.84), 0.10, 0.6, 0.026),
    Camera(2, Band.VISIBLE, "corridor", 0.53, (0.94, 1.02, 0.98), 0.16, 0.7, 0.030),
    Camera(3, Band.VISIBLE, "street", 0.48, _LAMP, 0.12, 0.6, 0.034),
    Camera(4, Band.VISIBLE, "park", 0.41, (0.92, 1.0, 1.1), 0.18, 0.75, 0.038),
    Camera(5, Band.VISIBLE, "street", 0.44, (0.94, 0.98, 1.12), 0.15, 0.65, 0.038, view=1),
    Camera(6, Band.VISIBLE, "hall", 0.51, _LAMP, 0.17, 0.7, 0.030, view=1),
    Camera(7, Band.VISIBLE, "park", 0.46, _LAMP, 0.13, 0.6, 0.038, view=1),
    Camera(8, Band.VISIBLE, "corridor", 0.41, (1.05, 1.0, 0.88), 0.12, 0.6, 0.034, view=1),
    Camera(9, Band.VISIBLE, "yard", 0.53, (0.96, 0.98, 1.08), 0.15, 0.7, 0.041),
    Camera(1, Band.NEAR_INFRARED, "hall", 0.98, _WHITE, 0.10, 0.6, 0.03),
    Camera(2, Band.NEAR_INFRARED, "corridor", 0.92, _WHITE, 0.16, 0.65, 0.032),
    Camera(4, Band.NEAR_INFRARED, "park", 0.84, _WHITE, 0.18, 0.75, 0.04),
    Camera(5, Band.NEAR_INFRARED, "street", 0.90, _WHITE, 0.15, 0.65, 0.035, view=1),
    Camera(6, Band.NEAR_INFRARED, "hall", 0.88, _WHITE, 0.17, 0.7, 0.034, view=1),
    Camera(7, Band.NEAR_INFRARED, "park", 0.94, _WHITE, 0.13, 0.6, 0.036, view=1),
    Camera(8, Band.NEAR_INFRARED, "corridor", 1.0, _WHITE, 0.12, 0.6, 0.03, view=1),
    Camera(9, Band.NEAR_INFRARED, "yard", 0.86, _WHITE, 0.15, 0.7, 0.04),
)
