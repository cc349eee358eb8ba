"""The way to a hospital's archive (PACS): CTs come from it, and masks and reports go to it.

DICOMweb by dicomweb-client, C-STORE by pynetdicom; both come with the extra ``pacs``. Nothing is
asked of an archive unless a user asks for it.
"""
