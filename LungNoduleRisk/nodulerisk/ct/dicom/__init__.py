"""A DICOM folder, zip or file in; the volumes of its series, told apart, and one of them read."""
