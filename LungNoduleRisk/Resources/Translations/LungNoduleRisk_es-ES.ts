<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="es_ES" sourcelanguage="en_US">
  <context>
    <name>LungNoduleRisk</name>
    <message>
      <source>&amp;3D page</source>
      <translation>Página &amp;3D</translation>
    </message>
    <message>
      <source>&amp;Assess nodules</source>
      <translation>Ev&amp;aluar nódulos</translation>
    </message>
    <message>
      <source>&amp;Delete</source>
      <translation>El&amp;iminar</translation>
    </message>
    <message>
      <source>&amp;Points:</source>
      <translation>P&amp;untos:</translation>
    </message>
    <message>
      <source>&amp;Try it</source>
      <translation>&amp;Probar</translation>
    </message>
    <message>
      <source>&amp;Undo</source>
      <translation>&amp;Deshacer</translation>
    </message>
    <message>
      <source>&amp;Weights:</source>
      <translation>P&amp;esos:</translation>
    </message>
    <message>
      <source>3D page</source>
      <translation>Página 3D</translation>
    </message>
    <message>
      <source>A list with one point on each nodule.</source>
      <translation>Una lista con un punto en cada nódulo.</translation>
    </message>
    <message>
      <source>A pseudonym, never a name or an ID. Needed where a patient has several CTs.</source>
      <translation>Un seudónimo, nunca un nombre ni una ID. Necesario si un paciente tiene varias TC.</translation>
    </message>
    <message>
      <source>Advanced</source>
      <translation>Avanzado</translation>
    </message>
    <message>
      <source>Align the lungs, confirm which nodules are the same, and see how they changed. Compare with several earlier CTs, one after another, for a growth curve.</source>
      <translation>Alinear los pulmones, confirmar qué nódulos son el mismo y ver cómo cambiaron. Compare con varias TC anteriores, una tras otra, para obtener una curva de crecimiento.</translation>
    </message>
    <message>
      <source>An earlier CT of the patient, with its nodules assessed.</source>
      <translation>Una TC anterior del paciente, con sus nódulos evaluados.</translation>
    </message>
    <message>
      <source>Annotate</source>
      <translation>Anotar</translation>
    </message>
    <message>
      <source>Any note. Do not identify the patient: the note is exported.</source>
      <translation>Cualquier nota. No identifique al paciente: la nota se exporta.</translation>
    </message>
    <message>
      <source>Assess each nodule again with the image turned and with the point 2 mm off. This takes several times as long.</source>
      <translation>Evaluar de nuevo cada nódulo con la imagen girada y con el punto desplazado 2 mm. Tarda varias veces más.</translation>
    </message>
    <message>
      <source>Assess nodules</source>
      <translation>Evaluar nódulos</translation>
    </message>
    <message>
      <source>C&amp;ompare</source>
      <translation>C&amp;omparar</translation>
    </message>
    <message>
      <source>Ca&amp;ncel</source>
      <translation>Ca&amp;ncelar</translation>
    </message>
    <message>
      <source>Cancel</source>
      <translation>Cancelar</translation>
    </message>
    <message>
      <source>Cascade</source>
      <translation>Cascada</translation>
    </message>
    <message>
      <source>Chart</source>
      <translation>Gráfico</translation>
    </message>
    <message>
      <source>Check</source>
      <translation>Comprobar</translation>
    </message>
    <message>
      <source>Chest &amp;CT:</source>
      <translation>T&amp;C de tórax:</translation>
    </message>
    <message>
      <source>Chest CT</source>
      <translation>TC de tórax</translation>
    </message>
    <message>
      <source>Click on each nodule in the slices to place a point. Press this button again, or right-click, to stop.</source>
      <translation>Haga clic en cada nódulo en los cortes para colocar un punto. Pulse de nuevo este botón, o el botón derecho, para terminar.</translation>
    </message>
    <message>
      <source>Compare</source>
      <translation>Comparar</translation>
    </message>
    <message>
      <source>Compare every file's SHA-256 with the card.</source>
      <translation>Comparar el SHA-256 de cada archivo con la ficha.</translation>
    </message>
    <message>
      <source>Copy table</source>
      <translation>Copiar tabla</translation>
    </message>
    <message>
      <source>Copy the results of all nodules as a table, to paste into a spreadsheet (Ctrl+C in the list).</source>
      <translation>Copiar los resultados de todos los nódulos como tabla, para pegarla en una hoja de cálculo (Ctrl+C en la lista).</translation>
    </message>
    <message>
      <source>Correct &amp;mask</source>
      <translation>Corregir &amp;máscara</translation>
    </message>
    <message>
      <source>Correct mask</source>
      <translation>Corregir máscara</translation>
    </message>
    <message>
      <source>Correct the nodule's mask in the Segment Editor. It is then measured again.</source>
      <translation>Corregir la máscara del nódulo en el Segment Editor. Después se mide de nuevo.</translation>
    </message>
    <message>
      <source>DICOM</source>
      <translation>DICOM</translation>
    </message>
    <message>
      <source>DICOM…</source>
      <translation>DICOM…</translation>
    </message>
    <message>
      <source>Days between the CTs</source>
      <translation>Días entre las TC</translation>
    </message>
    <message>
      <source>Days between:</source>
      <translation>Días entre ambas:</translation>
    </message>
    <message>
      <source>Days from the earlier CT to this one; from the DICOM dates where both were loaded from Slicer's DICOM database.</source>
      <translation>Días desde la TC anterior hasta esta; de las fechas DICOM si ambas se cargaron de la base de datos DICOM de Slicer.</translation>
    </message>
    <message>
      <source>Delete</source>
      <translation>Eliminar</translation>
    </message>
    <message>
      <source>Delete an imported weight set.</source>
      <translation>Eliminar un conjunto de pesos importado.</translation>
    </message>
    <message>
      <source>Delete the nodule's point and its results (Del).</source>
      <translation>Eliminar el punto del nódulo y sus resultados (Supr).</translation>
    </message>
    <message>
      <source>Device</source>
      <translation>Dispositivo</translation>
    </message>
    <message>
      <source>Earlier CT</source>
      <translation>TC anterior</translation>
    </message>
    <message>
      <source>Earlier CT:</source>
      <translation>TC anterior:</translation>
    </message>
    <message>
      <source>Evidence of the labels</source>
      <translation>Evidencia de las etiquetas</translation>
    </message>
    <message>
      <source>Expla&amp;in</source>
      <translation>E&amp;xplicar</translation>
    </message>
    <message>
      <source>Explain</source>
      <translation>Explicar</translation>
    </message>
    <message>
      <source>Export labels (CSV)</source>
      <translation>Exportar etiquetas (CSV)</translation>
    </message>
    <message>
      <source>Export labels (CSV)…</source>
      <translation>Exportar etiquetas (CSV)…</translation>
    </message>
    <message>
      <source>Export samples</source>
      <translation>Exportar muestras</translation>
    </message>
    <message>
      <source>Export samples…</source>
      <translation>Exportar muestras…</translation>
    </message>
    <message>
      <source>Follow-up</source>
      <translation>Seguimiento</translation>
    </message>
    <message>
      <source>How much the masks cover of the CT in the slices.</source>
      <translation>Cuánto cubren las máscaras la TC en los cortes.</translation>
    </message>
    <message>
      <source>Import</source>
      <translation>Importar</translation>
    </message>
    <message>
      <source>Import a weight set that you trained, or a folder with the authors' Keras files (.h5).</source>
      <translation>Importar un conjunto de pesos entrenado por usted o una carpeta con los archivos Keras (.h5) de los autores.</translation>
    </message>
    <message>
      <source>Import…</source>
      <translation>Importar…</translation>
    </message>
    <message>
      <source>Install</source>
      <translation>Instalar</translation>
    </message>
    <message>
      <source>Install what is missing, after asking.</source>
      <translation>Instalar lo que falta, tras preguntar.</translation>
    </message>
    <message>
      <source>Install…</source>
      <translation>Instalar…</translation>
    </message>
    <message>
      <source>Invasiveness is assessed only for nodules called malignant, and grade only for those called invasive.</source>
      <translation>La invasividad se evalúa solo en los nódulos considerados malignos, y el grado solo en los considerados invasivos.</translation>
    </message>
    <message>
      <source>La&amp;bel:</source>
      <translation>Eti&amp;queta:</translation>
    </message>
    <message>
      <source>Label</source>
      <translation>Etiqueta</translation>
    </message>
    <message>
      <source>Labels from:</source>
      <translation>Etiquetas de:</translation>
    </message>
    <message>
      <source>List the Python packages that the module needs.</source>
      <translation>Mostrar los paquetes de Python que necesita el módulo.</translation>
    </message>
    <message>
      <source>Load a bundled CT with a point on its nodule: thin slices, or by the arrow thick ones. Nothing is downloaded.</source>
      <translation>Cargar una TC incluida con un punto en su nódulo: cortes finos o, con la flecha, gruesos. No se descarga nada.</translation>
    </message>
    <message>
      <source>Lung Nodule Risk</source>
      <translation>Lung Nodule Risk</translation>
    </message>
    <message>
      <source>Masks:</source>
      <translation>Máscaras:</translation>
    </message>
    <message>
      <source>Name the patient in reports</source>
      <translation>Nombrar al paciente en informes</translation>
    </message>
    <message>
      <source>Ne&amp;xt</source>
      <translation>&amp;Siguiente</translation>
    </message>
    <message>
      <source>Next</source>
      <translation>Siguiente</translation>
    </message>
    <message>
      <source>Nodule</source>
      <translation>Nódulo</translation>
    </message>
    <message>
      <source>Nodules</source>
      <translation>Nódulos</translation>
    </message>
    <message>
      <source>Note</source>
      <translation>Nota</translation>
    </message>
    <message>
      <source>Note:</source>
      <translation>Nota:</translation>
    </message>
    <message>
      <source>Nothing was tested: {names} must be installed first. Press Install in the module's section Advanced.</source>
      <translation>No se probó nada: primero hay que instalar {names}. Pulse «Instalar» en la sección «Avanzado» del módulo.</translation>
    </message>
    <message>
      <source>One row per nodule. Click a row to see the nodule in the slices and in 3D; press Del to delete it.</source>
      <translation>Una fila por nódulo. Haga clic en una fila para ver el nódulo en los cortes y en 3D; pulse Supr para eliminarlo.</translation>
    </message>
    <message>
      <source>Opacity of the masks</source>
      <translation>Opacidad de las máscaras</translation>
    </message>
    <message>
      <source>P&amp;lace points</source>
      <translation>Co&amp;locar puntos</translation>
    </message>
    <message>
      <source>P&amp;revious</source>
      <translation>Ante&amp;rior</translation>
    </message>
    <message>
      <source>Packages:</source>
      <translation>Paquetes:</translation>
    </message>
    <message>
      <source>Patient's pseudonym</source>
      <translation>Seudónimo del paciente</translation>
    </message>
    <message>
      <source>Patient, for scores and guidelines</source>
      <translation>Paciente, para puntuaciones y guías</translation>
    </message>
    <message>
      <source>Patient:</source>
      <translation>Paciente:</translation>
    </message>
    <message>
      <source>Place a point on each lung nodule of a chest CT, and see its mask and the probabilities that it is malignant, invasive, and of which grade, with the evidence behind each number. &lt;b&gt;Research use only: not a medical device, not for diagnosis.&lt;/b&gt; See the &lt;a href="{homepage}"&gt;documentation&lt;/a&gt;.</source>
      <translation>Coloque un punto en cada nódulo pulmonar de una TC de tórax y vea su máscara y las probabilidades de que sea maligno, de que sea invasivo y de cada grado, con la evidencia que respalda cada número. &lt;b&gt;Solo para investigación: no es un producto sanitario ni sirve para el diagnóstico.&lt;/b&gt; Consulte la &lt;a href="{homepage}"&gt;documentación&lt;/a&gt;.</translation>
    </message>
    <message>
      <source>Place points</source>
      <translation>Colocar puntos</translation>
    </message>
    <message>
      <source>Points</source>
      <translation>Puntos</translation>
    </message>
    <message>
      <source>Previous</source>
      <translation>Anterior</translation>
    </message>
    <message>
      <source>Progress</source>
      <translation>Progreso</translation>
    </message>
    <message>
      <source>Reader</source>
      <translation>Lector</translation>
    </message>
    <message>
      <source>Reader:</source>
      <translation>Lector:</translation>
    </message>
    <message>
      <source>Report</source>
      <translation>Informe</translation>
    </message>
    <message>
      <source>Reports say the patient's name, ID and birth date, as the CT's DICOM files do. Otherwise nothing identifies the patient.</source>
      <translation>Los informes dicen el nombre, la ID y la fecha de nacimiento del paciente, como los archivos DICOM de la TC. Si no, nada identifica al paciente.</translation>
    </message>
    <message>
      <source>Report…</source>
      <translation>Informe…</translation>
    </message>
    <message>
      <source>Run later tasks only if earlier ones are positive</source>
      <translation>Tareas posteriores solo si las previas son positivas</translation>
    </message>
    <message>
      <source>Same nodules:</source>
      <translation>Mismos nódulos:</translation>
    </message>
    <message>
      <source>Segment each nodule and assess it with the networks.</source>
      <translation>Segmentar cada nódulo y evaluarlo con las redes.</translation>
    </message>
    <message>
      <source>Show card</source>
      <translation>Mostrar ficha</translation>
    </message>
    <message>
      <source>Show the CT in a usual window.</source>
      <translation>Mostrar la TC con una ventana habitual.</translation>
    </message>
    <message>
      <source>Show the next nodule (Alt+Down).</source>
      <translation>Mostrar el nódulo siguiente (Alt+↓).</translation>
    </message>
    <message>
      <source>Show the nodule's mesh and slices as an interactive page.</source>
      <translation>Mostrar la malla y los cortes del nódulo en una página interactiva.</translation>
    </message>
    <message>
      <source>Show the previous nodule (Alt+Up).</source>
      <translation>Mostrar el nódulo anterior (Alt+↑).</translation>
    </message>
    <message>
      <source>Show the probabilities of all nodules as a chart.</source>
      <translation>Mostrar las probabilidades de todos los nódulos en un gráfico.</translation>
    </message>
    <message>
      <source>Show where a network looked, by Grad-CAM: an explanation, not evidence. Needs the package monai.</source>
      <translation>Mostrar dónde miró una red, con Grad-CAM: una explicación, no evidencia. Necesita el paquete monai.</translation>
    </message>
    <message>
      <source>Stability</source>
      <translation>Estabilidad</translation>
    </message>
    <message>
      <source>Status</source>
      <translation>Estado</translation>
    </message>
    <message>
      <source>Stop the assessment. Nodules assessed so far are kept.</source>
      <translation>Detener la evaluación. Los nódulos ya evaluados se conservan.</translation>
    </message>
    <message>
      <source>Test stability</source>
      <translation>Comprobar la estabilidad</translation>
    </message>
    <message>
      <source>The CT with the nodules, in Hounsfield units.</source>
      <translation>La TC con los nódulos, en unidades Hounsfield.</translation>
    </message>
    <message>
      <source>The evidence behind the labels.</source>
      <translation>La evidencia que respalda las etiquetas.</translation>
    </message>
    <message>
      <source>The networks are those of &lt;a href="https://doi.org/10.1038/s41746-023-00866-z"&gt;EMV-3D-CNN&lt;/a&gt; and &lt;a href="https://doi.org/10.1158/0008-5472.CAN-18-0696"&gt;DenseSharp&lt;/a&gt;, as published. Their authors' own weights are not included; those of EMV-3D-CNN are for research only and protected by a patent.</source>
      <translation>Las redes son las de &lt;a href="https://doi.org/10.1038/s41746-023-00866-z"&gt;EMV-3D-CNN&lt;/a&gt; y &lt;a href="https://doi.org/10.1158/0008-5472.CAN-18-0696"&gt;DenseSharp&lt;/a&gt;, tal como se publicaron. No se incluyen los pesos de sus autores; los de EMV-3D-CNN son solo para investigación y están protegidos por una patente.</translation>
    </message>
    <message>
      <source>The networks to use, and the evidence behind their numbers. See Advanced for details.</source>
      <translation>Las redes que se usan y la evidencia que respalda sus números. Detalles en «Avanzado».</translation>
    </message>
    <message>
      <source>The reader's pseudonym.</source>
      <translation>El seudónimo del lector.</translation>
    </message>
    <message>
      <source>The weight set's networks, evidence, licence and held-out results.</source>
      <translation>Las redes, la evidencia, la licencia y los resultados en casos reservados del conjunto de pesos.</translation>
    </message>
    <message>
      <source>Try it</source>
      <translation>Probar</translation>
    </message>
    <message>
      <source>Undo</source>
      <translation>Deshacer</translation>
    </message>
    <message>
      <source>Undo placing, deleting or assessing.</source>
      <translation>Deshacer la colocación, la eliminación o la evaluación.</translation>
    </message>
    <message>
      <source>Verify</source>
      <translation>Verificar</translation>
    </message>
    <message>
      <source>Weight set</source>
      <translation>Conjunto de pesos</translation>
    </message>
    <message>
      <source>Weight set or packages</source>
      <translation>Conjunto de pesos o paquetes</translation>
    </message>
    <message>
      <source>Weight set:</source>
      <translation>Conjunto de pesos:</translation>
    </message>
    <message>
      <source>What scores and guidelines need to know. It is not saved.</source>
      <translation>Lo que necesitan saber las puntuaciones y las guías. No se guarda.</translation>
    </message>
    <message>
      <source>What the nodule is. You can also type other words, such as AIS, part-solid.</source>
      <translation>Qué es el nódulo. También puede escribir otras palabras en inglés, como AIS, part-solid.</translation>
    </message>
    <message>
      <source>Where the networks run. auto: a GPU if there is one, otherwise the CPU.</source>
      <translation>Dónde se ejecutan las redes. auto: en una GPU si la hay; si no, en la CPU.</translation>
    </message>
    <message>
      <source>Which nodules are proposed as the same</source>
      <translation>Qué nódulos se proponen como el mismo</translation>
    </message>
    <message>
      <source>Which nodules are proposed as the same: those that lie in one place once the lungs are aligned, or those of one name, for lungs that do not match.</source>
      <translation>Qué nódulos se proponen como el mismo: los que están en un mismo lugar una vez alineados los pulmones, o los del mismo nombre si los pulmones no coinciden.</translation>
    </message>
    <message>
      <source>Window</source>
      <translation>Ventana</translation>
    </message>
    <message>
      <source>Window:</source>
      <translation>Ventana:</translation>
    </message>
    <message>
      <source>Write a report of all nodules, to read or print. It does not name the patient.</source>
      <translation>Escribir un informe de todos los nódulos, para leer o imprimir. No nombra al paciente.</translation>
    </message>
    <message>
      <source>Write the labels and positions as a table.</source>
      <translation>Escribir las etiquetas y posiciones en una tabla.</translation>
    </message>
    <message>
      <source>Write the masks and measurements as DICOM SEG and SR. They name the patient, as the CT does.</source>
      <translation>Escribir las máscaras y las medidas como DICOM SEG y SR. Nombran al paciente, como la TC.</translation>
    </message>
    <message>
      <source>Write the nodules with their masks and labels in the DenseSharp format, which training reads.</source>
      <translation>Escribir los nódulos con sus máscaras y etiquetas en el formato DenseSharp, que lee el entrenamiento.</translation>
    </message>
    <message>
      <source>pseudonym</source>
      <translation>seudónimo</translation>
    </message>
  </context>
  <context>
    <name>widgets.advanced</name>
    <message>
      <source>Call {label} at or above:</source>
      <translation>Llamar «{label}» desde:</translation>
    </message>
    <message>
      <source>Decision thresholds of a weight set's own tasks of two classes, such as EGFR=0.4, MIA=0.6.</source>
      <translation>Umbrales de decisión de las tareas propias de dos clases de un conjunto de pesos, como EGFR=0.4, MIA=0.6.</translation>
    </message>
    <message>
      <source>Delete the weight set '{name}'?</source>
      <translation>¿Eliminar el conjunto de pesos «{name}»?</translation>
    </message>
    <message>
      <source>Folder with the authors' .h5 files, or of a trained set</source>
      <translation>Carpeta con los archivos .h5 de los autores o de un conjunto entrenado</translation>
    </message>
    <message>
      <source>The decision threshold, as a probability. 'card': the threshold on the weight set's card.</source>
      <translation>El umbral de decisión, como probabilidad. «ficha»: el umbral de la ficha del conjunto de pesos.</translation>
    </message>
    <message>
      <source>Thresholds of own tasks</source>
      <translation>Umbrales de tareas propias</translation>
    </message>
    <message>
      <source>Thresholds of own tasks:</source>
      <translation>Umbrales de tareas propias:</translation>
    </message>
    <message>
      <source>Working…</source>
      <translation>Procesando…</translation>
    </message>
    <message>
      <source>card</source>
      <translation>ficha</translation>
    </message>
    <message>
      <source>{name} is as its card says.</source>
      <translation>{name} es como dice su ficha.</translation>
    </message>
    <message>
      <source>{name} was deleted.</source>
      <translation>{name} se eliminó.</translation>
    </message>
    <message>
      <source>{task} threshold</source>
      <translation>Umbral: {task}</translation>
    </message>
  </context>
  <context>
    <name>widgets.annotating</name>
    <message>
      <source>Export labels to</source>
      <translation>Exportar las etiquetas a</translation>
    </message>
    <message>
      <source>Export training samples to</source>
      <translation>Exportar las muestras de entrenamiento a</translation>
    </message>
    <message>
      <source>Exported to {where}</source>
      <translation>Exportado a {where}</translation>
    </message>
  </context>
  <context>
    <name>widgets.background</name>
    <message>
      <source>Something else is running: wait until it has ended.</source>
      <translation>Hay otra operación en curso: espere a que termine.</translation>
    </message>
  </context>
  <context>
    <name>widgets.buttons</name>
    <message>
      <source>Load a chest CT and select it, or press 'Try it'.</source>
      <translation>Cargue una TC de tórax y selecciónela, o pulse «Probar».</translation>
    </message>
    <message>
      <source>Place a point on each nodule: press 'Place points', then click in the slices.</source>
      <translation>Coloque un punto en cada nódulo: pulse «Colocar puntos» y haga clic en los cortes.</translation>
    </message>
    <message>
      <source>Segment each nodule and assess it with the networks.</source>
      <translation>Segmentar cada nódulo y evaluarlo con las redes.</translation>
    </message>
    <message>
      <source>Undo placing, deleting or assessing.</source>
      <translation>Deshacer la colocación, la eliminación o la evaluación.</translation>
    </message>
    <message>
      <source>Undo {what}.</source>
      <translation>Deshacer: {what}.</translation>
    </message>
  </context>
  <context>
    <name>widgets.details</name>
    <message>
      <source>; threshold {value:.2f}</source>
      <translation>; umbral {value:.2f}</translation>
    </message>
    <message>
      <source>Appearance</source>
      <translation>Aspecto</translation>
    </message>
    <message>
      <source>Guidelines</source>
      <translation>Guías</translation>
    </message>
    <message>
      <source>Measurements</source>
      <translation>Medidas</translation>
    </message>
    <message>
      <source>Over all scans</source>
      <translation>En todas las TC</translation>
    </message>
    <message>
      <source>Scores</source>
      <translation>Puntuaciones</translation>
    </message>
    <message>
      <source>Since {when}</source>
      <translation>Comparación ({when})</translation>
    </message>
    <message>
      <source>Stability</source>
      <translation>Estabilidad</translation>
    </message>
    <message>
      <source>{name}: {words}; from {basis}</source>
      <translation>{name}: {words}; a partir de {basis}</translation>
    </message>
    <message>
      <source>{nodules} nodules, {patients} patients held out</source>
      <translation>{nodules} nódulos, {patients} pacientes reservados</translation>
    </message>
  </context>
  <context>
    <name>widgets.following</name>
    <message>
      <source>Aligning the lungs…</source>
      <translation>Alineando los pulmones…</translation>
    </message>
    <message>
      <source>The lungs of the two CTs do not match. Is {before} on the earlier CT the same nodule as {after} on this one?</source>
      <translation>Los pulmones de las dos TC no coinciden. ¿Es {before} en la TC anterior el mismo nódulo que {after} en esta?</translation>
    </message>
    <message>
      <source>none</source>
      <translation>ninguna</translation>
    </message>
    <message>
      <source>{before} on the earlier CT and {after} on this one lie {distance:.1f} mm apart once the lungs are aligned. Are they the same nodule?</source>
      <translation>{before} en la TC anterior y {after} en esta están a {distance:.1f} mm una vez alineados los pulmones. ¿Son el mismo nódulo?</translation>
    </message>
    <message>
      <source>{name} (look for it at R {x:.0f}, A {y:.0f}, S {z:.0f} mm)</source>
      <translation>{name} (búsquelo en R {x:.0f}, A {y:.0f}, S {z:.0f} mm)</translation>
    </message>
  </context>
  <context>
    <name>widgets.nodules</name>
    <message>
      <source>Nodule</source>
      <translation>Nódulo</translation>
    </message>
    <message>
      <source>Probabilities</source>
      <translation>Probabilidades</translation>
    </message>
    <message>
      <source>moved: assess again</source>
      <translation>movido: evalúe de nuevo</translation>
    </message>
    <message>
      <source>not assessed</source>
      <translation>no evaluado</translation>
    </message>
    <message>
      <source>refused: {reason}</source>
      <translation>rechazado: {reason}</translation>
    </message>
    <message>
      <source>warnings: {count}</source>
      <translation>avisos: {count}</translation>
    </message>
  </context>
  <context>
    <name>widgets.panel</name>
    <message>
      <source>Delete {name} and its results, with the mask that was changed by hand?</source>
      <translation>¿Eliminar {name} y sus resultados, con la máscara modificada a mano?</translation>
    </message>
    <message>
      <source>Delete {name} and its results?</source>
      <translation>¿Eliminar {name} y sus resultados?</translation>
    </message>
    <message>
      <source>Finding where a network looked…</source>
      <translation>Buscando dónde miró una red…</translation>
    </message>
    <message>
      <source>The table was copied.</source>
      <translation>Se copió la tabla.</translation>
    </message>
    <message>
      <source>These masks were drawn or changed by hand: {names}. Redraw them and lose your changes? If not, they are kept and measured as they are.</source>
      <translation>Estas máscaras se dibujaron o modificaron a mano: {names}. ¿Redibujarlas y perder sus cambios? Si no, se conservan y se miden como están.</translation>
    </message>
  </context>
  <context>
    <name>widgets.patient</name>
    <message>
      <source>Leave empty if not known.</source>
      <translation>Déjelo vacío si no se conoce.</translation>
    </message>
    <message>
      <source>{words} (this nodule)</source>
      <translation>{words} (este nódulo)</translation>
    </message>
  </context>
  <context>
    <name>widgets.running</name>
    <message>
      <source>Stopped: {reason}</source>
      <translation>Detenido: {reason}</translation>
    </message>
    <message>
      <source>{count} of {asked} nodules assessed.</source>
      <translation>{count} de {asked} nódulos evaluados.</translation>
    </message>
  </context>
  <context>
    <name>widgets.writing</name>
    <message>
      <source>DICOM files name the patient, as the CT's series does. Write them?</source>
      <translation>Los archivos DICOM nombran al paciente, como la serie de la TC. ¿Escribirlos?</translation>
    </message>
    <message>
      <source>Write DICOM files to</source>
      <translation>Escribir los archivos DICOM en</translation>
    </message>
    <message>
      <source>Write the report to</source>
      <translation>Escribir el informe en</translation>
    </message>
    <message>
      <source>Writing…</source>
      <translation>Escribiendo…</translation>
    </message>
    <message>
      <source>Written to {path}</source>
      <translation>Escrito en {path}</translation>
    </message>
  </context>
</TS>
