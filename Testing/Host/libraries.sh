# Installs what the tests need of the system and Debian's kin lack: Qt and VTK draw where there is no screen, three programs
# look at our DICOM files, a browser at our pages, and nginx and Caddy stand before them. Who may not install it is told what is missing; the tests that need
# it are left out then, and listed. In CI that is an error.
wanted="libegl1 libgl1 libgl1-mesa-dri libxkbcommon0 libfontconfig1 libglib2.0-0 libdbus-1-3 fonts-dejavu-core"
wanted="$wanted dcmtk dicom3tools orthanc orthanc-dicomweb nginx caddy chromium"
lacking() {
	for program in dsrdump dciodvfy Orthanc nginx caddy; do
		PATH="$PATH:/usr/sbin" command -v $program >/dev/null || echo $program
	done
	command -v chromium >/dev/null || command -v google-chrome >/dev/null || echo chromium
	[ "$(uname)" = Linux ] || return 0
	for library in libEGL.so.1 libGL.so.1 libxkbcommon.so.0; do
		PATH="$PATH:/sbin" ldconfig -p | grep -q $library || echo $library
	done
}
[ -n "$(lacking)" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted
else
	echo "Some tests cannot run here without: $(echo $(lacking))" >&2
	echo "To run them too (Debian, Ubuntu): sudo apt-get install $wanted" >&2
	[ -z "$CI" ]
fi
