# Installs the system libraries that Qt and VTK need to draw where there is no screen; only Debian's kin lack them.
if [ "$(uname)" != Linux ] || { ldconfig -p | grep -q libEGL.so.1 && ldconfig -p | grep -q libxkbcommon.so.0; }; then
	exit 0
fi
wanted="libegl1 libgl1 libgl1-mesa-dri libxkbcommon0 libfontconfig1 libglib2.0-0 libdbus-1-3 fonts-dejavu-core"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted
else
	echo "The panel's tests need these libraries (Debian's names): $wanted" >&2
	exit 1
fi
