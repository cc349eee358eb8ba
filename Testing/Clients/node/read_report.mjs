// Prints what OHIF's viewer lists of a DICOM report, as JSON: node read_report.mjs REPORT PLANES
// PLANES: a JSON file with each image's plane by "SOPInstanceUID:frame".
import { readFileSync } from "node:fs";
import { metaData } from "@cornerstonejs/core";
import { adaptersSR } from "@cornerstonejs/adapters";
import { data } from "dcmjs";

const [report, planesFile] = process.argv.slice(2);
const planes = JSON.parse(readFileSync(planesFile));
const read = data.DicomMessage.readFile(new Uint8Array(readFileSync(report)).buffer);
const dataset = data.DicomMetaDictionary.naturalizeDataset(read.dict);
const imageIds = Object.fromEntries(Object.keys(planes).map((key) => [key, key]));
metaData.addProvider((type, id) => (type === "imagePlaneModule" ? planes[id] : undefined));

const { MeasurementReport } = adaptersSR.Cornerstone3D;
const state = MeasurementReport.generateToolState(dataset, imageIds, metaData);
const listed = Object.entries(state).flatMap(([tool, found]) =>
  found.map(({ annotation, finding, findingSites, TrackingUniqueIdentifier }) => ({
    tool,
    trackingUid: TrackingUniqueIdentifier,
    label: annotation.data.label,
    image: annotation.metadata.referencedImageId,
    points: annotation.data.handles.points,
    values: Object.values(annotation.data.cachedStats),
    finding: finding?.[0].CodeMeaning,
    sites: findingSites.map(([site]) => site.CodeMeaning),
  })),
);
console.log(JSON.stringify({ series: dataset.SeriesDescription, listed }));
