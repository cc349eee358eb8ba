"""The options of ``assess``, ``explain``, ``follow-up`` and ``cohort``: each is described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

# Of several commands

Ct = Annotated[
    str,
    Argument(
        help="DICOM folder or .zip, NRRD, NIfTI or MetaImage file; or dicomweb://STUDY/SERIES of"
        " the archive, as find lists it."
    ),
]
Series = Annotated[
    str | None,
    Option(help="Which series, if there are several: its UID, or UID#2 as the list names it."),
]
Weights = Annotated[str, Option(help="Weight set: its name or folder.")]
Thresholds = Annotated[
    list[str] | None,
    Option(metavar="TASK=VALUE", help="Your own threshold, such as malignancy=0.3; repeatable."),
]
Device = Annotated[str, Option(help="auto, cpu, cuda or mps.")]
Pacs = Annotated[
    str | None,
    Option(
        envvar="NODULERISK_PACS",
        metavar="URL",
        help="Address of the archive's DICOMweb service, such as https://pacs.example.org/dicom-web;"
        " its password comes from the environment (see Docs/pacs.md).",
    ),
]

# Of assess

Results = Annotated[
    Path,
    Option(help="Folder for the results; with several points, it gets one subfolder per nodule."),
]
PointTexts = Annotated[
    list[str] | None, Option(metavar="X,Y,Z", help="A point on a nodule; repeatable.")
]
PointsFile = Annotated[
    Path | None, Option(help="Slicer markups (.mrk.json, .fcsv) or a .csv with x,y,z.")
]
Ras = Annotated[
    bool, Option("--ras", help="The points are in RAS coordinates, as Slicer shows them.")
]
Lps = Annotated[
    bool, Option("--lps", help="The points are in LPS coordinates, as in DICOM (the default).")
]
Cascade = Annotated[
    bool,
    Option(
        "--cascade",
        help="Run later tasks only if earlier ones are positive (malignant, then invasive); saves"
        " time.",
    ),
]
Stability = Annotated[
    bool,
    Option(
        "--stability",
        help="Test stability: run again with turned cubes and clicks 2 mm off; takes seven times as"
        " long.",
    ),
]
Facts = Annotated[
    list[str] | None,
    Option(
        metavar="NAME=VALUE",
        help="What scores and guidelines need to know, such as age=62, sex=female, smoking=former"
        " or status=baseline; repeatable.",
    ),
]
Dicom = Annotated[
    bool,
    Option(
        "--dicom",
        help="Also write DICOM (SEG and SR); like the CT, these files hold the patient's name and"
        " ID.",
    ),
]
WithIdentity = Annotated[
    bool,
    Option(
        "--identity",
        help="Name the patient, as the DICOM series does, in the reports; otherwise nothing does.",
    ),
]
OnlyJson = Annotated[
    bool,
    Option(
        "--json",
        help="Write only assessment.json, its masks and the table: no page, picture or mesh; takes"
        " two thirds of the time.",
    ),
]

# Of follow-up

Cts = Annotated[
    list[str],
    Argument(
        help="The CTs of a patient, the oldest first: DICOM folder or .zip, NRRD, NIfTI or"
        " MetaImage file; or dicomweb://STUDY/SERIES of the archive, as find lists it."
    ),
]
FollowUpResults = Annotated[Path, Option(help="Folder for the results.")]
PointsOfEach = Annotated[
    list[str] | None,
    Option(
        metavar="FILE",
        help="Nodules of a CT: .mrk.json, .fcsv or .csv (LPS); - for none. Once per CT, in the"
        " order of the CTs.",
    ),
]
PointsBefore = Annotated[
    str | None, Option(metavar="FILE", help="Of two CTs: nodules of the earlier one.")
]
PointsAfter = Annotated[
    str | None, Option(metavar="FILE", help="Of two CTs: nodules of the later one.")
]
Days = Annotated[
    list[float] | None,
    Option(help="Days from a CT to the next, once for each; by default from their DICOM dates."),
]
NamedPairs = Annotated[
    list[str] | None,
    Option(
        metavar="NAME=NAME",
        help="Points that are one nodule, a name for each CT, - where it has none; repeatable."
        " Other points are paired by position.",
    ),
]
FactsOfLast = Annotated[
    list[str] | None,
    Option(
        metavar="NAME=VALUE",
        help="What scores and guidelines need to know, as for assess; the growth is measured;"
        " repeatable.",
    ),
]
SeriesOfEach = Annotated[
    list[str] | None,
    Option(
        help="Which series, if there are several: its UID, or UID#2 as the list names it;"
        " - if there is one. Once per CT."
    ),
]
SeriesBefore = Annotated[str | None, Option(help="Of two CTs: the series of the earlier one.")]
SeriesAfter = Annotated[str | None, Option(help="Of two CTs: the series of the later one.")]
Yes = Annotated[bool, Option("--yes", help="Accept every proposed pair as the same nodule.")]
DicomOfEach = Annotated[
    bool,
    Option(
        "--dicom",
        help="Also write DICOM (SEG and SR) of every scan; a nodule has one tracking UID at all"
        " scans. Like the CTs, these files hold the patient's name and ID.",
    ),
]
EarlierReports = Annotated[
    list[Path] | None,
    Option(
        metavar="FILE",
        help="With --dicom: an SR of one of the scans, written before; its nodules keep their"
        " tracking UIDs. Repeatable.",
    ),
]

# Of cohort

Table = Annotated[Path, Argument(help="CSV or Parquet: case, ct, x, y, z; see Docs/formats.md.")]
CohortResults = Annotated[
    Path,
    Option(help="Folder for the results; give the same folder again to continue a stopped run."),
]
System = Annotated[
    Literal["lps", "ras", "voxel", "slice"] | None,
    Option(help="Coordinate system of all points; by default as the table says, or LPS."),
]
DeviceOfNetworks = Annotated[str, Option(help="Device for the networks: auto, cpu, cuda or mps.")]
Batch = Annotated[
    int | None, Option(min=1, help="Nodules per batch; by default 16 on a GPU, 1 without.")
]
Workers = Annotated[int, Option(min=1, help="Processes on this machine that read CTs.")]
Memory = Annotated[
    str,
    Option(help="Memory limit of each of them, such as 4GiB: a process that takes more is ended."),
]
Scheduler = Annotated[
    str | None,
    Option(
        metavar="tcp://HOST:PORT",
        help="Address of a Dask scheduler to use instead of this machine.",
    ),
]
Dashboard = Annotated[str, Option(help="Address to serve Dask's dashboard at.")]
Masks = Annotated[bool, Option("--masks", help="Also write the masks: one file per CT.")]
SkipBad = Annotated[
    bool,
    Option("--skip-bad", help="Leave out the table's bad rows, and say why, instead of stopping."),
]
Retries = Annotated[int, Option(min=0, help="How often to retry a CT that fails.")]
