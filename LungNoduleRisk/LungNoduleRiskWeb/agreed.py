"""Names that the front and the processes of its sessions have agreed on."""

KEY_HEADER = "X-LungNoduleRisk-Key"  # of every request that the front passes on
KEY_VARIABLE = (
    "NODULERISK_WEB_KEY"  # a session's environment: the key that it, and the networks, demand
)
NETWORKS_VARIABLE = (
    "NODULERISK_WEB_NETWORKS"  # a session's environment: host and port of the networks' queue
)
# a session's environment: the folder of CTs received by C-STORE
RECEIVED_VARIABLE = "NODULERISK_RECEIVED"
# on a session's standard output, once it listens; trame's launcher's word
READY_LINE = "wslink: Starting factory"
