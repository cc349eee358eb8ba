<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de_DE" sourcelanguage="en_US">
  <context>
    <name>LungNoduleRisk</name>
    <message>
      <source>&amp;3D page</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>&amp;Assess nodules</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>&amp;Delete</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>&amp;Points:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>&amp;Try it</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>&amp;Undo</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>&amp;Weights:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>3D page</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>A list with one point on each nodule.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>A pseudonym, never a name or an ID. Needed where a patient has several CTs.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Advanced</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Align the lungs, confirm which nodules are the same, and see how they changed. Compare with several earlier CTs, one after another, for a growth curve.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>An earlier CT of the patient, with its nodules assessed.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Annotate</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Any note. Do not identify the patient: the note is exported.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Assess each nodule again with the image turned and with the point 2 mm off. This takes several times as long.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Assess nodules</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>C&amp;ompare</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Ca&amp;ncel</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Cancel</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Cascade</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Chart</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Check</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Chest &amp;CT:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Chest CT</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Click on each nodule in the slices to place a point. Press this button again, or right-click, to stop.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Compare</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Compare every file's SHA-256 with the card.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Copy table</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Copy the results of all nodules as a table, to paste into a spreadsheet (Ctrl+C in the list).</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Correct &amp;mask</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Correct mask</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Correct the nodule's mask in the Segment Editor. It is then measured again.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>DICOM</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>DICOM…</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Days between the CTs</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Days between:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Days from the earlier CT to this one; from the DICOM dates where both were loaded from Slicer's DICOM database.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Delete</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Delete an imported weight set.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Delete the nodule's point and its results (Del).</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Device</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Earlier CT</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Earlier CT:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Evidence of the labels</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Expla&amp;in</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Explain</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Export labels (CSV)</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Export labels (CSV)…</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Export samples</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Export samples…</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Follow-up</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>How much the masks cover of the CT in the slices.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Import</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Import a folder with the authors' Keras files (.h5).</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Import…</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Install</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Install what is missing, after asking.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Install…</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Invasiveness is assessed only for nodules called malignant, and grade only for those called invasive.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>La&amp;bel:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Label</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Labels from:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>List the Python packages that the module needs.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Load a bundled CT with a point on its nodule: thin slices, or by the arrow thick ones. Nothing is downloaded.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Lung Nodule Risk</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Masks:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Name the patient in reports</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Ne&amp;xt</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Next</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Nodule</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Nodules</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Note</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Note:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Nothing was tested: {names} must be installed first. Press Install in the module's section Advanced.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>One row per nodule. Click a row to see the nodule in the slices and in 3D; press Del to delete it.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Opacity of the masks</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>P&amp;lace points</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>P&amp;revious</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Packages:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Patient's pseudonym</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Patient, for scores and guidelines</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Patient:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Place a point on each lung nodule of a chest CT, and see its mask and the probabilities that it is malignant, invasive, and of which grade, with the evidence behind each number. &lt;b&gt;Research use only: not a medical device, not for diagnosis.&lt;/b&gt; See the &lt;a href="{homepage}"&gt;documentation&lt;/a&gt;.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Place points</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Points</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Previous</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Progress</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Reader</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Reader:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Report</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Reports say the patient's name, ID and birth date, as the CT's DICOM files do. Otherwise nothing identifies the patient.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Report…</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Run later tasks only if earlier ones are positive</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Same nodules:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Segment each nodule and assess it with the networks.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Show card</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Show the CT in a usual window.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Show the next nodule (Alt+Down).</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Show the nodule's mesh and slices as an interactive page.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Show the previous nodule (Alt+Up).</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Show the probabilities of all nodules as a chart.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Show where a network looked, by Grad-CAM: an explanation, not evidence. Needs the package monai.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Stability</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Status</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Stop the assessment. Nodules assessed so far are kept.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Test stability</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>The CT with the nodules, in Hounsfield units.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>The evidence behind the labels.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>The networks are those of &lt;a href="https://doi.org/10.1038/s41746-023-00866-z"&gt;EMV-3D-CNN&lt;/a&gt; and &lt;a href="https://doi.org/10.1158/0008-5472.CAN-18-0696"&gt;DenseSharp&lt;/a&gt;, as published. Their authors' own weights are not included; those of EMV-3D-CNN are for research only and protected by a patent.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>The networks to use, and the evidence behind their numbers. See Advanced for details.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>The reader's pseudonym.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>The weight set's networks, evidence, licence and held-out results.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Try it</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Undo</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Undo placing, deleting or assessing.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Verify</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Weight set</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Weight set or packages</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Weight set:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>What scores and guidelines need to know. It is not saved.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>What the nodule is. You can also type other words, such as AIS, part-solid.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Where the networks run. auto: a GPU if there is one, otherwise the CPU.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Which nodules are proposed as the same</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Which nodules are proposed as the same: those that lie in one place once the lungs are aligned, or those of one name, for lungs that do not match.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Window</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Window:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Write a report of all nodules, to read or print. It does not name the patient.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Write the labels and positions as a table.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Write the masks and measurements as DICOM SEG and SR. They name the patient, as the CT does.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Write the nodules with their masks and labels in the DenseSharp format, which training reads.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>pseudonym</source>
      <translation type="unfinished" />
    </message>
  </context>
  <context>
    <name>widgets.advanced</name>
    <message>
      <source>Call {label} at or above:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Decision thresholds of a weight set's own tasks of two classes, such as EGFR=0.4, MIA=0.6.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Delete the weight set '{name}'?</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Folder with the authors' .h5 files, or of a trained set</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>The decision threshold, as a probability. 'card': the threshold on the weight set's card.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Thresholds of own tasks</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Thresholds of own tasks:</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Working…</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>card</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>{name} is as its card says.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>{name} was deleted.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>{task} threshold</source>
      <translation type="unfinished" />
    </message>
  </context>
  <context>
    <name>widgets.annotating</name>
    <message>
      <source>Export labels to</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Export training samples to</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Exported to {where}</source>
      <translation type="unfinished" />
    </message>
  </context>
  <context>
    <name>widgets.background</name>
    <message>
      <source>Something else is running: wait until it has ended.</source>
      <translation type="unfinished" />
    </message>
  </context>
  <context>
    <name>widgets.details</name>
    <message>
      <source>; threshold {value:.2f}</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Appearance</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Guidelines</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Measurements</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Over all scans</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Scores</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Since {when}</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Stability</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>{name}: {words}; from {basis}</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>{nodules} nodules, {patients} patients held out</source>
      <translation type="unfinished" />
    </message>
  </context>
  <context>
    <name>widgets.following</name>
    <message>
      <source>Aligning the lungs…</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>The lungs of the two CTs do not match. Is {before} on the earlier CT the same nodule as {after} on this one?</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>none</source>
      <translation>keine</translation>
    </message>
    <message>
      <source>{before} on the earlier CT and {after} on this one lie {distance:.1f} mm apart once the lungs are aligned. Are they the same nodule?</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>{name} (look for it at R {x:.0f}, A {y:.0f}, S {z:.0f} mm)</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>{pairs} nodules compared; only on the earlier CT: {gone}; only now: {new}.</source>
      <translation type="unfinished" />
    </message>
  </context>
  <context>
    <name>widgets.nodules</name>
    <message>
      <source>Nodule</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Probabilities</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>moved: assess again</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>not assessed</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>refused: {reason}</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>warnings: {count}</source>
      <translation type="unfinished" />
    </message>
  </context>
  <context>
    <name>widgets.panel</name>
    <message>
      <source>DICOM files name the patient, as the CT's series does. Write them?</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Delete {name} and its results, with the mask that was changed by hand?</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Delete {name} and its results?</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Finding where a network looked…</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Load a chest CT and select it, or press 'Try it'.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Place a point on each nodule: press 'Place points', then click in the slices.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Segment each nodule and assess it with the networks.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>The table was copied.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>These masks were drawn or changed by hand: {names}. Redraw them and lose your changes? If not, they are kept and measured as they are.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Undo placing, deleting or assessing.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Undo {what}.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Write DICOM files to</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Write the report to</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Writing…</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>Written to {path}</source>
      <translation type="unfinished" />
    </message>
  </context>
  <context>
    <name>widgets.patient</name>
    <message>
      <source>Leave empty if not known.</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>{words} (this nodule)</source>
      <translation type="unfinished" />
    </message>
  </context>
  <context>
    <name>widgets.running</name>
    <message>
      <source>Stopped: {reason}</source>
      <translation type="unfinished" />
    </message>
    <message>
      <source>{count} of {asked} nodules assessed.</source>
      <translation type="unfinished" />
    </message>
  </context>
</TS>
