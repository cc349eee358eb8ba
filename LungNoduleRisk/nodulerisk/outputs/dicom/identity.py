"""Who made a DICOM file, and the codes and identifiers in it."""

from __future__ import annotations

import uuid

import highdicom as hd
from pydicom.sr.coding import Code

from nodulerisk import __version__
from nodulerisk.nodule.quantities import Code as PlainCode

PRODUCT, MANUFACTURER = "LungNoduleRisk", "LungNoduleRisk developers"
# identifies this software, whatever its version
DEVICE_UID = "2.25.40975642210316461045358409419702036479"
UTF_8 = "ISO_IR 192"


def coded(code: PlainCode) -> Code:
    return Code(code.value, code.scheme, code.meaning)


def made_uid(*words: str) -> str:
    """Returns a UID made from these words (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, ' '.join([DEVICE_UID, *words])).int}"


def instance(series_number: int, what: str) -> dict:
    """Returns the identifiers of a new instance, alone in a new series numbered beyond a scanner's,
    and the software that made it."""
    return {
        "series_instance_uid": hd.UID(),
        "series_number": series_number,
        "series_description": f"{PRODUCT} {what}, research use only",
        "sop_instance_uid": hd.UID(),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": PRODUCT,
        "software_versions": __version__,
        "device_serial_number": DEVICE_UID,
        "specific_character_set": UTF_8,
    }
