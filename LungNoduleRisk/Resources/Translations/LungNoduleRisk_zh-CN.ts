<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="zh_CN" sourcelanguage="en_US">
  <context>
    <name>LungNoduleRisk</name>
    <message>
      <source>&amp;3D page</source>
      <translation>3D 页面(&amp;3)</translation>
    </message>
    <message>
      <source>&amp;Assess nodules</source>
      <translation>评估结节(&amp;A)</translation>
    </message>
    <message>
      <source>&amp;Delete</source>
      <translation>删除(&amp;D)</translation>
    </message>
    <message>
      <source>&amp;Points:</source>
      <translation>点(&amp;P)：</translation>
    </message>
    <message>
      <source>&amp;Try it</source>
      <translation>试用(&amp;T)</translation>
    </message>
    <message>
      <source>&amp;Undo</source>
      <translation>撤销(&amp;U)</translation>
    </message>
    <message>
      <source>&amp;Weights:</source>
      <translation>权重(&amp;W)：</translation>
    </message>
    <message>
      <source>3D page</source>
      <translation>3D 页面</translation>
    </message>
    <message>
      <source>A list with one point on each nodule.</source>
      <translation>每个结节上有一个点的列表。</translation>
    </message>
    <message>
      <source>A pseudonym, never a name or an ID. Needed where a patient has several CTs.</source>
      <translation>假名，切勿使用姓名或 ID。患者有多次 CT 时需要。</translation>
    </message>
    <message>
      <source>Advanced</source>
      <translation>高级</translation>
    </message>
    <message>
      <source>Align the lungs, confirm which nodules are the same, and see how they changed. Compare with several earlier CTs, one after another, for a growth curve.</source>
      <translation>配准两肺，确认哪些是同一结节，并查看其变化。依次与多次既往 CT 比较可得到增长曲线。</translation>
    </message>
    <message>
      <source>An earlier CT of the patient, with its nodules assessed.</source>
      <translation>该患者的既往 CT，其结节已评估。</translation>
    </message>
    <message>
      <source>Annotate</source>
      <translation>标注</translation>
    </message>
    <message>
      <source>Any note. Do not identify the patient: the note is exported.</source>
      <translation>任意备注。请勿写入可识别患者的信息：备注会被导出。</translation>
    </message>
    <message>
      <source>Assess each nodule again with the image turned and with the point 2 mm off. This takes several times as long.</source>
      <translation>旋转图像并将点偏移 2 mm 后再次评估每个结节。用时为数倍。</translation>
    </message>
    <message>
      <source>Assess nodules</source>
      <translation>评估结节</translation>
    </message>
    <message>
      <source>C&amp;ompare</source>
      <translation>比较(&amp;O)</translation>
    </message>
    <message>
      <source>Ca&amp;ncel</source>
      <translation>取消(&amp;N)</translation>
    </message>
    <message>
      <source>Cancel</source>
      <translation>取消</translation>
    </message>
    <message>
      <source>Cascade</source>
      <translation>级联</translation>
    </message>
    <message>
      <source>Chart</source>
      <translation>图表</translation>
    </message>
    <message>
      <source>Check</source>
      <translation>检查</translation>
    </message>
    <message>
      <source>Chest &amp;CT:</source>
      <translation>胸部 CT(&amp;C)：</translation>
    </message>
    <message>
      <source>Chest CT</source>
      <translation>胸部 CT</translation>
    </message>
    <message>
      <source>Click on each nodule in the slices to place a point. Press this button again, or right-click, to stop.</source>
      <translation>在层面中点击每个结节以放置点。再次按此按钮或点击右键即可停止。</translation>
    </message>
    <message>
      <source>Compare</source>
      <translation>比较</translation>
    </message>
    <message>
      <source>Compare every file's SHA-256 with the card.</source>
      <translation>将每个文件的 SHA-256 与卡片比较。</translation>
    </message>
    <message>
      <source>Copy table</source>
      <translation>复制表格</translation>
    </message>
    <message>
      <source>Copy the results of all nodules as a table, to paste into a spreadsheet (Ctrl+C in the list).</source>
      <translation>将所有结节的结果复制为表格，以粘贴到电子表格中（列表中按 Ctrl+C）。</translation>
    </message>
    <message>
      <source>Correct &amp;mask</source>
      <translation>修正掩膜(&amp;M)</translation>
    </message>
    <message>
      <source>Correct mask</source>
      <translation>修正掩膜</translation>
    </message>
    <message>
      <source>Correct the nodule's mask in the Segment Editor. It is then measured again.</source>
      <translation>在 Segment Editor 中修正该结节的掩膜，随后会重新测量。</translation>
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
      <translation>两次 CT 间隔的天数</translation>
    </message>
    <message>
      <source>Days between:</source>
      <translation>间隔天数：</translation>
    </message>
    <message>
      <source>Days from the earlier CT to this one; from the DICOM dates where both were loaded from Slicer's DICOM database.</source>
      <translation>既往 CT 与本次 CT 间隔的天数；如两者均从 Slicer 的 DICOM 数据库加载，则取自 DICOM 日期。</translation>
    </message>
    <message>
      <source>Delete</source>
      <translation>删除</translation>
    </message>
    <message>
      <source>Delete an imported weight set.</source>
      <translation>删除已导入的权重集。</translation>
    </message>
    <message>
      <source>Delete the nodule's point and its results (Del).</source>
      <translation>删除该结节的点及其结果（Del）。</translation>
    </message>
    <message>
      <source>Device</source>
      <translation>设备</translation>
    </message>
    <message>
      <source>Earlier CT</source>
      <translation>既往 CT</translation>
    </message>
    <message>
      <source>Earlier CT:</source>
      <translation>既往 CT：</translation>
    </message>
    <message>
      <source>Evidence of the labels</source>
      <translation>标签的证据</translation>
    </message>
    <message>
      <source>Expla&amp;in</source>
      <translation>解释(&amp;I)</translation>
    </message>
    <message>
      <source>Explain</source>
      <translation>解释</translation>
    </message>
    <message>
      <source>Export labels (CSV)</source>
      <translation>导出标签（CSV）</translation>
    </message>
    <message>
      <source>Export labels (CSV)…</source>
      <translation>导出标签（CSV）…</translation>
    </message>
    <message>
      <source>Export samples</source>
      <translation>导出样本</translation>
    </message>
    <message>
      <source>Export samples…</source>
      <translation>导出样本…</translation>
    </message>
    <message>
      <source>Follow-up</source>
      <translation>随访</translation>
    </message>
    <message>
      <source>How much the masks cover of the CT in the slices.</source>
      <translation>掩膜在层面中遮盖 CT 的程度。</translation>
    </message>
    <message>
      <source>Import</source>
      <translation>导入</translation>
    </message>
    <message>
      <source>Import a weight set that you trained, or a folder with the authors' Keras files (.h5).</source>
      <translation>导入您训练的权重集，或含作者 Keras 文件（.h5）的文件夹。</translation>
    </message>
    <message>
      <source>Import…</source>
      <translation>导入…</translation>
    </message>
    <message>
      <source>Install</source>
      <translation>安装</translation>
    </message>
    <message>
      <source>Install what is missing, after asking.</source>
      <translation>询问后安装缺少的软件包。</translation>
    </message>
    <message>
      <source>Install…</source>
      <translation>安装…</translation>
    </message>
    <message>
      <source>Invasiveness is assessed only for nodules called malignant, and grade only for those called invasive.</source>
      <translation>仅对判为恶性的结节评估浸润性，仅对判为浸润性的结节评估分级。</translation>
    </message>
    <message>
      <source>La&amp;bel:</source>
      <translation>标签(&amp;B)：</translation>
    </message>
    <message>
      <source>Label</source>
      <translation>标签</translation>
    </message>
    <message>
      <source>Labels from:</source>
      <translation>标签来源：</translation>
    </message>
    <message>
      <source>List the Python packages that the module needs.</source>
      <translation>列出本模块所需的 Python 软件包。</translation>
    </message>
    <message>
      <source>Load a bundled CT with a point on its nodule: thin slices, or by the arrow thick ones. Nothing is downloaded.</source>
      <translation>加载随附的 CT 及其结节上的点：薄层，或通过箭头选择厚层。不会下载任何内容。</translation>
    </message>
    <message>
      <source>Lung Nodule Risk</source>
      <translation>Lung Nodule Risk（肺结节风险）</translation>
    </message>
    <message>
      <source>Masks:</source>
      <translation>掩膜：</translation>
    </message>
    <message>
      <source>Name the patient in reports</source>
      <translation>在报告中写明患者</translation>
    </message>
    <message>
      <source>Ne&amp;xt</source>
      <translation>下一个(&amp;X)</translation>
    </message>
    <message>
      <source>Next</source>
      <translation>下一个</translation>
    </message>
    <message>
      <source>Nodule</source>
      <translation>结节</translation>
    </message>
    <message>
      <source>Nodules</source>
      <translation>结节</translation>
    </message>
    <message>
      <source>Note</source>
      <translation>备注</translation>
    </message>
    <message>
      <source>Note:</source>
      <translation>备注：</translation>
    </message>
    <message>
      <source>Nothing was tested: {names} must be installed first. Press Install in the module's section Advanced.</source>
      <translation>未进行任何测试：须先安装 {names}。请在本模块的“高级”部分按“安装”。</translation>
    </message>
    <message>
      <source>One row per nodule. Click a row to see the nodule in the slices and in 3D; press Del to delete it.</source>
      <translation>每个结节一行。点击某行可在层面和 3D 中查看该结节；按 Del 键删除。</translation>
    </message>
    <message>
      <source>Opacity of the masks</source>
      <translation>掩膜的不透明度</translation>
    </message>
    <message>
      <source>P&amp;lace points</source>
      <translation>放置点(&amp;L)</translation>
    </message>
    <message>
      <source>P&amp;revious</source>
      <translation>上一个(&amp;R)</translation>
    </message>
    <message>
      <source>Packages:</source>
      <translation>软件包：</translation>
    </message>
    <message>
      <source>Patient's pseudonym</source>
      <translation>患者的假名</translation>
    </message>
    <message>
      <source>Patient, for scores and guidelines</source>
      <translation>患者信息，用于评分和指南</translation>
    </message>
    <message>
      <source>Patient:</source>
      <translation>患者：</translation>
    </message>
    <message>
      <source>Place a point on each lung nodule of a chest CT, and see its mask and the probabilities that it is malignant, invasive, and of which grade, with the evidence behind each number. &lt;b&gt;Research use only: not a medical device, not for diagnosis.&lt;/b&gt; See the &lt;a href="{homepage}"&gt;documentation&lt;/a&gt;.</source>
      <translation>在胸部 CT 的每个肺结节上放置一个点，即可查看其掩膜，以及其为恶性、为浸润性和属于各分级的概率，并附每个数值所依据的证据。&lt;b&gt;仅供研究使用：不是医疗器械，不得用于诊断。&lt;/b&gt;请参阅&lt;a href="{homepage}"&gt;文档&lt;/a&gt;。</translation>
    </message>
    <message>
      <source>Place points</source>
      <translation>放置点</translation>
    </message>
    <message>
      <source>Points</source>
      <translation>点</translation>
    </message>
    <message>
      <source>Previous</source>
      <translation>上一个</translation>
    </message>
    <message>
      <source>Progress</source>
      <translation>进度</translation>
    </message>
    <message>
      <source>Reader</source>
      <translation>阅片者</translation>
    </message>
    <message>
      <source>Reader:</source>
      <translation>阅片者：</translation>
    </message>
    <message>
      <source>Report</source>
      <translation>报告</translation>
    </message>
    <message>
      <source>Reports say the patient's name, ID and birth date, as the CT's DICOM files do. Otherwise nothing identifies the patient.</source>
      <translation>报告会像 CT 的 DICOM 文件一样写明患者的姓名、ID 和出生日期。否则不含任何可识别患者的信息。</translation>
    </message>
    <message>
      <source>Report…</source>
      <translation>报告…</translation>
    </message>
    <message>
      <source>Run later tasks only if earlier ones are positive</source>
      <translation>仅在前面的任务为阳性时运行后面的任务</translation>
    </message>
    <message>
      <source>Same nodules:</source>
      <translation>同一结节：</translation>
    </message>
    <message>
      <source>Segment each nodule and assess it with the networks.</source>
      <translation>分割每个结节并用网络评估。</translation>
    </message>
    <message>
      <source>Show card</source>
      <translation>显示卡片</translation>
    </message>
    <message>
      <source>Show the CT in a usual window.</source>
      <translation>以常用窗显示 CT。</translation>
    </message>
    <message>
      <source>Show the next nodule (Alt+Down).</source>
      <translation>显示下一个结节（Alt+↓）。</translation>
    </message>
    <message>
      <source>Show the nodule's mesh and slices as an interactive page.</source>
      <translation>以交互页面显示该结节的表面网格和层面。</translation>
    </message>
    <message>
      <source>Show the previous nodule (Alt+Up).</source>
      <translation>显示上一个结节（Alt+↑）。</translation>
    </message>
    <message>
      <source>Show the probabilities of all nodules as a chart.</source>
      <translation>以图表显示所有结节的概率。</translation>
    </message>
    <message>
      <source>Show where a network looked, by Grad-CAM: an explanation, not evidence. Needs the package monai.</source>
      <translation>用 Grad-CAM 显示网络关注的区域：仅为解释，并非证据。需要软件包 monai。</translation>
    </message>
    <message>
      <source>Stability</source>
      <translation>稳定性</translation>
    </message>
    <message>
      <source>Status</source>
      <translation>状态</translation>
    </message>
    <message>
      <source>Stop the assessment. Nodules assessed so far are kept.</source>
      <translation>停止评估。已评估的结节会保留。</translation>
    </message>
    <message>
      <source>Test stability</source>
      <translation>检验稳定性</translation>
    </message>
    <message>
      <source>The CT with the nodules, in Hounsfield units.</source>
      <translation>含结节的 CT，单位为 HU。</translation>
    </message>
    <message>
      <source>The evidence behind the labels.</source>
      <translation>标签所依据的证据。</translation>
    </message>
    <message>
      <source>The networks are those of &lt;a href="https://doi.org/10.1038/s41746-023-00866-z"&gt;EMV-3D-CNN&lt;/a&gt; and &lt;a href="https://doi.org/10.1158/0008-5472.CAN-18-0696"&gt;DenseSharp&lt;/a&gt;, as published. Their authors' own weights are not included; those of EMV-3D-CNN are for research only and protected by a patent.</source>
      <translation>所用网络为已发表的 &lt;a href="https://doi.org/10.1038/s41746-023-00866-z"&gt;EMV-3D-CNN&lt;/a&gt; 和 &lt;a href="https://doi.org/10.1158/0008-5472.CAN-18-0696"&gt;DenseSharp&lt;/a&gt;。不包含作者自己的权重；EMV-3D-CNN 的权重仅供研究使用，并受专利保护。</translation>
    </message>
    <message>
      <source>The networks to use, and the evidence behind their numbers. See Advanced for details.</source>
      <translation>要使用的网络及其数值所依据的证据。详见“高级”。</translation>
    </message>
    <message>
      <source>The reader's pseudonym.</source>
      <translation>阅片者的假名。</translation>
    </message>
    <message>
      <source>The weight set's networks, evidence, licence and held-out results.</source>
      <translation>权重集的网络、证据、许可和留出集结果。</translation>
    </message>
    <message>
      <source>Try it</source>
      <translation>试用</translation>
    </message>
    <message>
      <source>Undo</source>
      <translation>撤销</translation>
    </message>
    <message>
      <source>Undo placing, deleting or assessing.</source>
      <translation>撤销放置、删除或评估。</translation>
    </message>
    <message>
      <source>Verify</source>
      <translation>验证</translation>
    </message>
    <message>
      <source>Weight set</source>
      <translation>权重集</translation>
    </message>
    <message>
      <source>Weight set or packages</source>
      <translation>权重集或软件包</translation>
    </message>
    <message>
      <source>Weight set:</source>
      <translation>权重集：</translation>
    </message>
    <message>
      <source>What scores and guidelines need to know. It is not saved.</source>
      <translation>评分和指南所需的信息。不会保存。</translation>
    </message>
    <message>
      <source>What the nodule is. You can also type other words, such as AIS, part-solid.</source>
      <translation>该结节是什么。也可以输入其他英文词，例如 AIS, part-solid。</translation>
    </message>
    <message>
      <source>Where the networks run. auto: a GPU if there is one, otherwise the CPU.</source>
      <translation>网络运行的位置。auto：如有 GPU 则用 GPU，否则用 CPU。</translation>
    </message>
    <message>
      <source>Which nodules are proposed as the same</source>
      <translation>将哪些结节提议为同一结节</translation>
    </message>
    <message>
      <source>Which nodules are proposed as the same: those that lie in one place once the lungs are aligned, or those of one name, for lungs that do not match.</source>
      <translation>将哪些结节提议为同一结节：两肺配准后位置相同者，或在两肺不匹配时名称相同者。</translation>
    </message>
    <message>
      <source>Window</source>
      <translation>窗</translation>
    </message>
    <message>
      <source>Window:</source>
      <translation>窗：</translation>
    </message>
    <message>
      <source>Write a report of all nodules, to read or print. It does not name the patient.</source>
      <translation>写出所有结节的报告，供阅读或打印。报告不写明患者身份。</translation>
    </message>
    <message>
      <source>Write the labels and positions as a table.</source>
      <translation>将标签和位置写为表格。</translation>
    </message>
    <message>
      <source>Write the masks and measurements as DICOM SEG and SR. They name the patient, as the CT does.</source>
      <translation>将掩膜和测量值写为 DICOM SEG 和 SR。它们会像 CT 一样写明患者身份。</translation>
    </message>
    <message>
      <source>Write the nodules with their masks and labels in the DenseSharp format, which training reads.</source>
      <translation>以训练可读取的 DenseSharp 格式写出结节及其掩膜和标签。</translation>
    </message>
    <message>
      <source>pseudonym</source>
      <translation>假名</translation>
    </message>
  </context>
  <context>
    <name>widgets.advanced</name>
    <message>
      <source>Call {label} at or above:</source>
      <translation>判为“{label}”的下限：</translation>
    </message>
    <message>
      <source>Decision thresholds of a weight set's own tasks of two classes, such as EGFR=0.4, MIA=0.6.</source>
      <translation>权重集自有二分类任务的判定阈值，例如 EGFR=0.4, MIA=0.6。</translation>
    </message>
    <message>
      <source>Delete the weight set '{name}'?</source>
      <translation>删除权重集“{name}”？</translation>
    </message>
    <message>
      <source>Folder with the authors' .h5 files, or of a trained set</source>
      <translation>含作者 .h5 文件或已训练权重集的文件夹</translation>
    </message>
    <message>
      <source>The decision threshold, as a probability. 'card': the threshold on the weight set's card.</source>
      <translation>判定阈值，以概率表示。“卡片”：权重集卡片上的阈值。</translation>
    </message>
    <message>
      <source>Thresholds of own tasks</source>
      <translation>自有任务的阈值</translation>
    </message>
    <message>
      <source>Thresholds of own tasks:</source>
      <translation>自有任务的阈值：</translation>
    </message>
    <message>
      <source>Working…</source>
      <translation>处理中…</translation>
    </message>
    <message>
      <source>card</source>
      <translation>卡片</translation>
    </message>
    <message>
      <source>{name} is as its card says.</source>
      <translation>{name} 与其卡片一致。</translation>
    </message>
    <message>
      <source>{name} was deleted.</source>
      <translation>{name} 已删除。</translation>
    </message>
    <message>
      <source>{task} threshold</source>
      <translation>{task}阈值</translation>
    </message>
  </context>
  <context>
    <name>widgets.annotating</name>
    <message>
      <source>Export labels to</source>
      <translation>将标注导出到</translation>
    </message>
    <message>
      <source>Export training samples to</source>
      <translation>将训练样本导出到</translation>
    </message>
    <message>
      <source>Exported to {where}</source>
      <translation>已导出到 {where}</translation>
    </message>
  </context>
  <context>
    <name>widgets.background</name>
    <message>
      <source>Something else is running: wait until it has ended.</source>
      <translation>有其他操作正在运行：请等待其结束。</translation>
    </message>
  </context>
  <context>
    <name>widgets.buttons</name>
    <message>
      <source>Load a chest CT and select it, or press 'Try it'.</source>
      <translation>请加载并选择胸部 CT，或按“试用”。</translation>
    </message>
    <message>
      <source>Place a point on each nodule: press 'Place points', then click in the slices.</source>
      <translation>请在每个结节上放置一个点：按“放置点”，然后在层面中点击。</translation>
    </message>
    <message>
      <source>Segment each nodule and assess it with the networks.</source>
      <translation>分割每个结节并用网络评估。</translation>
    </message>
    <message>
      <source>Undo placing, deleting or assessing.</source>
      <translation>撤销放置、删除或评估。</translation>
    </message>
    <message>
      <source>Undo {what}.</source>
      <translation>撤销：{what}。</translation>
    </message>
  </context>
  <context>
    <name>widgets.details</name>
    <message>
      <source>; threshold {value:.2f}</source>
      <translation>；阈值 {value:.2f}</translation>
    </message>
    <message>
      <source>Appearance</source>
      <translation>影像表现</translation>
    </message>
    <message>
      <source>Guidelines</source>
      <translation>指南</translation>
    </message>
    <message>
      <source>Measurements</source>
      <translation>测量</translation>
    </message>
    <message>
      <source>Over all scans</source>
      <translation>历次检查</translation>
    </message>
    <message>
      <source>Scores</source>
      <translation>评分</translation>
    </message>
    <message>
      <source>Since {when}</source>
      <translation>与此前相比（{when}）</translation>
    </message>
    <message>
      <source>Stability</source>
      <translation>稳定性</translation>
    </message>
    <message>
      <source>{name}: {words}; from {basis}</source>
      <translation>{name}：{words}；依据 {basis}</translation>
    </message>
    <message>
      <source>{nodules} nodules, {patients} patients held out</source>
      <translation>留出 {nodules} 个结节、{patients} 名患者</translation>
    </message>
  </context>
  <context>
    <name>widgets.following</name>
    <message>
      <source>Aligning the lungs…</source>
      <translation>正在配准两肺…</translation>
    </message>
    <message>
      <source>The lungs of the two CTs do not match. Is {before} on the earlier CT the same nodule as {after} on this one?</source>
      <translation>两次 CT 的肺不匹配。既往 CT 上的 {before} 与本次的 {after} 是同一结节吗？</translation>
    </message>
    <message>
      <source>none</source>
      <translation>无</translation>
    </message>
    <message>
      <source>{before} on the earlier CT and {after} on this one lie {distance:.1f} mm apart once the lungs are aligned. Are they the same nodule?</source>
      <translation>两肺配准后，既往 CT 上的 {before} 与本次的 {after} 相距 {distance:.1f} mm。它们是同一结节吗？</translation>
    </message>
    <message>
      <source>{name} (look for it at R {x:.0f}, A {y:.0f}, S {z:.0f} mm)</source>
      <translation>{name}（请在 R {x:.0f}、A {y:.0f}、S {z:.0f} mm 处查找）</translation>
    </message>
  </context>
  <context>
    <name>widgets.nodules</name>
    <message>
      <source>Nodule</source>
      <translation>结节</translation>
    </message>
    <message>
      <source>Probabilities</source>
      <translation>概率</translation>
    </message>
    <message>
      <source>moved: assess again</source>
      <translation>已移动：请重新评估</translation>
    </message>
    <message>
      <source>not assessed</source>
      <translation>未评估</translation>
    </message>
    <message>
      <source>refused: {reason}</source>
      <translation>已拒绝：{reason}</translation>
    </message>
    <message>
      <source>warnings: {count}</source>
      <translation>警告：{count}</translation>
    </message>
  </context>
  <context>
    <name>widgets.panel</name>
    <message>
      <source>Delete {name} and its results, with the mask that was changed by hand?</source>
      <translation>删除 {name} 及其结果，包括手动修改过的掩膜？</translation>
    </message>
    <message>
      <source>Delete {name} and its results?</source>
      <translation>删除 {name} 及其结果？</translation>
    </message>
    <message>
      <source>Finding where a network looked…</source>
      <translation>正在查找网络关注的区域…</translation>
    </message>
    <message>
      <source>The table was copied.</source>
      <translation>表格已复制。</translation>
    </message>
    <message>
      <source>These masks were drawn or changed by hand: {names}. Redraw them and lose your changes? If not, they are kept and measured as they are.</source>
      <translation>这些掩膜为手动勾画或修改：{names}。要重新勾画并丢弃您的修改吗？否则将保留并按现状测量。</translation>
    </message>
  </context>
  <context>
    <name>widgets.patient</name>
    <message>
      <source>Leave empty if not known.</source>
      <translation>如不清楚请留空。</translation>
    </message>
    <message>
      <source>{words} (this nodule)</source>
      <translation>{words}（该结节）</translation>
    </message>
  </context>
  <context>
    <name>widgets.running</name>
    <message>
      <source>Stopped: {reason}</source>
      <translation>已停止：{reason}</translation>
    </message>
    <message>
      <source>{count} of {asked} nodules assessed.</source>
      <translation>已评估 {count} 个结节，共 {asked} 个。</translation>
    </message>
  </context>
  <context>
    <name>widgets.writing</name>
    <message>
      <source>DICOM files name the patient, as the CT's series does. Write them?</source>
      <translation>DICOM 文件会像 CT 序列一样写明患者身份。要写入吗？</translation>
    </message>
    <message>
      <source>Write DICOM files to</source>
      <translation>将 DICOM 文件写入</translation>
    </message>
    <message>
      <source>Write the report to</source>
      <translation>将报告写入</translation>
    </message>
    <message>
      <source>Writing…</source>
      <translation>正在写入…</translation>
    </message>
    <message>
      <source>Written to {path}</source>
      <translation>已写入 {path}</translation>
    </message>
  </context>
</TS>
