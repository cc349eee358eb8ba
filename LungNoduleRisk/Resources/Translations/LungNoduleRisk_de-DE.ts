<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de_DE" sourcelanguage="en_US">
  <context>
    <name>LungNoduleRisk</name>
    <message>
      <source>&amp;3D page</source>
      <translation>&amp;3D-Seite</translation>
    </message>
    <message>
      <source>&amp;Assess nodules</source>
      <translation>Rundherde &amp;beurteilen</translation>
    </message>
    <message>
      <source>&amp;Delete</source>
      <translation>&amp;Löschen</translation>
    </message>
    <message>
      <source>&amp;Points:</source>
      <translation>P&amp;unkte:</translation>
    </message>
    <message>
      <source>&amp;Try it</source>
      <translation>Aus&amp;probieren</translation>
    </message>
    <message>
      <source>&amp;Undo</source>
      <translation>R&amp;ückgängig</translation>
    </message>
    <message>
      <source>&amp;Weights:</source>
      <translation>&amp;Gewichte:</translation>
    </message>
    <message>
      <source>3D page</source>
      <translation>3D-Seite</translation>
    </message>
    <message>
      <source>A list with one point on each nodule.</source>
      <translation>Eine Liste mit einem Punkt auf jedem Rundherd.</translation>
    </message>
    <message>
      <source>A pseudonym, never a name or an ID. Needed where a patient has several CTs.</source>
      <translation>Ein Pseudonym, nie ein Name oder eine ID. Nötig, wenn ein Patient mehrere CTs hat.</translation>
    </message>
    <message>
      <source>Advanced</source>
      <translation>Erweitert</translation>
    </message>
    <message>
      <source>Align the lungs, confirm which nodules are the same, and see how they changed. Compare with several earlier CTs, one after another, for a growth curve.</source>
      <translation>Die Lungen ausrichten, bestätigen, welche Rundherde dieselben sind, und sehen, wie sie sich verändert haben. Vergleichen Sie mit mehreren früheren CTs nacheinander, um eine Wachstumskurve zu erhalten.</translation>
    </message>
    <message>
      <source>An earlier CT of the patient, with its nodules assessed.</source>
      <translation>Ein früheres CT des Patienten, dessen Rundherde beurteilt sind.</translation>
    </message>
    <message>
      <source>Annotate</source>
      <translation>Annotieren</translation>
    </message>
    <message>
      <source>Any note. Do not identify the patient: the note is exported.</source>
      <translation>Eine beliebige Notiz. Sie darf den Patienten nicht erkennen lassen: Die Notiz wird exportiert.</translation>
    </message>
    <message>
      <source>Assess each nodule again with the image turned and with the point 2 mm off. This takes several times as long.</source>
      <translation>Jeden Rundherd noch einmal mit gedrehtem Bild und mit einem um 2 mm versetzten Punkt beurteilen. Das dauert ein Mehrfaches.</translation>
    </message>
    <message>
      <source>Assess nodules</source>
      <translation>Rundherde beurteilen</translation>
    </message>
    <message>
      <source>C&amp;ompare</source>
      <translation>&amp;Vergleichen</translation>
    </message>
    <message>
      <source>Ca&amp;ncel</source>
      <translation>Abb&amp;rechen</translation>
    </message>
    <message>
      <source>Cancel</source>
      <translation>Abbrechen</translation>
    </message>
    <message>
      <source>Cascade</source>
      <translation>Kaskade</translation>
    </message>
    <message>
      <source>Chart</source>
      <translation>Diagramm</translation>
    </message>
    <message>
      <source>Check</source>
      <translation>Nachsehen</translation>
    </message>
    <message>
      <source>Chest &amp;CT:</source>
      <translation>Thorax-&amp;CT:</translation>
    </message>
    <message>
      <source>Chest CT</source>
      <translation>Thorax-CT</translation>
    </message>
    <message>
      <source>Click on each nodule in the slices to place a point. Press this button again, or right-click, to stop.</source>
      <translation>Klicken Sie in den Schichten auf jeden Rundherd, um einen Punkt zu setzen. Drücken Sie den Knopf noch einmal, oder klicken Sie rechts, um aufzuhören.</translation>
    </message>
    <message>
      <source>Compare</source>
      <translation>Vergleichen</translation>
    </message>
    <message>
      <source>Compare every file's SHA-256 with the card.</source>
      <translation>SHA-256 jeder Datei mit der Karte vergleichen.</translation>
    </message>
    <message>
      <source>Copy table</source>
      <translation>Tabelle kopieren</translation>
    </message>
    <message>
      <source>Copy the results of all nodules as a table, to paste into a spreadsheet (Ctrl+C in the list).</source>
      <translation>Die Ergebnisse aller Rundherde als Tabelle kopieren, zum Einfügen in ein Tabellenprogramm (Strg+C in der Liste).</translation>
    </message>
    <message>
      <source>Correct &amp;mask</source>
      <translation>&amp;Maske korrigieren</translation>
    </message>
    <message>
      <source>Correct mask</source>
      <translation>Maske korrigieren</translation>
    </message>
    <message>
      <source>Correct the nodule's mask in the Segment Editor. It is then measured again.</source>
      <translation>Die Maske des Rundherds im Segment Editor korrigieren. Danach wird sie neu gemessen.</translation>
    </message>
    <message>
      <source>DICOM</source>
      <translation>DICOM</translation>
    </message>
    <message>
      <source>DICOM…</source>
      <translation>DICOM …</translation>
    </message>
    <message>
      <source>Days between the CTs</source>
      <translation>Tage zwischen den CTs</translation>
    </message>
    <message>
      <source>Days between:</source>
      <translation>Tage dazwischen:</translation>
    </message>
    <message>
      <source>Days from the earlier CT to this one; from the DICOM dates where both were loaded from Slicer's DICOM database.</source>
      <translation>Tage vom früheren CT bis zu diesem; aus den DICOM-Daten, wenn beide aus der DICOM-Datenbank von Slicer geladen wurden.</translation>
    </message>
    <message>
      <source>Delete</source>
      <translation>Löschen</translation>
    </message>
    <message>
      <source>Delete an imported weight set.</source>
      <translation>Einen importierten Gewichtssatz löschen.</translation>
    </message>
    <message>
      <source>Delete the nodule's point and its results (Del).</source>
      <translation>Den Punkt des Rundherds und seine Ergebnisse löschen (Entf).</translation>
    </message>
    <message>
      <source>Device</source>
      <translation>Gerät</translation>
    </message>
    <message>
      <source>Earlier CT</source>
      <translation>Früheres CT</translation>
    </message>
    <message>
      <source>Earlier CT:</source>
      <translation>Früheres CT:</translation>
    </message>
    <message>
      <source>Evidence of the labels</source>
      <translation>Evidenz der Labels</translation>
    </message>
    <message>
      <source>Expla&amp;in</source>
      <translation>&amp;Erklären</translation>
    </message>
    <message>
      <source>Explain</source>
      <translation>Erklären</translation>
    </message>
    <message>
      <source>Export labels (CSV)</source>
      <translation>Labels exportieren (CSV)</translation>
    </message>
    <message>
      <source>Export labels (CSV)…</source>
      <translation>Labels exportieren (CSV) …</translation>
    </message>
    <message>
      <source>Export samples</source>
      <translation>Daten exportieren</translation>
    </message>
    <message>
      <source>Export samples…</source>
      <translation>Daten exportieren …</translation>
    </message>
    <message>
      <source>Follow-up</source>
      <translation>Verlaufskontrolle</translation>
    </message>
    <message>
      <source>How much the masks cover of the CT in the slices.</source>
      <translation>Wie stark die Masken das CT in den Schichten verdecken.</translation>
    </message>
    <message>
      <source>Import</source>
      <translation>Importieren</translation>
    </message>
    <message>
      <source>Import a weight set that you trained, or a folder with the authors' Keras files (.h5).</source>
      <translation>Einen selbst trainierten Gewichtssatz oder einen Ordner mit den Keras-Dateien der Autoren (.h5) importieren.</translation>
    </message>
    <message>
      <source>Import…</source>
      <translation>Importieren …</translation>
    </message>
    <message>
      <source>Install</source>
      <translation>Installieren</translation>
    </message>
    <message>
      <source>Install what is missing, after asking.</source>
      <translation>Nach Rückfrage installieren, was fehlt.</translation>
    </message>
    <message>
      <source>Install…</source>
      <translation>Installieren …</translation>
    </message>
    <message>
      <source>Invasiveness is assessed only for nodules called malignant, and grade only for those called invasive.</source>
      <translation>Die Invasivität wird nur für als maligne eingestufte Rundherde beurteilt, der Grad nur für als invasiv eingestufte.</translation>
    </message>
    <message>
      <source>La&amp;bel:</source>
      <translation>La&amp;bel:</translation>
    </message>
    <message>
      <source>Label</source>
      <translation>Label</translation>
    </message>
    <message>
      <source>Labels from:</source>
      <translation>Labels aus:</translation>
    </message>
    <message>
      <source>List the Python packages that the module needs.</source>
      <translation>Die Python-Pakete auflisten, die das Modul braucht.</translation>
    </message>
    <message>
      <source>Load a bundled CT with a point on its nodule: thin slices, or by the arrow thick ones. Nothing is downloaded.</source>
      <translation>Ein mitgeliefertes CT mit einem Punkt auf seinem Rundherd laden: dünne Schichten, oder über den Pfeil dicke. Nichts wird heruntergeladen.</translation>
    </message>
    <message>
      <source>Lung Nodule Risk</source>
      <translation>Lung Nodule Risk</translation>
    </message>
    <message>
      <source>Masks:</source>
      <translation>Masken:</translation>
    </message>
    <message>
      <source>Name the patient in reports</source>
      <translation>Patienten im Bericht nennen</translation>
    </message>
    <message>
      <source>Ne&amp;xt</source>
      <translation>&amp;Weiter</translation>
    </message>
    <message>
      <source>Next</source>
      <translation>Weiter</translation>
    </message>
    <message>
      <source>Nodule</source>
      <translation>Rundherd</translation>
    </message>
    <message>
      <source>Nodules</source>
      <translation>Rundherde</translation>
    </message>
    <message>
      <source>Note</source>
      <translation>Notiz</translation>
    </message>
    <message>
      <source>Note:</source>
      <translation>Notiz:</translation>
    </message>
    <message>
      <source>Nothing was tested: {names} must be installed first. Press Install in the module's section Advanced.</source>
      <translation>Nichts wurde getestet: {names} muss zuerst installiert werden. Drücken Sie „Installieren“ im Abschnitt „Erweitert“ des Moduls.</translation>
    </message>
    <message>
      <source>One row per nodule. Click a row to see the nodule in the slices and in 3D; press Del to delete it.</source>
      <translation>Eine Zeile je Rundherd. Klicken Sie auf eine Zeile, um den Rundherd in den Schichten und in 3D zu sehen; mit Entf löschen Sie ihn.</translation>
    </message>
    <message>
      <source>Opacity of the masks</source>
      <translation>Deckkraft der Masken</translation>
    </message>
    <message>
      <source>P&amp;lace points</source>
      <translation>Punkte &amp;setzen</translation>
    </message>
    <message>
      <source>P&amp;revious</source>
      <translation>&amp;Zurück</translation>
    </message>
    <message>
      <source>Packages:</source>
      <translation>Pakete:</translation>
    </message>
    <message>
      <source>Patient's pseudonym</source>
      <translation>Pseudonym des Patienten</translation>
    </message>
    <message>
      <source>Patient, for scores and guidelines</source>
      <translation>Patient, für Scores und Leitlinien</translation>
    </message>
    <message>
      <source>Patient:</source>
      <translation>Patient:</translation>
    </message>
    <message>
      <source>Place a point on each lung nodule of a chest CT, and see its mask and the probabilities that it is malignant, invasive, and of which grade, with the evidence behind each number. &lt;b&gt;Research use only: not a medical device, not for diagnosis.&lt;/b&gt; See the &lt;a href="{homepage}"&gt;documentation&lt;/a&gt;.</source>
      <translation>Setzen Sie auf jeden Lungenrundherd eines Thorax-CT einen Punkt; Sie sehen dann seine Maske und die Wahrscheinlichkeiten, dass er maligne ist, dass er invasiv ist, und für jeden Grad, mit der Evidenz hinter jeder Zahl. &lt;b&gt;Nur für die Forschung: kein Medizinprodukt, nicht zur Diagnose.&lt;/b&gt; Siehe die &lt;a href="{homepage}"&gt;Dokumentation&lt;/a&gt;.</translation>
    </message>
    <message>
      <source>Place points</source>
      <translation>Punkte setzen</translation>
    </message>
    <message>
      <source>Points</source>
      <translation>Punkte</translation>
    </message>
    <message>
      <source>Previous</source>
      <translation>Zurück</translation>
    </message>
    <message>
      <source>Progress</source>
      <translation>Fortschritt</translation>
    </message>
    <message>
      <source>Reader</source>
      <translation>Befunder</translation>
    </message>
    <message>
      <source>Reader:</source>
      <translation>Befunder:</translation>
    </message>
    <message>
      <source>Report</source>
      <translation>Bericht</translation>
    </message>
    <message>
      <source>Reports say the patient's name, ID and birth date, as the CT's DICOM files do. Otherwise nothing identifies the patient.</source>
      <translation>Berichte nennen Name, ID und Geburtsdatum des Patienten, wie die DICOM-Dateien des CT. Sonst weist nichts auf den Patienten hin.</translation>
    </message>
    <message>
      <source>Report…</source>
      <translation>Bericht …</translation>
    </message>
    <message>
      <source>Run later tasks only if earlier ones are positive</source>
      <translation>Spätere Aufgaben nur, wenn frühere positiv sind</translation>
    </message>
    <message>
      <source>Same nodules:</source>
      <translation>Gleiche Rundherde:</translation>
    </message>
    <message>
      <source>Segment each nodule and assess it with the networks.</source>
      <translation>Jeden Rundherd segmentieren und mit den Netzen beurteilen.</translation>
    </message>
    <message>
      <source>Show card</source>
      <translation>Karte zeigen</translation>
    </message>
    <message>
      <source>Show the CT in a usual window.</source>
      <translation>Das CT in einem üblichen Fenster zeigen.</translation>
    </message>
    <message>
      <source>Show the next nodule (Alt+Down).</source>
      <translation>Den nächsten Rundherd zeigen (Alt+↓).</translation>
    </message>
    <message>
      <source>Show the nodule's mesh and slices as an interactive page.</source>
      <translation>Netzoberfläche und Schichten des Rundherds als interaktive Seite zeigen.</translation>
    </message>
    <message>
      <source>Show the previous nodule (Alt+Up).</source>
      <translation>Den vorigen Rundherd zeigen (Alt+↑).</translation>
    </message>
    <message>
      <source>Show the probabilities of all nodules as a chart.</source>
      <translation>Die Wahrscheinlichkeiten aller Rundherde als Diagramm zeigen.</translation>
    </message>
    <message>
      <source>Show where a network looked, by Grad-CAM: an explanation, not evidence. Needs the package monai.</source>
      <translation>Zeigen, wohin ein Netz sah, mit Grad-CAM: eine Erklärung, keine Evidenz. Braucht das Paket monai.</translation>
    </message>
    <message>
      <source>Stability</source>
      <translation>Stabilität</translation>
    </message>
    <message>
      <source>Status</source>
      <translation>Status</translation>
    </message>
    <message>
      <source>Stop the assessment. Nodules assessed so far are kept.</source>
      <translation>Die Beurteilung abbrechen. Schon beurteilte Rundherde bleiben.</translation>
    </message>
    <message>
      <source>Test stability</source>
      <translation>Stabilität prüfen</translation>
    </message>
    <message>
      <source>The CT with the nodules, in Hounsfield units.</source>
      <translation>Das CT mit den Rundherden, in Hounsfield-Einheiten.</translation>
    </message>
    <message>
      <source>The evidence behind the labels.</source>
      <translation>Die Evidenz hinter den Labels.</translation>
    </message>
    <message>
      <source>The networks are those of &lt;a href="https://doi.org/10.1038/s41746-023-00866-z"&gt;EMV-3D-CNN&lt;/a&gt; and &lt;a href="https://doi.org/10.1158/0008-5472.CAN-18-0696"&gt;DenseSharp&lt;/a&gt;, as published. Their authors' own weights are not included; those of EMV-3D-CNN are for research only and protected by a patent.</source>
      <translation>Die Netze sind die von &lt;a href="https://doi.org/10.1038/s41746-023-00866-z"&gt;EMV-3D-CNN&lt;/a&gt; und &lt;a href="https://doi.org/10.1158/0008-5472.CAN-18-0696"&gt;DenseSharp&lt;/a&gt;, wie veröffentlicht. Die Gewichte der Autoren sind nicht enthalten; die von EMV-3D-CNN sind nur für die Forschung und durch ein Patent geschützt.</translation>
    </message>
    <message>
      <source>The networks to use, and the evidence behind their numbers. See Advanced for details.</source>
      <translation>Die Netze, die benutzt werden, und die Evidenz hinter ihren Zahlen. Einzelheiten unter „Erweitert“.</translation>
    </message>
    <message>
      <source>The reader's pseudonym.</source>
      <translation>Das Pseudonym des Befunders.</translation>
    </message>
    <message>
      <source>The weight set's networks, evidence, licence and held-out results.</source>
      <translation>Netze, Evidenz, Lizenz und Ergebnisse an zurückgehaltenen Fällen des Gewichtssatzes.</translation>
    </message>
    <message>
      <source>Try it</source>
      <translation>Ausprobieren</translation>
    </message>
    <message>
      <source>Undo</source>
      <translation>Rückgängig</translation>
    </message>
    <message>
      <source>Undo placing, deleting or assessing.</source>
      <translation>Setzen, Löschen oder Beurteilen rückgängig machen.</translation>
    </message>
    <message>
      <source>Verify</source>
      <translation>Prüfen</translation>
    </message>
    <message>
      <source>Weight set</source>
      <translation>Gewichtssatz</translation>
    </message>
    <message>
      <source>Weight set or packages</source>
      <translation>Gewichtssatz oder Pakete</translation>
    </message>
    <message>
      <source>Weight set:</source>
      <translation>Gewichtssatz:</translation>
    </message>
    <message>
      <source>What scores and guidelines need to know. It is not saved.</source>
      <translation>Was Scores und Leitlinien wissen müssen. Es wird nicht gespeichert.</translation>
    </message>
    <message>
      <source>What the nodule is. You can also type other words, such as AIS, part-solid.</source>
      <translation>Was der Rundherd ist. Sie können auch andere Wörter eingeben, etwa „AIS, part-solid“ (auf Englisch).</translation>
    </message>
    <message>
      <source>Where the networks run. auto: a GPU if there is one, otherwise the CPU.</source>
      <translation>Wo die Netze rechnen. auto: auf einer GPU, wenn es eine gibt, sonst auf der CPU.</translation>
    </message>
    <message>
      <source>Which nodules are proposed as the same</source>
      <translation>Welche Rundherde als dieselben vorgeschlagen werden</translation>
    </message>
    <message>
      <source>Which nodules are proposed as the same: those that lie in one place once the lungs are aligned, or those of one name, for lungs that do not match.</source>
      <translation>Welche Rundherde als dieselben vorgeschlagen werden: die, die nach dem Ausrichten der Lungen an einer Stelle liegen, oder die mit gleichem Namen, wenn die Lungen nicht zueinander passen.</translation>
    </message>
    <message>
      <source>Window</source>
      <translation>Fenster</translation>
    </message>
    <message>
      <source>Window:</source>
      <translation>Fenster:</translation>
    </message>
    <message>
      <source>Write a report of all nodules, to read or print. It does not name the patient.</source>
      <translation>Einen Bericht über alle Rundherde schreiben, zum Lesen oder Drucken. Er nennt den Patienten nicht.</translation>
    </message>
    <message>
      <source>Write the labels and positions as a table.</source>
      <translation>Labels und Positionen als Tabelle schreiben.</translation>
    </message>
    <message>
      <source>Write the masks and measurements as DICOM SEG and SR. They name the patient, as the CT does.</source>
      <translation>Masken und Messungen als DICOM SEG und SR schreiben. Sie nennen den Patienten, wie das CT.</translation>
    </message>
    <message>
      <source>Write the nodules with their masks and labels in the DenseSharp format, which training reads.</source>
      <translation>Die Rundherde mit Masken und Labels im DenseSharp-Format schreiben, das das Training liest.</translation>
    </message>
    <message>
      <source>pseudonym</source>
      <translation>Pseudonym</translation>
    </message>
  </context>
  <context>
    <name>widgets.advanced</name>
    <message>
      <source>Call {label} at or above:</source>
      <translation>„{label}“ ab:</translation>
    </message>
    <message>
      <source>Decision thresholds of a weight set's own tasks of two classes, such as EGFR=0.4, MIA=0.6.</source>
      <translation>Schwellenwerte der eigenen Aufgaben eines Gewichtssatzes mit zwei Klassen, etwa EGFR=0.4, MIA=0.6.</translation>
    </message>
    <message>
      <source>Delete the weight set '{name}'?</source>
      <translation>Den Gewichtssatz „{name}“ löschen?</translation>
    </message>
    <message>
      <source>Folder with the authors' .h5 files, or of a trained set</source>
      <translation>Ordner mit den .h5-Dateien der Autoren oder mit einem trainierten Satz</translation>
    </message>
    <message>
      <source>The decision threshold, as a probability. 'card': the threshold on the weight set's card.</source>
      <translation>Der Schwellenwert der Entscheidung, als Wahrscheinlichkeit. „Karte“: der Schwellenwert auf der Karte des Gewichtssatzes.</translation>
    </message>
    <message>
      <source>Thresholds of own tasks</source>
      <translation>Schwellenwerte eigener Aufgaben</translation>
    </message>
    <message>
      <source>Thresholds of own tasks:</source>
      <translation>Schwellenwerte eigener Aufgaben:</translation>
    </message>
    <message>
      <source>Working…</source>
      <translation>In Arbeit …</translation>
    </message>
    <message>
      <source>card</source>
      <translation>Karte</translation>
    </message>
    <message>
      <source>{name} is as its card says.</source>
      <translation>{name} ist, wie seine Karte sagt.</translation>
    </message>
    <message>
      <source>{name} was deleted.</source>
      <translation>{name} wurde gelöscht.</translation>
    </message>
    <message>
      <source>{task} threshold</source>
      <translation>Schwellenwert: {task}</translation>
    </message>
  </context>
  <context>
    <name>widgets.annotating</name>
    <message>
      <source>Export labels to</source>
      <translation>Labels exportieren nach</translation>
    </message>
    <message>
      <source>Export training samples to</source>
      <translation>Trainingsdaten exportieren nach</translation>
    </message>
    <message>
      <source>Exported to {where}</source>
      <translation>Exportiert nach {where}</translation>
    </message>
  </context>
  <context>
    <name>widgets.background</name>
    <message>
      <source>Something else is running: wait until it has ended.</source>
      <translation>Etwas anderes läuft noch: Warten Sie, bis es beendet ist.</translation>
    </message>
  </context>
  <context>
    <name>widgets.buttons</name>
    <message>
      <source>Load a chest CT and select it, or press 'Try it'.</source>
      <translation>Laden Sie ein Thorax-CT und wählen Sie es, oder drücken Sie „Ausprobieren“.</translation>
    </message>
    <message>
      <source>Place a point on each nodule: press 'Place points', then click in the slices.</source>
      <translation>Setzen Sie auf jeden Rundherd einen Punkt: Drücken Sie „Punkte setzen“, und klicken Sie in die Schichten.</translation>
    </message>
    <message>
      <source>Segment each nodule and assess it with the networks.</source>
      <translation>Jeden Rundherd segmentieren und mit den Netzen beurteilen.</translation>
    </message>
    <message>
      <source>Undo placing, deleting or assessing.</source>
      <translation>Setzen, Löschen oder Beurteilen rückgängig machen.</translation>
    </message>
    <message>
      <source>Undo {what}.</source>
      <translation>Rückgängig: {what}.</translation>
    </message>
  </context>
  <context>
    <name>widgets.details</name>
    <message>
      <source>; threshold {value:.2f}</source>
      <translation>; Schwellenwert {value:.2f}</translation>
    </message>
    <message>
      <source>Appearance</source>
      <translation>Aussehen</translation>
    </message>
    <message>
      <source>Guidelines</source>
      <translation>Leitlinien</translation>
    </message>
    <message>
      <source>Measurements</source>
      <translation>Messungen</translation>
    </message>
    <message>
      <source>Over all scans</source>
      <translation>Über alle CTs</translation>
    </message>
    <message>
      <source>Scores</source>
      <translation>Scores</translation>
    </message>
    <message>
      <source>Since {when}</source>
      <translation>Vergleich ({when})</translation>
    </message>
    <message>
      <source>Stability</source>
      <translation>Stabilität</translation>
    </message>
    <message>
      <source>{name}: {words}; from {basis}</source>
      <translation>{name}: {words}; aus {basis}</translation>
    </message>
    <message>
      <source>{nodules} nodules, {patients} patients held out</source>
      <translation>{nodules} Rundherde, {patients} Patienten zurückgehalten</translation>
    </message>
  </context>
  <context>
    <name>widgets.following</name>
    <message>
      <source>Aligning the lungs…</source>
      <translation>Lungen werden aufeinander ausgerichtet …</translation>
    </message>
    <message>
      <source>The lungs of the two CTs do not match. Is {before} on the earlier CT the same nodule as {after} on this one?</source>
      <translation>Die Lungen der beiden CTs passen nicht zueinander. Ist {before} im früheren CT derselbe Rundherd wie {after} in diesem?</translation>
    </message>
    <message>
      <source>none</source>
      <translation>keine</translation>
    </message>
    <message>
      <source>{before} on the earlier CT and {after} on this one lie {distance:.1f} mm apart once the lungs are aligned. Are they the same nodule?</source>
      <translation>{before} im früheren CT und {after} in diesem liegen nach dem Ausrichten der Lungen {distance:.1f} mm auseinander. Sind sie derselbe Rundherd?</translation>
    </message>
    <message>
      <source>{name} (look for it at R {x:.0f}, A {y:.0f}, S {z:.0f} mm)</source>
      <translation>{name} (zu suchen bei R {x:.0f}, A {y:.0f}, S {z:.0f} mm)</translation>
    </message>
  </context>
  <context>
    <name>widgets.nodules</name>
    <message>
      <source>Nodule</source>
      <translation>Rundherd</translation>
    </message>
    <message>
      <source>Probabilities</source>
      <translation>Wahrscheinlichkeiten</translation>
    </message>
    <message>
      <source>moved: assess again</source>
      <translation>verschoben: erneut beurteilen</translation>
    </message>
    <message>
      <source>not assessed</source>
      <translation>nicht beurteilt</translation>
    </message>
    <message>
      <source>refused: {reason}</source>
      <translation>abgelehnt: {reason}</translation>
    </message>
    <message>
      <source>warnings: {count}</source>
      <translation>Warnungen: {count}</translation>
    </message>
  </context>
  <context>
    <name>widgets.panel</name>
    <message>
      <source>Delete {name} and its results, with the mask that was changed by hand?</source>
      <translation>{name} und seine Ergebnisse löschen, mit der von Hand geänderten Maske?</translation>
    </message>
    <message>
      <source>Delete {name} and its results?</source>
      <translation>{name} und seine Ergebnisse löschen?</translation>
    </message>
    <message>
      <source>Finding where a network looked…</source>
      <translation>Es wird ermittelt, wohin ein Netz sah …</translation>
    </message>
    <message>
      <source>The table was copied.</source>
      <translation>Die Tabelle wurde kopiert.</translation>
    </message>
    <message>
      <source>These masks were drawn or changed by hand: {names}. Redraw them and lose your changes? If not, they are kept and measured as they are.</source>
      <translation>Diese Masken wurden von Hand gezeichnet oder geändert: {names}. Neu zeichnen und Ihre Änderungen verlieren? Wenn nicht, bleiben sie und werden gemessen, wie sie sind.</translation>
    </message>
  </context>
  <context>
    <name>widgets.patient</name>
    <message>
      <source>Leave empty if not known.</source>
      <translation>Leer lassen, wenn nicht bekannt.</translation>
    </message>
    <message>
      <source>{words} (this nodule)</source>
      <translation>{words} (dieser Rundherd)</translation>
    </message>
  </context>
  <context>
    <name>widgets.running</name>
    <message>
      <source>Stopped: {reason}</source>
      <translation>Angehalten: {reason}</translation>
    </message>
    <message>
      <source>{count} of {asked} nodules assessed.</source>
      <translation>{count} von {asked} Rundherden beurteilt.</translation>
    </message>
  </context>
  <context>
    <name>widgets.writing</name>
    <message>
      <source>DICOM files name the patient, as the CT's series does. Write them?</source>
      <translation>DICOM-Dateien nennen den Patienten, wie die Serie des CT. Schreiben?</translation>
    </message>
    <message>
      <source>Write DICOM files to</source>
      <translation>DICOM-Dateien schreiben nach</translation>
    </message>
    <message>
      <source>Write the report to</source>
      <translation>Bericht schreiben nach</translation>
    </message>
    <message>
      <source>Writing…</source>
      <translation>Wird geschrieben …</translation>
    </message>
    <message>
      <source>Written to {path}</source>
      <translation>Geschrieben nach {path}</translation>
    </message>
  </context>
</TS>
