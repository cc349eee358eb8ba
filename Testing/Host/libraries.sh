# Installs what the tests need of the system and Debian's kin lack: Qt and VTK draw where there is no screen, two programs
# look at our DICOM files, and a browser at our pages.
wanted="libegl1 libgl1 libgl1-mesa-dri libxkbcommon0 libfontconfig1 libglib2.0-0 libdbus-1-3 fonts-dejavu-core"
wanted="$wanted dcmtk dicom3tools chromium"
there() {
	[ "$(uname)" != Linux ] || { ldconfig -p | grep -q libEGL.so.1 && ldconfig -p | grep -q libxkbcommon.so.0; }
}
if there && command -v dsrdump >/dev/null && command -v dciodvfy >/dev/null && command -v chromium >/dev/null; then
	exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted
else
	echo "The tests need these packages (Debian's names): $wanted" >&2
	exit 1
fi
